"""A week of alarms that the demonstration begins with, and what is set aside, so that the figures say something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from alerts import incident, suppressing
from alerts.alarm import find_open_alarm
from alerts.condition import Condition
from alerts.conditions import condition_table
from alerts.false_alarm import FalseCause, mark_false
from alerts.limits import Limits
from alerts.suppression import SuppressionKind, list_suppressions
from alerts.ticket_stages import Stage
from alerts.watch import Signal
from api.translations import Translator, msgid
from models.equipment import Kind
from registry.person import find_person
from registry.role import Actor
from registry.site import Site
from registry.unit import Unit, list_units

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Past:
    """An alarm of the past week: when it came, how long it waited for somebody, and what was found."""

    kind: Kind
    code: str
    hours_ago: float
    waited_min: float
    found: FalseCause | None = None


WEEK = (
    Past(Kind.PUMP, "short_cycling", 160.0, 4),
    Past(Kind.FIRE, "jockey_starts_often", 139.5, 11),
    Past(Kind.ELEVATOR, "machine_room_hot", 117.2, 7, FalseCause.WORK),
    Past(Kind.PUMP, "float_disagrees", 96.4, 3, FalseCause.SENSOR),
    Past(Kind.PUMP, "float_disagrees", 93.1, 6, FalseCause.SENSOR),
    Past(Kind.ELEVATOR, "motor_overheating", 71.8, 2),
    Past(Kind.FIRE, "residual_current_high", 45.3, 5, FalseCause.ENVIRONMENT),
    Past(Kind.PUMP, "standby_never_runs", 22.6, 14),
)


def add_demo_alarms(session: Session, site: Site, *, people: Sequence[str], _: Translator, now_ms: int) -> None:
    """Only into a database in which nothing was ever set aside."""
    if list_suppressions(session, now_ms=now_ms, limit=1):
        return
    found = [person.as_actor() for name in people if (person := find_person(session, name)) is not None]
    actors = {actor.name: actor for actor in found}
    by_kind: dict[Kind, list[Unit]] = {kind: [] for kind in Kind}
    for unit in list_units(session, site=site.key, limit=1000):
        by_kind[Kind(unit.kind)].append(unit)
    table = {(kind, each.code): each for kind, conditions in condition_table(Limits()).items() for each in conditions}
    for past in WEEK:
        if by_kind[past.kind]:
            _happened(session, by_kind[past.kind][-1], table[past.kind, past.code], past, actors, _, now_ms=now_ms)
    manager = actors["manager"]
    if by_kind[Kind.ELEVATOR]:
        _plan(
            session,
            by_kind[Kind.ELEVATOR][-1],
            SuppressionKind.OUT_OF_SERVICE,
            _(msgid("Waits for the overhaul that the owners decide on; barriers stand on all floors.")),
            (now_ms, now_ms + 14 * DAY_MS),
            manager,
            now_ms=now_ms,
        )
    if by_kind[Kind.PUMP]:
        _plan(
            session,
            by_kind[Kind.PUMP][0],
            SuppressionKind.MAINTENANCE,
            _(msgid("The sump is emptied and its floats are cleaned.")),
            (now_ms + 20 * HOUR_MS, now_ms + 23 * HOUR_MS),
            manager,
            now_ms=now_ms,
        )


def _happened(
    session: Session,
    unit: Unit,
    condition: Condition,
    past: Past,
    actors: Mapping[str, Actor],
    _: Translator,
    *,
    now_ms: int,
) -> None:
    began_ms = now_ms - round(past.hours_ago * HOUR_MS)
    seen_ms = began_ms + round(past.waited_min * MINUTE_MS)
    over_ms = seen_ms + 10 * MINUTE_MS
    key, units = unit.unit_key, {unit.unit_key: unit.id}
    incident.apply_signals(session, [Signal(key, condition, began_ms, True)], units=units, received_ms=began_ms)
    alarm = find_open_alarm(session, unit.id, condition.code)
    if alarm is None or alarm.ticket_id is None:
        return
    technician, manager = actors["technician"], actors["manager"]
    incident.acknowledge_alarm(session, alarm.id, actor=technician, now_ms=seen_ms)
    incident.apply_signals(session, [Signal(key, condition, over_ms, False)], units=units, received_ms=over_ms)
    note = _(msgid("Looked at on site: it was over by itself."))
    if past.found is not None:
        note = _(msgid("Looked at on site: a false alarm."))
        mark_false(session, alarm.id, cause=past.found, actor=technician, now_ms=over_ms)
    incident.move_ticket(session, alarm.ticket_id, Stage.CANCELLED, actor=manager, note=note, now_ms=over_ms)


def _plan(
    session: Session,
    unit: Unit,
    kind: SuppressionKind,
    reason: str,
    span_ms: tuple[int, int],
    manager: Actor,
    *,
    now_ms: int,
) -> None:
    suppressing.plan_suppression(
        session,
        kind=kind,
        site=unit.site,
        unit=unit,
        reason=reason,
        starts_ms=span_ms[0],
        until_ms=span_ms[1],
        actor=manager,
        now_ms=now_ms,
    )
