"""Risk-based rounds: a unit that stands out is put on the next round, and the round says why."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.patrol_items import UNIT_KIND, PlanKind
from alerts.patrol_plan import PatrolCheckpoint, PatrolPlan, Place, add_checkpoints, checkpoints_of
from alerts.patrol_schedule import OPEN_STATES, PatrolFocus, PatrolRound, RoundState
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.role import SYSTEM, Actor
from registry.site import hold_sites
from registry.unit import get_unit_by_id

NO_OTHER_ITEMS = "-"
"""Instead of codes of items: a unit on a round of another kind is looked at for its own sake only."""
LOOKED_THROUGH = 200


class FocusReason(StrEnum):
    FAULT_PRONE = "fault_prone"
    """Its fault rate exceeds that of the worst tenth of its peers, by the watch-list's rule."""
    LIKELY_FAULT = "likely_fault"
    """What is known of it makes a fault more likely than of its peers."""
    REPEATED_FAULT = "repeated_fault"
    BY_HAND = "by_hand"


def put_on_next_round(
    session: Session,
    unit_id: int,
    reason: FocusReason,
    *,
    facts: dict[str, Any] | None = None,
    draw_code: Callable[[], str],
    actor: Actor = SYSTEM,
    now_ms: int,
) -> PatrolRound | None:
    """Puts a unit on the next round that nobody has begun: of a plan that goes past it, of a plan for its kind, or the
    joint round. Returns that round, or the one it is on already; None when the compound has no such plan.
    """
    unit = get_unit_by_id(session, unit_id)
    hold_sites(session, [unit.site_id])
    waiting = (
        select(PatrolRound)
        .join(PatrolFocus, PatrolFocus.round_id == PatrolRound.id)
        .where(
            PatrolFocus.unit_id == unit_id,
            PatrolRound.state.in_([state.value for state in OPEN_STATES]),
            PatrolRound.ends_ms > now_ms,
        )
    )
    there = session.scalar(waiting.order_by(PatrolRound.ends_ms).limit(1))
    if there is not None:
        return there
    patrol = _next_round(session, unit_id, unit.site_id, Kind(unit.kind), now_ms=now_ms)
    if patrol is None:
        return None
    on_the_way = {each.unit_id for each in checkpoints_of(session, patrol.plan_id, day=patrol.day)}
    if unit_id not in on_the_way:
        is_own_kind = UNIT_KIND[PlanKind(patrol.plan.kind)] == unit.kind
        added = add_checkpoints(
            session,
            patrol.plan,
            [Place(unit)],
            draw_code=draw_code,
            from_day=patrol.day,
            until_day=patrol.day,
        )
        if not is_own_kind:
            added[0].item_codes = NO_OTHER_ITEMS
    session.add(PatrolFocus(round_id=patrol.id, unit_id=unit_id, reason=reason.value, facts=facts or {}, at_ms=now_ms))
    session.flush()
    data = {"reason": reason.value, "unit": unit.unit_key.path, "day": patrol.day.isoformat(), **(facts or {})}
    entry = Entry("patrol.unit_added", patrol.subject, actor=actor.name, site=unit.site.key, unit_id=unit_id, data=data)
    activity.append(session, [entry], now_ms=now_ms)
    return patrol


def _next_round(session: Session, unit_id: int, site_id: int, kind: Kind, *, now_ms: int) -> PatrolRound | None:
    query = (
        select(PatrolRound)
        .join(PatrolPlan, PatrolPlan.id == PatrolRound.plan_id)
        .where(
            PatrolRound.site_id == site_id,
            PatrolRound.state == RoundState.PLANNED.value,
            PatrolRound.ends_ms > now_ms,
        )
        .order_by(PatrolRound.ends_ms, PatrolRound.id)
        .limit(LOOKED_THROUGH)
    )
    rounds = list(session.scalars(query))
    passing = set(session.scalars(select(PatrolCheckpoint.plan_id).where(PatrolCheckpoint.unit_id == unit_id)))
    for patrol in rounds:
        if patrol.plan_id in passing and any(
            each.unit_id == unit_id for each in checkpoints_of(session, patrol.plan_id, day=patrol.day)
        ):
            return patrol
    for wanted in (kind, None):
        for patrol in rounds:
            if UNIT_KIND[PlanKind(patrol.plan.kind)] == wanted:
                return patrol
    return None
