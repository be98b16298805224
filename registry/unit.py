"""Units: the single lift, pump room or fire system that is watched."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TextIO

from sqlalchemy import BigInteger, Boolean, ForeignKey, String, UniqueConstraint, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.equipment import Kind
from models.reading import UnitKey
from registry.database import BigId, Table
from registry.errors import InvalidField, RegistryError, UnknownUnit
from registry.site import Site, add_site, check_slug, find_site

IMPORT_COLUMNS = ("site", "kind", "unit", "name", "building", "make", "installed_on", "maintainer")
REQUIRED_COLUMNS = ("site", "kind", "unit")
UNITS_A_QUERY = 1000
"""Below the number of parameters that either database takes in one statement."""
REST = "*"
"""Column for the cells of a row that its header does not name."""


class Unit(Table):
    """A watched unit; its key is unique within its site, whatever its kind."""

    __tablename__ = "unit"
    __table_args__ = (UniqueConstraint("site_id", "key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    building: Mapped[str] = mapped_column(String(100), default="")
    make: Mapped[str] = mapped_column(String(100), default="")
    installed_on: Mapped[str | None] = mapped_column(String(10))
    maintainer: Mapped[str] = mapped_column(String(200), default="")
    is_confirmed: Mapped[bool] = mapped_column(Boolean, default=False)
    is_online: Mapped[bool | None] = mapped_column(Boolean)
    status_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def unit_key(self) -> UnitKey:
        return UnitKey(self.site.key, Kind(self.kind), self.key)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of an import that cannot be taken, by its line in the file (the header is line 1)."""

    line: int
    reason: str


class ImportRefused(RegistryError):
    """Nothing was imported; `bad_rows` tells every row that stood in the way."""

    def __init__(self, bad_rows: list[BadRow]) -> None:
        super().__init__("; ".join(f"line {row.line}: {row.reason}" for row in bad_rows))
        self.bad_rows = bad_rows


@dataclass(frozen=True, slots=True)
class ImportCount:
    added: int
    changed: int
    sites_added: int


def add_unit(
    session: Session, *, site: Site, kind: Kind, key: str, name: str = "", is_confirmed: bool = True, now_ms: int
) -> Unit:
    check_slug("unit", key)
    unit = Unit(site=site, kind=kind.value, key=key, name=name or key, is_confirmed=is_confirmed, created_ms=now_ms)
    session.add(unit)
    session.flush()
    return unit


def register_units(
    session: Session, *, site: Site, kinds: Mapping[str, Kind], now_ms: int
) -> tuple[dict[str, Unit], frozenset[str]]:
    """The units of these keys, added unconfirmed where need be, and the keys of those that were.

    Safe beside another worker's hand: of two that meet a new unit one adds it. A unit that was there keeps its kind.
    """
    for key in kinds:
        check_slug("unit", key)
    # In one order, so that of two workers with the same new units none waits for the other in a ring.
    rows = [
        {
            "site_id": site.id,
            "kind": kinds[key].value,
            "key": key,
            "name": key,
            "is_confirmed": False,
            "created_ms": now_ms,
        }
        for key in sorted(kinds)
    ]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    adding = insert(Unit).on_conflict_do_nothing(index_elements=["site_id", "key"]).returning(Unit.key)
    added = frozenset(session.scalars(adding, rows)) if rows else frozenset()
    found: dict[str, Unit] = {}
    for first in range(0, len(rows), UNITS_A_QUERY):
        keys = [row["key"] for row in rows[first : first + UNITS_A_QUERY]]
        query = select(Unit).where(Unit.site_id == site.id, Unit.key.in_(keys))
        found |= {unit.key: unit for unit in session.scalars(query)}
    return found, added


def get_unit(session: Session, path: str) -> Unit:
    """The unit of an address `{site}~{unit}`."""
    site, _, key = path.partition("~")
    unit = session.scalar(select(Unit).join(Unit.site).where(Site.key == site, Unit.key == key))
    if unit is None:
        raise UnknownUnit(path)
    return unit


