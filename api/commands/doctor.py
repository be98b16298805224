"""Asks every part of an installation how it is, and says it in plain words, with what to do about it."""

import platform
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from secrets import token_hex

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import func, select

from alerts.due_action import count_overdue, oldest_due_ms
from alerts.escalation_audit import OVERDUE_MS, Fault, Gap, audit_part
from api.backup import DESK_SOCKET
from api.clock import now_ms
from api.metrics import program_version
from api.processes import prepare_data_dir, read_limits
from api.settings import LOOPBACK_HOSTS, Settings
from ingest import authority, outbox
from ingest.authority import CertificateUnreadable, read_certificate, read_certificate_der
from ingest.broker import read_embedded_url
from ingest.broker_files import PASSWORDS, SERVICE_ACCOUNT, account_names, read_embedded_accounts
from ingest.foreign import mapping_fault
from ingest.ledger import read_ledger
from ingest.mapping_file import load_rules
from ingest.mqtt import BrokerAddress, BrokerUnreachable, read_broker_url
from ingest.room import Room, room_left
from ingest.stores.contract import StoreInUse
from ingest.stores.opening import open_store
from registry.activity import Activity
from registry.calendar import LAST_PUBLISHED_YEAR, is_published
from registry.database import Database
from registry.gateway import list_gateways

ASK_S = 5.0
MIB = 1 << 20
LITTLE_ROOM_BYTES, NO_ROOM_BYTES = 2_048 * MIB, 256 * MIB
LITTLE_ROOM_SHARE = 0.1
OUTBOX_OLD_S = 300
CLOCK_SLACK_MS = 5_000
EARLIEST_NOW_MS = 1_767_225_600_000
"""2026-01-01: a clock that says less was never set."""


class Verdict(StrEnum):
    """`note` needs attention some day, `broken` now."""

    WELL = "ok"
    NOTE = "note"
    BROKEN = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    verdict: Verdict
    said: str


class Broken(Exception):
    """What was asked is not as it must be; the message says what is wrong and what to do."""


class Noted(Exception):
    """What was asked works, and will not for ever; the message says what to do."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Asks every part once; a part that fails is told and does not keep the others from being asked."""
    yield Finding("versions", Verdict.WELL, _versions())
    for what, ask in (
        ("data directory", _data_dir),
        ("disk", _disk),
        ("clock", _clock),
        ("limits", _limits),
        ("mapping rules", _mapping),
        ("database", _database),
    ):
        yield _asked(what, partial(ask, settings))
    if _has_tables(settings):
        look_at_outbox = partial(_outbox, most_bytes=settings.outbox_max_bytes)
        for what, look in (
            ("ledger", _ledger),
            ("outbox", look_at_outbox),
            ("time of the log", _time_of_log),
            ("escalations", _escalations),
            ("holidays", _holidays),
        ):
            yield _asked(what, partial(_with_database, settings, look))
    yield _asked("telemetry store", partial(_store, settings))
    yield _asked("MQTT broker", partial(_broker, settings))
    yield _asked("broker certificate", partial(_own_certificate, settings))
    if _has_tables(settings):
        yield _asked("gateways", partial(_gateways, settings))
    yield _asked("secrets", partial(_secrets, settings))


def _asked(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Verdict.WELL, ask())
    except Noted as note:
        return Finding(what, Verdict.NOTE, str(note))
    except Exception as error:
        # The doctor's work is to tell of any failure whatever.
        return Finding(what, Verdict.BROKEN, " ".join(str(error).split()) or type(error).__name__)


def _versions() -> str:
    return (
        f"liandong {program_version()}, Python {platform.python_version()}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}"
    )


def _data_dir(settings: Settings) -> str:
    prepare_data_dir(settings)
    return f"{settings.data_dir.resolve()} can be written to"


