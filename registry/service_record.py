"""What was done to a unit by those who keep it: maintenance, inspections, overhauls, replacements, safety assessments.

A record is never changed. One that was entered by mistake is withdrawn, stays in the log, and counts nowhere.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Date, ForeignKey, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.activity import Entry, append
from registry.database import BigId, Table, portions
from registry.errors import InvalidField, RegistryError
from registry.role import Actor
from registry.site import Site
from registry.unit import Unit
from registry.wear_state import note_overhaul

MAX_BY_LENGTH = 200
MAX_NOTE_LENGTH = 1000
MOST_COST_FEN = 10_000_000_000
FIRST_DAY = date(1950, 1, 1)
LONGEST_PLANNED_STOP_MS = 366 * 86_400_000
WEAR_BEGINS_ANEW_WITHIN = timedelta(days=14)
"""An overhaul that lies further back is in what was learned of the unit meanwhile."""


class ServiceKind(StrEnum):
    MAINTENANCE = "maintenance"
    INSPECTION = "inspection"
    OVERHAUL = "overhaul"
    REPLACEMENT = "replacement"
    """From its day on the unit is another machine."""
    SAFETY_ASSESSMENT = "safety_assessment"


RENEWING = frozenset({ServiceKind.OVERHAUL, ServiceKind.REPLACEMENT})


class UnknownServiceRecord(RegistryError):
    def __init__(self, record_id: int) -> None:
        super().__init__(f"no service record {record_id}")
        self.record_id = record_id


class ServiceRecord(Table):
    """`done_on` is a day at the site; from `stop_begin_ms` to `stop_end_ms` the unit was out of use on purpose."""

    __tablename__ = "service_record"
    __table_args__ = (Index("ix_service_record_unit_kind", "unit_id", "kind", "done_on"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    kind: Mapped[str] = mapped_column(String(24))
    done_on: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    done_by: Mapped[str] = mapped_column(String(MAX_BY_LENGTH), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    cost_fen: Mapped[int | None] = mapped_column(BigInteger)
    stop_begin_ms: Mapped[int | None] = mapped_column(BigInteger)
    stop_end_ms: Mapped[int | None] = mapped_column(BigInteger)
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_ms: Mapped[int] = mapped_column(BigInteger)
    withdrawn_by: Mapped[str | None] = mapped_column(String(64))
    withdrawn_ms: Mapped[int | None] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is to be recorded of one unit. `done_by` is the company or person who did it."""

    kind: ServiceKind
    done_on: date
    valid_until: date | None = None
    done_by: str = ""
    note: str = ""
    cost_fen: int | None = None
    stop_begin_ms: int | None = None
    stop_end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedStop:
    begin_ms: int
    end_ms: int
    record_id: int