def get_unit_by_id(session: Session, unit_id: int) -> Unit:
    unit = session.get(Unit, unit_id)
    if unit is None:
        raise UnknownUnit(str(unit_id))
    return unit


def units_by_id(session: Session, unit_ids: Collection[int]) -> list[Unit]:
    """At most as many as either database takes in one statement."""
    return list(session.scalars(select(Unit).where(Unit.id.in_(unit_ids)).order_by(Unit.id)))


def hold_units(session: Session, unit_ids: Collection[int]) -> None:
    """Makes others that hold one of them wait until this transaction ends; in one order, so that none waits in a ring.

    Rows that only refer to a unit are not hindered. SQLite has one writer at a time anyway.
    """
    if unit_ids:
        held = select(Unit.id).where(Unit.id.in_(unit_ids)).order_by(Unit.id)
        session.execute(held.with_for_update(key_share=True)).all()


def all_units(session: Session) -> list[Unit]:
    return list(session.scalars(select(Unit).order_by(Unit.id)))


def list_buildings(session: Session, *, site: str) -> list[str]:
    """The buildings that units of a site stand in, in no order."""
    query = select(Unit.building).join(Site, Unit.site_id == Site.id).where(Site.key == site, Unit.building != "")
    return list(session.scalars(query.distinct()))


def list_units(
    session: Session,
    *,
    site: str | None = None,
    kind: Kind | None = None,
    search: str = "",
    visible: Collection[str] | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[Unit]:
    """Units in order of their id, at most `limit` after `after_id`; `search` looks in what names them."""
    query = select(Unit).join(Unit.site).where(Unit.id > after_id).order_by(Unit.id).limit(limit)
    if site:
        query = query.where(Site.key == site)
    if kind:
        query = query.where(Unit.kind == kind.value)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    for word in search.lower().split():
        columns = (Unit.key, Unit.name, Unit.building, Unit.make, Unit.maintainer, Site.key, Site.name)
        query = query.where(or_(*(func.lower(column).contains(word, autoescape=True) for column in columns)))
    return list(session.scalars(query))


def count_units(session: Session, *, visible: Collection[str] | None = None) -> dict[Kind, int]:
    query = select(Unit.kind, func.count()).join(Unit.site).group_by(Unit.kind)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return {Kind(kind): count for kind, count in session.execute(query)}


def set_status(session: Session, unit_id: int, *, is_online: bool, ts_ms: int) -> bool:
    """Keeps the newest word on the unit's connection; returns whether it changed anything."""
    newer = or_(Unit.status_ms.is_(None), Unit.status_ms < ts_ms)
    found = session.execute(update(Unit).where(Unit.id == unit_id, newer).values(is_online=is_online, status_ms=ts_ms))
    return bool(found.rowcount)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """The last word on a unit's connection."""

    unit_id: int
    unit: UnitKey
    is_online: bool
    status_ms: int


def list_offline(session: Session, *, visible: Collection[str] | None = None, limit: int = 100) -> list[Unit]:
    """Units whose last word was that their connection has gone, the latest first."""
    query = select(Unit).join(Unit.site).where(Unit.is_online.is_(False)).order_by(Unit.status_ms.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query))


def connection_states(session: Session) -> list[ConnectionState]:
    return [
        ConnectionState(unit.id, unit.unit_key, unit.is_online, unit.status_ms)
        for unit in session.scalars(select(Unit).where(Unit.is_online.is_not(None)))
        if unit.is_online is not None and unit.status_ms is not None
    ]