def _disk(settings: Settings) -> str:
    disk = shutil.disk_usage(settings.data_dir)
    share = disk.free / disk.total
    said = f"{disk.free / 1024 / MIB:.1f} GiB of {disk.total / 1024 / MIB:.1f} GiB are free ({share:.0%})"
    if disk.free < NO_ROOM_BYTES:
        raise Broken(f"{said}: nothing can be acknowledged once it is full; make room now")
    if disk.free < LITTLE_ROOM_BYTES or share < LITTLE_ROOM_SHARE:
        raise Noted(f"{said}: make room, or move LIANDONG_DATA_DIR")
    return said


def _clock(_settings: Settings) -> str:
    if now_ms() < EARLIEST_NOW_MS:
        raise Broken("this machine's clock was never set: readings of today would be refused as of the future")
    return "is set"


def _limits(settings: Settings) -> str:
    read_limits(settings)
    return f"as in {settings.limits_file}" if settings.limits_file else "the defaults"


def _is_missing_sqlite(settings: Settings) -> bool:
    url = settings.resolved_database_url
    return url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists()


def _mapping(settings: Settings) -> str:
    if settings.mapping_file is None:
        return "none; only the topics of our own and Sparkplug B are read"
    fault = mapping_fault(settings.mapping_file)
    if fault is not None:
        raise Broken(f"{settings.mapping_file}: {fault}; a running ingest keeps the rules it had")
    return f"{len(load_rules(settings.mapping_file).rules)} rules in {settings.mapping_file}"


def _database(settings: Settings) -> str:
    database = Database(settings.resolved_database_url)
    try:
        if _is_missing_sqlite(settings):
            return f"{database.display_url} is not there yet; the first start makes it"
        if not database.is_current():
            raise Broken(
                f"{database.display_url} has tables of another version ({database.revision() or 'none'}): "
                "run `liandong migrate`, with the newer program if it knows a newer one"
            )
        return f"{database.display_url} answers and is current (revision {database.revision()})"
    finally:
        database.close()


def _has_tables(settings: Settings) -> bool:
    if _is_missing_sqlite(settings):
        return False
    database = Database(settings.resolved_database_url)
    try:
        return database.is_current()
    except Exception:
        # Told under "database" already.
        return False
    finally:
        database.close()


def _with_database(settings: Settings, look: Callable[[Database], str]) -> str:
    database = Database(settings.resolved_database_url)
    try:
        return look(database)
    finally:
        database.close()


def _ledger(database: Database) -> str:
    with database.reading() as session:
        book = read_ledger(session)
    if not book.balances:
        raise Broken("it does not balance: something was lost or counted twice; keep a backup and tell the makers")
    return f"balances: {book.received:,} messages, {book.values_accepted:,} values"


def _outbox(database: Database, *, most_bytes: int) -> str:
    with database.reading() as session:
        waiting = outbox.backlog(session)
    if waiting.oldest_ms is None:
        return "is empty"
    age_s = max(now_ms() - waiting.oldest_ms, 0) / 1000
    said = f"{waiting.batches:,} batches, {waiting.size_bytes / MIB:.1f} MiB, the oldest for {age_s:.0f} s"
    room = room_left(waiting.size_bytes, most_bytes=most_bytes)
    if room is Room.NONE:
        raise Broken(f"{said}: it is full, and nothing is taken from the broker until the telemetry store is up again")
    if room is Room.SCARCE or age_s > OUTBOX_OLD_S:
        raise Noted(
            f"{said}: they are safe, but the telemetry store does not take them; is it up, is the ingest running?"
        )
    return said


def _time_of_log(database: Database) -> str:
    """A clock that was put back would make what happens next look older than what happened before."""
    with database.reading() as session:
        newest_ms = session.scalar(select(func.max(Activity.at_ms)))
    if newest_ms is not None and newest_ms > now_ms() + CLOCK_SLACK_MS:
        ahead_s = (newest_ms - now_ms()) / 1000
        raise Broken(
            f"the newest row is {ahead_s:,.0f} s ahead of this machine's clock: set the clock, by NTP if you can"
        )
    return "nothing was recorded later than now"


