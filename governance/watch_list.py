"""The watch-list (黑榜): units and compounds with more faults than their peers, entered and left by a published rule.

The rule is looked at on the first of each month (`models.fault_prone`). What a look found is kept as it was known then;
data that comes late counts at the next look. Nobody leaves the list by falling silent: an exit needs as much data as an
entry.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import JSON, BigInteger, Date, Float, ForeignKey, Index, Integer, String, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.reliability_report import WINDOW_MS, Facts, UnitFacts, gather, is_comparable
from models.equipment import Kind
from models.fault_prone import LEAST_DAYS, WatchRule, watch_rule
from models.fault_statistics import NO_EXPOSURE
from registry.activity import Entry, append
from registry.database import BigId, Table
from registry.service_record import day_began_ms
from registry.site import DEFAULT_TIMEZONE, Site
from registry.unit import Unit

MOST_RECORDS = 200
Key = TypeVar("Key", int, str)


class LeftBecause(StrEnum):
    BELOW = "below"
    """Its lower bound no longer exceeds the peers' quantile."""
    REPLACED = "replaced"
    """It is another machine now."""


class WatchEntry(Table):
    """One stay on the list. `entry` and `exit` hold the figures that decided; without `unit_id` it is a compound's."""

    __tablename__ = "watch_entry"
    __table_args__ = (
        Index("ix_watch_entry_site", "site_id", "kind"),
        Index(
            "uq_watch_entry_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("left_on IS NULL"),
            postgresql_where=text("left_on IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(40))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    entered_on: Mapped[date] = mapped_column(Date)
    entry: Mapped[dict[str, Any]] = mapped_column(JSON)
    left_on: Mapped[date | None] = mapped_column(Date)
    left_because: Mapped[str | None] = mapped_column(String(16))
    exit: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    site: Mapped[Site] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(lazy="joined")


class WatchLook(Table):
    """That the rule was looked at for a day, and what the peers were then."""

    __tablename__ = "watch_look"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    as_of: Mapped[date] = mapped_column(Date, primary_key=True)
    looked_ms: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int] = mapped_column(Integer)
    unit_quantile: Mapped[float | None] = mapped_column(Float)
    sites: Mapped[int] = mapped_column(Integer)
    site_quantile: Mapped[float | None] = mapped_column(Float)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rule says of one unit or compound; `sources` are the faults it counted."""

    faults: int
    exposure_days: float
    rate_per_year: float
    rate_low: float
    is_above: bool
    may_leave: bool
    sources: tuple[str, ...]

    def as_json(self, *, quantile: float | None, peers: int) -> dict[str, Any]:
        return {
            "faults": self.faults,
            "exposure_days": round(self.exposure_days, 1),
            "rate_per_year": round(self.rate_per_year, 3),
            "rate_low": round(self.rate_low, 3),
            "quantile_per_year": None if quantile is None else round(quantile, 3),
            "peers": peers,
            "sources": list(self.sources[:MOST_RECORDS]),
        }


@dataclass(frozen=True, slots=True)
class Look:
    """What a look changed: entries opened and closed."""

    entered: Sequence[WatchEntry]
    left: Sequence[WatchEntry]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rule says of all units and compounds of a kind, before anything is written."""

    kind: Kind
    as_of: date
    units: Mapping[int, Judged]
    unit_quantile: float | None
    sites: Mapping[str, Judged]
    site_quantile: float | None
    site_of: Mapping[int, int]
    site_ids: Mapping[str, int]
    renewed_ms: Mapping[int, int]


def judge_by_rule(session: Session, kind: Kind, *, as_of: date) -> Judgement:
    """Applies the rule to the year that ended with the midnight before a day.

    That is seconds of work in a large district and only reads, so it belongs into a transaction that nobody waits for.
    """
    end_ms = day_began_ms(as_of, DEFAULT_TIMEZONE)
    facts = gather(session, kind=kind, start_ms=end_ms - WINDOW_MS, end_ms=end_ms)
    units, unit_quantile = _judged_units(facts)
    sites, site_quantile = _judged_sites(facts)
    site_ids = {row.key: row.id for row in session.execute(select(Site.key, Site.id))}
    return Judgement(
        kind=kind,
        as_of=as_of,
        units=units,
        unit_quantile=unit_quantile,
        sites=sites,
        site_quantile=site_quantile,
        site_of={unit.id: site_ids[unit.site_key] for unit in facts.units},
        site_ids=site_ids,
        renewed_ms=facts.renewed_ms,
    )


def look_at_rule(session: Session, judgement: Judgement, *, now_ms: int) -> Look | None:
    """Writes what a judgement changes on the list; None when its day, or a later one, has been looked at already."""
    kind, as_of, units, sites = judgement.kind, judgement.as_of, judgement.units, judgement.sites
    unit_quantile, site_quantile = judgement.unit_quantile, judgement.site_quantile
    site_of, site_ids = judgement.site_of, judgement.site_ids
    last = session.scalar(select(func.max(WatchLook.as_of)).where(WatchLook.kind == kind.value))
    if last is not None and last >= as_of:
        return None
    open_entries = {(row.site_id, row.unit_id): row for row in open_watch_entries(session, kind=kind)}
    entered: list[WatchEntry] = []
    left: list[WatchEntry] = []
    judged: list[tuple[tuple[int, int | None], Judged, dict[str, Any]]] = [
        ((site_of[unit_id], unit_id), told, told.as_json(quantile=unit_quantile, peers=len(units)))
        for unit_id, told in units.items()
    ]
    judged += [
        ((site_ids[site_key], None), told, told.as_json(quantile=site_quantile, peers=len(sites)))
        for site_key, told in sites.items()
    ]
    for key, told, figures in judged:
        present = open_entries.get(key)
        if present is None and told.is_above:
            entered.append(
                WatchEntry(
                    kind=kind.value,
                    subject=f"site:{key[0]}" if key[1] is None else f"unit:{key[1]}",
                    site_id=key[0],
                    unit_id=key[1],
                    entered_on=as_of,
                    entry=figures,
                )
            )
        elif present is not None and told.may_leave and not told.is_above:
            _leave(present, LeftBecause.BELOW, figures, as_of)
            left.append(present)
    for (_, unit_id), row in open_entries.items():
        entered_ms = day_began_ms(row.entered_on, DEFAULT_TIMEZONE)
        if row.left_on is None and unit_id is not None and judgement.renewed_ms.get(unit_id, 0) >= entered_ms:
            told_now = units.get(unit_id)
            figures = {} if told_now is None else told_now.as_json(quantile=unit_quantile, peers=len(units))
            _leave(row, LeftBecause.REPLACED, figures, as_of)
            left.append(row)
    session.add_all(entered)
    session.add(
        WatchLook(
            kind=kind.value,
            as_of=as_of,
            looked_ms=now_ms,
            units=len(units),
            unit_quantile=unit_quantile,
            sites=len(sites),
            site_quantile=site_quantile,
        )
    )
    session.flush()
    key_of = {site_id: key for key, site_id in site_ids.items()}
    entries = [_told("watch_list.entered", row, key_of, row.entry) for row in entered]
    entries += [
        _told("watch_list.left", row, key_of, {"because": row.left_because, **(row.exit or {})}) for row in left
    ]
    append(session, entries, now_ms=now_ms)
    return Look(entered, left)


def _leave(row: WatchEntry, because: LeftBecause, figures: dict[str, Any], as_of: date) -> None:
    row.left_on, row.left_because, row.exit = as_of, because.value, figures


def _told(verb: str, row: WatchEntry, site_keys: Mapping[int, str], figures: Mapping[str, Any]) -> Entry:
    data = {name: value for name, value in figures.items() if name != "sources"}
    data |= {"kind": row.kind, "entered_on": row.entered_on.isoformat()}
    return Entry(verb, row.subject, site=site_keys[row.site_id], unit_id=row.unit_id, data=data)


def _judged_units(facts: Facts) -> tuple[dict[int, Judged], float | None]:
    ids = [unit.id for unit in facts.units if is_comparable(facts.exposures[unit.id])]
    counted = {unit_id: tuple(fault.source for fault in facts.own_faults(unit_id)) for unit_id in ids}
    days = {unit_id: facts.exposures[unit_id].days for unit_id in ids}
    return _judged(ids, counted, days)


def _judged_sites(facts: Facts) -> tuple[dict[str, Judged], float | None]:
    """Compounds by the rate of all their units; those with too little data of any unit count without it."""
    of_site: dict[str, list[UnitFacts]] = {}
    for unit in facts.units:
        if is_comparable(facts.exposures[unit.id]):
            of_site.setdefault(unit.site_key, []).append(unit)
    counted = {
        key: tuple(fault.source for unit in units for fault in facts.own_faults(unit.id))
        for key, units in of_site.items()
    }
    days = {key: sum((facts.exposures[unit.id] for unit in units), NO_EXPOSURE).days for key, units in of_site.items()}
    return _judged(list(of_site), counted, days)


def _judged(
    keys: Sequence[Key], counted: Mapping[Key, tuple[str, ...]], days: Mapping[Key, float]
) -> tuple[dict[Key, Judged], float | None]:
    if not keys:
        return {}, None
    counts = np.array([len(counted[key]) for key in keys], dtype=np.int64)
    exposure = np.array([days[key] for key in keys], dtype=np.float64)
    rule: WatchRule = watch_rule(counts, exposure)
    found = {
        key: Judged(
            faults=int(counts[place]),
            exposure_days=float(exposure[place]),
            rate_per_year=float(counts[place] / exposure[place] * 365.25),
            rate_low=float(rule.rate_low[place]),
            is_above=bool(rule.is_above[place]),
            may_leave=rule.quantile_per_year is not None and float(exposure[place]) >= LEAST_DAYS,
            sources=counted[key],
        )
        for place, key in enumerate(keys)
    }
    return found, rule.quantile_per_year


def due_look(session: Session, kind: Kind, *, today: date) -> date | None:
    """The first of this month, if the rule has not been looked at for it."""
    first = today.replace(day=1)
    last = session.scalar(select(func.max(WatchLook.as_of)).where(WatchLook.kind == kind.value))
    return first if last is None or last < first else None


def open_watch_entries(
    session: Session, *, kind: Kind | None = None, visible: Collection[str] | None = None
) -> list[WatchEntry]:
    """Those on the list now, the longest there first."""
    return _entries(session, kind=kind, visible=visible, is_open=True, limit=None)


def past_watch_entries(
    session: Session, *, kind: Kind | None = None, visible: Collection[str] | None = None, limit: int = 100
) -> list[WatchEntry]:
    """Those that left, the last first."""
    return _entries(session, kind=kind, visible=visible, is_open=False, limit=limit)


def watch_entries_of_unit(session: Session, unit_id: int) -> list[WatchEntry]:
    query = select(WatchEntry).where(WatchEntry.unit_id == unit_id)
    return list(session.scalars(query.order_by(WatchEntry.entered_on.desc())))


def last_look(session: Session, kind: Kind) -> WatchLook | None:
    query = select(WatchLook).where(WatchLook.kind == kind.value).order_by(WatchLook.as_of.desc())
    return session.scalar(query.limit(1))


def _entries(
    session: Session, *, kind: Kind | None, visible: Collection[str] | None, is_open: bool, limit: int | None
) -> list[WatchEntry]:
    query = select(WatchEntry).join(Site, Site.id == WatchEntry.site_id)
    if is_open:
        query = query.where(WatchEntry.left_on.is_(None)).order_by(WatchEntry.entered_on, WatchEntry.id)
    else:
        query = query.where(WatchEntry.left_on.is_not(None)).order_by(WatchEntry.left_on.desc(), WatchEntry.id.desc())
    if kind is not None:
        query = query.where(WatchEntry.kind == kind.value)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query.limit(limit)))
