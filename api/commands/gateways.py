"""Accounts of gateways at the broker: kept in the register, written into the files that Mosquitto reads."""

import os
import secrets
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from api.clock import now_ms
from api.embedded_broker import keep_embedded_password
from api.processes import opened_database, prepare_data_dir
from api.settings import Settings
from ingest import authority
from ingest.broker_files import (
    SALT_BYTES,
    SERVICE_ACCOUNT,
    BrokerAccount,
    hash_password,
    locked,
    write_broker_files,
)
from ingest.mqtt import read_broker_url
from registry import activity, gateway
from registry.activity import Entry
from registry.database import Database
from registry.errors import InvalidField
from registry.gateway import Gateway
from registry.site import add_site, find_site

PASSWORD_BYTES = 24
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 128
BROKER_PROGRAM = "mosquitto"
RELOAD_BY_HAND = (
    "tell the broker to read its files again: `docker compose kill -s HUP mosquitto`, or `systemctl reload mosquitto`"
)


class BrokerNotPrepared(Exception):
    """The broker's files cannot be made; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Listed:
    site: str
    name: str
    account: str
    since_ms: int
    revoked_ms: int | None
    more_topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """`account` as the gateway signs in; `told` says how the broker knows, or what to do so that it does."""

    account: str
    told: str


def draw_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def add(
    settings: Settings, *, site: str, name: str, password: str, more_topics: tuple[str, ...], is_new_site: bool
) -> Changed:
    """Raises InvalidField, UnknownSite, GatewayTaken."""
    hashed = _hashed(password)

    def change(database: Database) -> Gateway:
        with database.writing() as session:
            now = now_ms()
            if is_new_site and find_site(session, site) is None:
                add_site(session, key=site, now_ms=now)
            added = gateway.add_gateway(
                session, site=site, name=name, hashed=hashed, more_topics=more_topics, now_ms=now
            )
            data = {"account": added.account, "more_topics": list(more_topics)}
            entry = Entry("gateway.added", f"gateway:{added.id}", site=site, data=data)
            activity.append(session, [entry], now_ms=now)
            return added

    return _changed(settings, change, password=password)


def renew(settings: Settings, *, site: str, name: str, password: str) -> Changed:
    """Raises InvalidField, UnknownSite, UnknownGateway."""
    hashed = _hashed(password)

    def change(database: Database) -> Gateway:
        with database.writing() as session:
            renewed = gateway.renew_gateway(session, site=site, name=name, hashed=hashed)
            entry = Entry("gateway.renewed", f"gateway:{renewed.id}", site=site, data={"account": renewed.account})
            activity.append(session, [entry], now_ms=now_ms())
            return renewed

    return _changed(settings, change, password=password)


def revoke(settings: Settings, *, site: str, name: str) -> Changed:
    """Raises UnknownSite, UnknownGateway."""

    def change(database: Database) -> Gateway:
        with database.writing() as session:
            now = now_ms()
            revoked = gateway.revoke_gateway(session, site=site, name=name, now_ms=now)
            entry = Entry("gateway.revoked", f"gateway:{revoked.id}", site=site, data={"account": revoked.account})
            activity.append(session, [entry], now_ms=now)
            return revoked

    return _changed(settings, change, password=None)


def listed(settings: Settings, *, is_with_revoked: bool) -> list[Listed]:
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        return [
            Listed(row.site.key, row.name, row.account, row.created_ms, row.revoked_ms, tuple(row.more_topics))
            for row in gateway.list_gateways(session, is_with_revoked=is_with_revoked)
        ]


def write(settings: Settings) -> str:
    """Writes the broker's files from the register; after a restore, or when they were lost."""
    with opened_database(settings, migrates=False) as database:
        _write_files(settings, database)
    return _reload(settings)