def _escalations(database: Database) -> str:
    """Looks for what should have run and did not."""
    now = now_ms()
    with database.reading() as session:
        missed = count_overdue(session, before_ms=now - OVERDUE_MS)
        oldest_ms = oldest_due_ms(session, now_ms=now)
    if missed and oldest_ms is not None:
        raise Broken(
            f"{missed} should have run and did not, the oldest {(now - oldest_ms) // 60_000} min ago: "
            "is `liandong up` or `liandong serve` running?"
        )
    checked, gaps = _audited(database, now)
    counts = {fault: sum(gap.fault is fault for gap in gaps) for fault in Fault}
    if counts[Fault.MISSING]:
        first = next(gap for gap in gaps if gap.fault is Fault.MISSING)
        raise Broken(
            f"{counts[Fault.MISSING]} that should stand are missing, the first of ticket {first.ticket_id} "
            f"({first.goal.value}): the server plans them anew within a quarter of an hour while it runs"
        )
    if counts[Fault.UNTOLD]:
        first = next(gap for gap in gaps if gap.fault is Fault.UNTOLD)
        raise Broken(
            f"{counts[Fault.UNTOLD]} are said to be done and the activity log does not know of them, the first of "
            f"ticket {first.ticket_id}: somebody changed the database by hand; act on these cases by hand"
        )
    return f"none is overdue, none of {checked} open tickets lacks one"


def _audited(database: Database, now: int) -> tuple[int, list[Gap]]:
    """Every open ticket, by parts."""
    gaps: list[Gap] = []
    checked = after_id = 0
    while True:
        with database.reading() as session:
            part = audit_part(session, after_id=after_id, now_ms=now)
        checked += part.checked
        gaps += part.gaps
        if part.last_id is None:
            return checked, gaps
        after_id = part.last_id


def _holidays(_database: Database) -> str:
    today = datetime.fromtimestamp(now_ms() / 1000, UTC).date()
    if not is_published(today):
        raise Broken(
            f"those of {today.year} are not known: working days are counted by weekdays; update chinesecalendar"
        )
    if not is_published(today + timedelta(days=45)):
        raise Noted(f"known until the end of {LAST_PUBLISHED_YEAR}; update chinesecalendar before the year ends")
    return f"known until the end of {LAST_PUBLISHED_YEAR}"


def _store(settings: Settings) -> str:
    # Not prepared: the doctor looks, and makes nothing.
    store = open_store(
        settings.telemetry_url,
        token=settings.influx_token.get_secret_value(),
        data_dir=settings.data_dir,
        retention=settings.retention,
    )
    try:
        said, faults = store.check(), store.faults()
        if faults:
            raise Noted(f"{said}; {'; '.join(faults)}")
        return said
    except StoreInUse as error:
        if (settings.data_dir / DESK_SOCKET).exists():
            return f"{error.store} is open in the running program"
        raise
    finally:
        store.close()


def _broker(settings: Settings) -> str:
    if settings.has_embedded_broker:
        address = read_embedded_url(settings.mqtt_url)
        reach = "this machine only" if address.is_loopback else "other machines too"
        said = f"embedded, started by `liandong up`, for {reach}{', with TLS' if address.is_tls else ''}"
        if not address.is_loopback and not address.is_tls:
            raise Noted(f"{said}: passwords and readings travel in the open; use embedded+tls://")
        return said
    broker = read_broker_url(settings.broker_url)
    shown = _tls_of(broker) if broker.is_tls else ""
    _sign_in(broker)
    if not broker.is_tls and broker.host not in LOOPBACK_HOSTS:
        raise Noted(f"{broker.display} lets us in, but the way there is in the open: use mqtts://")
    return f"{broker.display} lets us in{shown}"


def _tls_of(broker: BrokerAddress) -> str:
    """What the broker's certificate says. Raises Broken when it is not to be trusted, Noted when it ends soon."""
    try:
        context = broker.tls_context()
        with (
            socket.create_connection((broker.host, broker.port), timeout=ASK_S) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as secured,
        ):
            certificate = read_certificate_der(secured.getpeercert(binary_form=True) or b"")
            version = secured.version()
    except BrokerUnreachable as error:
        raise Broken(str(error)) from error
    except ssl.SSLCertVerificationError as error:
        raise Broken(
            f"{broker.display} shows a certificate that is not trusted ({error.verify_message}); "
            "is LIANDONG_MQTT_CA_FILE that of its authority, and does the certificate bear this name?"
        ) from error
    except OSError as error:
        raise Broken(f"{broker.display} cannot be reached with TLS: {error}") from error
    days = certificate.days_left(now_ms())
    if days < authority.RENEW_BEFORE_DAYS:
        raise Noted(f"{broker.display}: its certificate ends in {days} days; run `liandong broker prepare` where it is")
    return f" with {version}; its certificate ends in {days} days"