def import_units(session: Session, rows: Iterable[tuple[int, Mapping[str, str]]], *, now_ms: int) -> ImportCount:
    """Adds or changes units from (line, row) pairs; a missing site is added. Raises ImportRefused with every bad row.

    The caller's transaction must be rolled back when this raises.
    """
    bad: list[BadRow] = []
    sites: dict[str, Site] = {}
    seen: dict[tuple[str, str], int] = {}
    added = changed = sites_added = 0
    known = {(unit.site.key, unit.key): unit for unit in all_units(session)}
    for line, row in rows:
        fields = {column: (row.get(column) or "").strip() for column in IMPORT_COLUMNS}
        site_key, unit_key = fields["site"], fields["unit"]
        reasons = list(_row_faults(fields))
        if row.get(REST):
            reasons.append("has more cells than the header")
        if (first_line := seen.setdefault((site_key, unit_key), line)) != line and not reasons:
            reasons.append(f"{site_key}/{unit_key} stands already at line {first_line}")
        present = known.get((site_key, unit_key))
        if present is not None and not reasons and present.kind != fields["kind"]:
            reasons.append(f"{site_key}/{unit_key} is registered as {present.kind}")
        bad += [BadRow(line, reason) for reason in reasons]
        if bad:
            continue
        site = sites.get(site_key) or find_site(session, site_key)
        if site is None:
            site = add_site(session, key=site_key, now_ms=now_ms)
            sites_added += 1
        sites[site_key] = site
        if present is None:
            present = add_unit(session, site=site, kind=Kind(fields["kind"]), key=unit_key, now_ms=now_ms)
            added += 1
        else:
            changed += 1
        present.is_confirmed = True
        site.is_confirmed = True
        present.name = fields["name"] or unit_key
        present.building = fields["building"]
        present.make = fields["make"]
        # Other ways to write a date are understood, and kept in this one.
        installed_on = fields["installed_on"]
        present.installed_on = date.fromisoformat(installed_on).isoformat() if installed_on else None
        present.maintainer = fields["maintainer"]
    if bad:
        raise ImportRefused(bad)
    session.flush()
    return ImportCount(added=added, changed=changed, sites_added=sites_added)


def read_unit_rows(file: TextIO) -> list[tuple[int, dict[str, str]]]:
    """(line, row) pairs of a CSV file. Raises ImportRefused when its header lacks a column or it is no CSV file."""
    reader = csv.DictReader(file, restkey=REST)
    try:
        return list(_read_rows(reader))
    except csv.Error as error:
        raise ImportRefused([BadRow(reader.reader.line_num, str(error))]) from error


def _read_rows(reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str]]]:
    header = [name.strip() for name in reader.fieldnames or []]
    missing = [column for column in REQUIRED_COLUMNS if column not in header]
    if missing:
        raise ImportRefused([BadRow(1, f"the header has no column {', '.join(missing)}")])
    reader.fieldnames = header
    for row in reader:
        yield reader.line_num, {k: v if isinstance(v, str) else ",".join(v or ()) for k, v in row.items()}


def units_as_described(session: Session, site_id: int) -> int:
    """A number that differs when what is written of a site's units does; the same within a process only."""
    columns = (Unit.id, Unit.kind, Unit.name, Unit.building, Unit.make, Unit.maintainer, Unit.installed_on)
    rows = session.execute(select(*columns).where(Unit.site_id == site_id).order_by(Unit.id))
    return hash(tuple(tuple(row) for row in rows))


def _row_faults(fields: Mapping[str, str]) -> Iterable[str]:
    for column in ("site", "unit"):
        try:
            check_slug(column, fields[column])
        except InvalidField as error:
            yield str(error)
    if fields["kind"] not in set(Kind):
        yield f"kind {fields['kind']!r} is none of {', '.join(Kind)}"
    for column, limit in (("name", 200), ("building", 100), ("make", 100), ("maintainer", 200)):
        if len(fields[column]) > limit:
            yield f"{column} is longer than {limit} characters"
        if not fields[column].isprintable():
            yield f"{column} must be one line of printable characters"
    if fields["installed_on"]:
        try:
            date.fromisoformat(fields["installed_on"])
        except ValueError:
            yield f"installed_on {fields['installed_on']!r} is not a date like 2012-05-31"