def prepare_broker(
    settings: Settings, *, hosts: Sequence[str], days: int, accounts_file: Path | None, is_renewing: bool
) -> list[str]:
    """Makes what a broker with TLS and accounts needs and has not yet; lines that say what was done."""
    prepare_data_dir(settings)
    directory, now = settings.resolved_broker_dir, now_ms()
    lines = []
    if authority.prepare_authority(settings.authority_dir, now_ms=now):
        lines.append(f"made an authority; keep {settings.authority_dir / authority.CA_KEY} to yourself")
    if is_renewing or authority.needs_renewal(directory, hosts=hosts, now_ms=now):
        shown = authority.issue_server_certificate(
            directory, authority=settings.authority_dir, hosts=hosts, now_ms=now, days=days
        )
        lines.append(f"made a certificate for {', '.join(shown.names)}, good for {shown.days_left(now)} days")
    with opened_database(settings, migrates=False) as database:
        _write_files(settings, database, added_lines=_service_lines(settings, accounts_file))
    lines.append(f"wrote the accounts and what each may do to {directory}")
    return [*lines, _reload(settings)]


def _service_lines(settings: Settings, accounts_file: Path | None) -> list[str]:
    """Lines of the password file for the accounts that are no gateway's."""
    lines = []
    if accounts_file is not None:
        try:
            lines = [line for line in accounts_file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except OSError as error:
            raise BrokerNotPrepared(f"{accounts_file}: {error.strerror}") from error
        for line in lines:
            name, _, hashed = line.partition(":")
            if "." in name or not hashed.startswith("$7$"):
                raise BrokerNotPrepared(f"{accounts_file}: each line is an account without a dot, a colon, and $7$…")
    if settings.has_embedded_broker:
        return lines
    try:
        address = read_broker_url(settings.mqtt_url)
    except ValueError as error:
        raise BrokerNotPrepared(f"LIANDONG_MQTT_URL: {error}") from error
    if address.username == SERVICE_ACCOUNT and address.password and not accounts_file:
        lines.append(f"{SERVICE_ACCOUNT}:{_hashed(address.password)}")
    return lines


def _changed(settings: Settings, change: Callable[[Database], Gateway], *, password: str | None) -> Changed:
    prepare_data_dir(settings)
    with opened_database(settings, migrates=False) as database:
        changed = change(database)
        try:
            _write_files(settings, database)
            if settings.has_embedded_broker:
                keep_embedded_password(settings, changed.account, password)
        except OSError as error:
            raise BrokerNotPrepared(
                f"{changed.account} is changed in the register, but the files of the broker could not be written "
                f"({error.filename}: {error.strerror}); mend that and run `liandong gateways write`"
            ) from error
    return Changed(changed.account, _reload(settings))


def _write_files(settings: Settings, database: Database, *, added_lines: Sequence[str] = ()) -> None:
    directory = settings.resolved_broker_dir
    with locked(directory):
        with database.reading() as session:
            accounts = [
                BrokerAccount(row.account, row.site.key, row.hashed, tuple(row.more_topics))
                for row in gateway.list_gateways(session)
            ]
        write_broker_files(directory, accounts, added_lines=added_lines)


def _reload(settings: Settings) -> str:
    """Tells the broker that its files changed; what was done, or what a person has to do."""
    if settings.has_embedded_broker:
        return "the embedded broker reads its accounts when it starts: start `liandong up` again"
    pid_file = settings.broker_pid_file
    if pid_file is None:
        return RELOAD_BY_HAND
    try:
        pid = int(pid_file.read_text(encoding="ascii").strip())
        if BROKER_PROGRAM not in psutil.Process(pid).name():
            return f"process {pid} of {pid_file} is no {BROKER_PROGRAM}; {RELOAD_BY_HAND}"
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError, psutil.Error) as error:
        return f"the broker of {pid_file} could not be told ({error}); {RELOAD_BY_HAND}"
    return "the broker was told"


def _hashed(password: str) -> str:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH or not password.isprintable():
        raise InvalidField(
            "password", f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters that can be printed"
        )
    return hash_password(password, salt=secrets.token_bytes(SALT_BYTES))
