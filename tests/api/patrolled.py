"""Rounds in the small world: of its lift, and of common hazards."""

import itertools
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from alerts.patrol_items import PlanKind
from alerts.patrol_plan import PatrolCheckpoint, Place, add_checkpoints, add_plan
from alerts.patrol_schedule import PatrolRound, plan_ahead
from registry.calendar import local_day
from registry.role import Party
from registry.site import get_site
from registry.unit import get_unit
from tests.api.kit import HERE, LIFT, World

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Patrolled:
    """`patrol_id` is of today's round; `checkpoints` and `codes` in the order of the way."""

    plan_id: int
    patrol_id: int
    checkpoints: tuple[int, ...]
    codes: tuple[str, ...]


def draw() -> str:
    return f"CODE{next(_numbers):04d}"


def plan_rounds(
    world: World,
    kind: PlanKind = PlanKind.COMMON_HAZARDS,
    *,
    places: tuple[str, ...] = ("Basement", "Gate"),
    name: str = "",
) -> Patrolled:
    with world.database.writing() as session:
        site = get_site(session, HERE)
        today = local_day(world.clock(), timezone=site.timezone)
        plan = add_plan(
            session,
            site=site,
            kind=kind,
            name=name or kind.value,
            first_day=today,
            parties=list(Party),
            now_ms=world.clock(),
        )
        way = [Place(place=place, building="B1") for place in places]
        if kind is PlanKind.LIFT:
            way = [Place(get_unit(session, LIFT.path))]
        made = add_checkpoints(session, plan, way, draw_code=draw, from_day=today)
        plan_ahead(session, [plan], until=today + timedelta(days=40))
        first = session.scalars(
            select(PatrolRound).where(PatrolRound.plan_id == plan.id).order_by(PatrolRound.number)
        ).first()
        assert first is not None
        found = session.scalars(
            select(PatrolCheckpoint).where(PatrolCheckpoint.plan_id == plan.id).order_by(PatrolCheckpoint.position)
        )
        codes = tuple(each.code for each in found)
        return Patrolled(plan.id, first.id, tuple(each.id for each in made), codes)
