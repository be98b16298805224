"""The embedded broker with the accounts of the register: who may connect, and how we ourselves reach it."""

import secrets

import structlog

from api.settings import Settings
from ingest.broker import BrokerRefused, EmbeddedBroker, client_url, read_embedded_url
from ingest.broker_files import (
    EMBEDDED_ACCOUNTS,
    SERVICE_ACCOUNT,
    locked,
    read_embedded_accounts,
    write_embedded_accounts,
)
from registry.database import Database
from registry.gateway import list_gateways

PASSWORD_BYTES = 24

log = structlog.get_logger(__name__)


def embedded_broker(settings: Settings, database: Database) -> EmbeddedBroker:
    """Not started yet. Raises BrokerRefused when it would let anybody in from beyond this machine."""
    address = read_embedded_url(settings.mqtt_url)
    with database.reading() as session:
        gateways = {gateway.account for gateway in list_gateways(session)}
    accounts = _passwords_of(settings, gateways) if gateways else {}
    if not accounts and not address.is_loopback:
        raise BrokerRefused(
            f"the embedded broker does not listen on {address.host} without accounts: anybody could write; "
            "add gateways with `liandong gateways add`, or listen on 127.0.0.1"
        )
    return EmbeddedBroker(
        host=address.host,
        port=address.port,
        accounts=accounts,
        certificates=settings.resolved_broker_dir if address.is_tls else None,
    )


def keep_embedded_password(settings: Settings, account: str, password: str | None) -> None:
    """For the next start; None takes the account away."""
    directory = settings.resolved_broker_dir
    with locked(directory):
        accounts = _read(settings)
        accounts.pop(account, None)
        if password is not None:
            accounts[account] = password
        write_embedded_accounts(directory, accounts)


def reachable_url(settings: Settings) -> str:
    """Where a client on this machine reaches the broker of the settings, also the one that `liandong up` has."""
    if not settings.has_embedded_broker:
        return settings.broker_url
    address = read_embedded_url(settings.mqtt_url)
    return client_url(
        address.host,
        address.port,
        password=_read(settings).get(SERVICE_ACCOUNT),
        certificates=settings.resolved_broker_dir if address.is_tls else None,
    )


def _passwords_of(settings: Settings, gateways: set[str]) -> dict[str, str]:
    """Of the gateways in the register and of ourselves; ours is drawn once, so that commands know it too."""
    directory = settings.resolved_broker_dir
    with locked(directory):
        kept = _read(settings)
        if SERVICE_ACCOUNT not in kept:
            kept[SERVICE_ACCOUNT] = secrets.token_urlsafe(PASSWORD_BYTES)
            write_embedded_accounts(directory, kept)
    for account in sorted(gateways - kept.keys()):
        log.warning("a gateway has no password for the embedded broker; renew it", account=account)
    return {name: password for name, password in kept.items() if name in gateways or name == SERVICE_ACCOUNT}


def _read(settings: Settings) -> dict[str, str]:
    try:
        return read_embedded_accounts(settings.resolved_broker_dir)
    except (OSError, ValueError) as error:
        raise BrokerRefused(f"{settings.resolved_broker_dir / EMBEDDED_ACCOUNTS} cannot be read: {error}") from error