def add_service_record(session: Session, unit: Unit, service: Service, *, actor: Actor, now_ms: int) -> ServiceRecord:
    """Raises InvalidField. After an overhaul or a replacement the unit's wear is judged anew."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(unit.site.timezone)).date()
    _check(service, today=today)
    record = ServiceRecord(
        unit_id=unit.id,
        kind=service.kind.value,
        done_on=service.done_on,
        valid_until=service.valid_until,
        done_by=service.done_by.strip(),
        note=service.note.strip(),
        cost_fen=service.cost_fen,
        stop_begin_ms=service.stop_begin_ms,
        stop_end_ms=service.stop_end_ms,
        recorded_by=actor.name,
        recorded_ms=now_ms,
    )
    session.add(record)
    session.flush()
    data = {"record": record.id, "kind": record.kind, "done_on": record.done_on.isoformat(), "note": record.note}
    entries = [_entry("service.recorded", unit, actor, data)]
    if service.kind in RENEWING and today - service.done_on <= WEAR_BEGINS_ANEW_WITHIN:
        entries.append(note_overhaul(session, unit, by=actor.name, now_ms=now_ms))
    append(session, entries, now_ms=now_ms)
    return record


def withdraw_service_record(session: Session, unit: Unit, record_id: int, *, actor: Actor, now_ms: int) -> None:
    """Takes back what was entered by mistake. Once is enough. Raises UnknownServiceRecord for one of another unit."""
    record = session.get(ServiceRecord, record_id)
    if record is None or record.unit_id != unit.id:
        raise UnknownServiceRecord(record_id)
    if record.withdrawn_ms is not None:
        return
    record.withdrawn_by, record.withdrawn_ms = actor.name, now_ms
    data = {"record": record.id, "kind": record.kind, "done_on": record.done_on.isoformat()}
    append(session, [_entry("service.withdrawn", unit, actor, data)], now_ms=now_ms)


def service_records(
    session: Session, unit_id: int, *, kind: ServiceKind | None = None, before_id: int | None = None, limit: int = 100
) -> list[ServiceRecord]:
    """Of one unit, the last entered first; those withdrawn are not among them."""
    query = select(ServiceRecord).where(ServiceRecord.unit_id == unit_id, ServiceRecord.withdrawn_ms.is_(None))
    if kind is not None:
        query = query.where(ServiceRecord.kind == kind.value)
    if before_id is not None:
        query = query.where(ServiceRecord.id < before_id)
    return list(session.scalars(query.order_by(ServiceRecord.id.desc()).limit(limit)))


def records_of_units(
    session: Session, unit_ids: Collection[int], *, kinds: Collection[ServiceKind] = tuple(ServiceKind)
) -> dict[int, list[ServiceRecord]]:
    """Of many units, each in the order of the days on which it was done."""
    found: dict[int, list[ServiceRecord]] = {}
    for portion in portions(unit_ids):
        query = select(ServiceRecord).where(
            ServiceRecord.unit_id.in_(portion),
            ServiceRecord.kind.in_([kind.value for kind in kinds]),
            ServiceRecord.withdrawn_ms.is_(None),
        )
        for record in session.scalars(query.order_by(ServiceRecord.done_on, ServiceRecord.id)):
            found.setdefault(record.unit_id, []).append(record)
    return found


def latest_service(
    session: Session, unit_ids: Collection[int], *, as_of: date | None = None
) -> dict[int, dict[ServiceKind, ServiceRecord]]:
    """By unit and kind what was done last, on that day at the latest; what was never done is absent."""
    found: dict[int, dict[ServiceKind, ServiceRecord]] = {}
    for portion in portions(unit_ids):
        order = func.row_number().over(
            partition_by=(ServiceRecord.unit_id, ServiceRecord.kind),
            order_by=(ServiceRecord.done_on.desc(), ServiceRecord.id.desc()),
        )
        ranked = select(ServiceRecord.id, order.label("place")).where(
            ServiceRecord.unit_id.in_(portion), ServiceRecord.withdrawn_ms.is_(None)
        )
        if as_of is not None:
            ranked = ranked.where(ServiceRecord.done_on <= as_of)
        newest = ranked.subquery()
        query = select(ServiceRecord).join(newest, newest.c.id == ServiceRecord.id).where(newest.c.place == 1)
        for record in session.scalars(query):
            found.setdefault(record.unit_id, {})[ServiceKind(record.kind)] = record
    return found


def planned_stops(
    session: Session, unit_ids: Collection[int], *, start_ms: int, end_ms: int
) -> dict[int, list[PlannedStop]]:
    """Spans in which a unit was out of use on purpose and that touch the one asked for, in their order."""
    found: dict[int, list[PlannedStop]] = {}
    for portion in portions(unit_ids):
        query = select(
            ServiceRecord.unit_id, ServiceRecord.stop_begin_ms, ServiceRecord.stop_end_ms, ServiceRecord.id
        ).where(
            ServiceRecord.unit_id.in_(portion),
            ServiceRecord.withdrawn_ms.is_(None),
            ServiceRecord.stop_begin_ms < end_ms,
            ServiceRecord.stop_end_ms > start_ms,
        )
        for unit_id, begin_ms, until_ms, record_id in session.execute(query.order_by(ServiceRecord.stop_begin_ms)):
            if begin_ms is not None and until_ms is not None:
                found.setdefault(unit_id, []).append(PlannedStop(begin_ms, until_ms, record_id))
    return found


def replaced_ms(session: Session, unit_ids: Collection[int], *, before_ms: int) -> dict[int, int]:
    """Since when a unit is another machine than before, of those replaced by then.

    That is the end of its planned stop, or else the midnight with which the day of the replacement began.
    """
    found: dict[int, int] = {}
    for unit_id, moments in replacements_ms(session, unit_ids).items():
        if before := [at_ms for at_ms in moments if at_ms <= before_ms]:
            found[unit_id] = max(before)
    return found


def replacements_ms(session: Session, unit_ids: Collection[int]) -> dict[int, list[int]]:
    """All moments since which a unit is another machine, of those that were ever replaced."""
    found: dict[int, list[int]] = {}
    query = (
        select(ServiceRecord.unit_id, ServiceRecord.done_on, ServiceRecord.stop_end_ms, Site.timezone)
        .join(Unit, Unit.id == ServiceRecord.unit_id)
        .join(Site, Site.id == Unit.site_id)
        .where(ServiceRecord.kind == ServiceKind.REPLACEMENT.value, ServiceRecord.withdrawn_ms.is_(None))
    )
    for portion in portions(unit_ids):
        for unit_id, done_on, stop_end_ms, zone in session.execute(query.where(ServiceRecord.unit_id.in_(portion))):
            at_ms = stop_end_ms if stop_end_ms is not None else day_began_ms(done_on, zone)
            found.setdefault(unit_id, []).append(at_ms)
    return found


def day_began_ms(day: date, zone: str) -> int:
    """Midnight of the zone."""
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def put_service_records(session: Session, rows: Iterable[tuple[int, Service]], *, by: str, now_ms: int) -> int:
    """Takes many records at once, as from the files of a maintenance company; returns how many. Raises InvalidField."""
    found = []
    for unit_id, service in rows:
        _check(service, today=None)
        found.append(
            ServiceRecord(
                unit_id=unit_id,
                **{name: getattr(service, name) for name in Service.__slots__},
                recorded_by=by,
                recorded_ms=now_ms,
            )
        )
    session.add_all(found)
    session.flush()
    return len(found)


def _check(service: Service, *, today: date | None) -> None:
    if service.done_on < FIRST_DAY or (today is not None and service.done_on > today):
        raise InvalidField("done_on", "must be a day that has come")
    if service.valid_until is not None and service.valid_until < service.done_on:
        raise InvalidField("valid_until", "must not be before the day on which it was done")
    if service.cost_fen is not None and not 0 <= service.cost_fen <= MOST_COST_FEN:
        raise InvalidField("cost", "must be an amount of money")
    if len(service.done_by) > MAX_BY_LENGTH or len(service.note) > MAX_NOTE_LENGTH:
        raise InvalidField("note", "is too long")
    begin_ms, end_ms = service.stop_begin_ms, service.stop_end_ms
    if (begin_ms is None) != (end_ms is None):
        raise InvalidField("stop", "needs its beginning and its end")
    if begin_ms is not None and end_ms is not None and not 0 < end_ms - begin_ms <= LONGEST_PLANNED_STOP_MS:
        raise InvalidField("stop", "must end after it began, within a year")


def _entry(verb: str, unit: Unit, actor: Actor, data: dict[str, object]) -> Entry:
    return Entry(verb, f"unit:{unit.id}", site=unit.site.key, unit_id=unit.id, actor=actor.name, data=data)