def _sign_in(broker: BrokerAddress) -> None:
    """Connects as a client of no session, so that the running ingest is not disturbed. Raises Broken."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"liandong-doctor-{token_hex(4)}")
    answered = threading.Event()
    refusals: list[str] = []

    def on_connect(_client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        answered.set()

    client.on_connect = on_connect
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.is_tls:
        client.tls_set_context(broker.tls_context())
    try:
        client.connect(broker.host, broker.port, keepalive=10)
    except OSError as error:
        raise Broken(f"{broker.display} does not answer: {error}") from error
    client.loop_start()
    try:
        if not answered.wait(ASK_S):
            raise Broken(f"{broker.display} accepts connections, but does not speak MQTT")
    finally:
        client.disconnect()
        client.loop_stop()
    if refusals:
        account = f"account {broker.username!r}" if broker.username else "clients without an account"
        raise Broken(f"{broker.display} refuses {account}: {refusals[0]}")


def _own_certificate(settings: Settings) -> str:
    path = settings.resolved_broker_dir / authority.SERVER_CERTIFICATE
    if not path.exists():
        return "none is kept here"
    try:
        certificate = read_certificate(path)
    except CertificateUnreadable as error:
        raise Broken(f"{error}; run `liandong broker prepare --renew`") from error
    days = certificate.days_left(now_ms())
    if days < 0:
        raise Broken(f"{path} has ended: gateways cannot connect; run `liandong broker prepare` and reload the broker")
    if days < authority.RENEW_BEFORE_DAYS:
        raise Noted(f"{path} ends in {days} days; run `liandong broker prepare` and reload the broker")
    return f"{path} is for {', '.join(certificate.names)} and ends in {days} days"


def _gateways(settings: Settings) -> str:
    """Whether the files that the broker reads say what the register says."""

    def compare(database: Database) -> str:
        with database.reading() as session:
            registered = {gateway.account for gateway in list_gateways(session)}
        directory = settings.resolved_broker_dir
        if settings.has_embedded_broker:
            known = set(read_embedded_accounts(directory)) - {SERVICE_ACCOUNT}
            mend = "give them new passwords with `liandong gateways renew`"
        else:
            is_kept_here = settings.broker_dir is not None or settings.authority_dir.exists()
            if not is_kept_here and not (directory / PASSWORDS).exists():
                return f"{len(registered) or 'none'} registered; the broker's files are not kept here"
            known = {name for name in account_names(directory) if "." in name}
            mend = "run `liandong gateways write` where the broker's files are"
        if missing := sorted(registered - known):
            raise Broken(f"the broker's files lack {', '.join(missing)}; {mend}")
        if extra := sorted(known - registered):
            raise Broken(f"the broker's files let in {', '.join(extra)}, which the register does not know; {mend}")
        if not registered:
            return "none is registered: the broker lets in whom it would without us"
        return f"{len(registered)} with accounts, the same in the register and in the broker's files"

    return _with_database(settings, compare)


def _secrets(settings: Settings) -> str:
    """Files that only their owner should read."""
    kept = [
        settings.authority_dir / authority.CA_KEY,
        *(settings.resolved_broker_dir / name for name in (authority.SERVER_KEY, PASSWORDS)),
    ]
    if settings.secrets():
        kept.append(Path(".env"))
    open_ones = [path for path in kept if path.is_file() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)]
    if open_ones:
        names = " ".join(str(path) for path in open_ones)
        raise Noted(f"everybody on this machine may read {names}: run `chmod go= {names}`")
    return "no file of ours that holds one can be read by everybody"
