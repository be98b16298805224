"""Records of rounds as rows: every answer as it came, for whoever must show them four years and more."""

from collections.abc import Collection, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.patrol_plan import PatrolCheckpoint, PatrolPlan
from alerts.patrol_record import LATE_MS, PatrolResult
from alerts.patrol_schedule import PatrolRound
from registry.site import Site
from registry.unit import Unit

ROWS_AT_ONCE = 1_000
CSV_COLUMNS = (
    "site",
    "patrol",
    "plan",
    "kind",
    "day",
    "state",
    "unit",
    "place",
    "building",
    "item",
    "outcome",
    "value",
    "low",
    "high",
    "note",
    "by",
    "party",
    "at_ms",
    "received_ms",
    "is_late",
    "ticket",
)

Row = tuple[object, ...]


def record_rows(
    session: Session,
    *,
    site: str | None = None,
    visible: Collection[str] | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> Iterator[Row]:
    """Rows in the order of `CSV_COLUMNS`, in the order in which they came; a portion at a time is in memory."""
    query = (
        select(
            Site.key,
            PatrolRound.id,
            PatrolPlan.name,
            PatrolRound.kind,
            PatrolRound.day,
            PatrolRound.state,
            Unit.key,
            PatrolCheckpoint.place,
            Unit.building,
            PatrolCheckpoint.building,
            PatrolResult,
        )
        .join(PatrolRound, PatrolRound.id == PatrolResult.round_id)
        .join(PatrolPlan, PatrolPlan.id == PatrolRound.plan_id)
        .join(Site, Site.id == PatrolRound.site_id)
        .join(PatrolCheckpoint, PatrolCheckpoint.id == PatrolResult.checkpoint_id)
        .outerjoin(Unit, Unit.id == PatrolCheckpoint.unit_id)
        .order_by(PatrolResult.id)
        .limit(ROWS_AT_ONCE)
    )
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if start_ms is not None:
        query = query.where(PatrolRound.ends_ms >= start_ms)
    if end_ms is not None:
        query = query.where(PatrolRound.starts_ms < end_ms)
    last_id = 0
    while True:
        found = session.execute(query.where(PatrolResult.id > last_id)).all()
        for *facts, result in found:
            key, patrol_id, plan, kind, day, state, unit, place, unit_building, building = facts
            last_id = result.id
            yield (
                key,
                patrol_id,
                plan,
                kind,
                day.isoformat(),
                state,
                unit or "",
                place,
                unit_building or building,
                result.item,
                result.outcome,
                result.value,
                result.low,
                result.high,
                result.note,
                result.actor,
                result.party,
                result.at_ms,
                result.received_ms,
                int(result.received_ms - result.at_ms >= LATE_MS),
                result.ticket_id,
            )
        session.expunge_all()
        if len(found) < ROWS_AT_ONCE:
            return
