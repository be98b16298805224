"""Rounds that the demonstration begins with: hazards resolved one by one, a lift round behind, one on, one missed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import incident
from alerts.escalation import run_due
from alerts.patrol import Said, Scanned, take_results
from alerts.patrol_conduct import join
from alerts.patrol_due import mark_missed
from alerts.patrol_focus import FocusReason, put_on_next_round
from alerts.patrol_items import HABITS, Form, Habit, PlanKind
from alerts.patrol_plan import JOINT_PARTIES, PatrolPlan, Place, add_checkpoints, add_plan, plans_of
from alerts.patrol_record import Stop, record_of
from alerts.patrol_schedule import HORIZON_DAYS, PatrolRound, plan_ahead
from alerts.patrol_statutory import refresh
from alerts.ticket_stages import Stage
from api.report_desk import draw_code
from api.translations import Translator, msgid
from registry.calendar import at_minute, local_day
from registry.person import Person, find_person
from registry.role import Actor
from registry.service_record import Service, ServiceKind, add_service_record
from registry.site import Site
from registry.unit import Unit, list_units

LIFTS = 6
CODE_LENGTH = 14
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
HANDS = (Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED)
ALL_DAY = Habit(7, 1, 0, 24 * 60, is_working_days=False)


def add_demo_patrols(session: Session, site: Site, *, people: Sequence[str], _: Translator, now_ms: int) -> None:
    """Only into a compound that has no plan yet."""
    if plans_of(session, site=site.key):
        return
    found = [person for name in people if (person := find_person(session, name)) is not None]
    cast = {person.name: person for person in found}
    today = local_day(now_ms, timezone=site.timezone)
    units = list_units(session, site=site.key, limit=200)
    lifts = [unit for unit in units if unit.kind == "elevator"][:LIFTS]
    _hazards(session, site, cast, _, today=today, now_ms=now_ms)
    if lifts:
        _lifts(session, site, lifts, cast, _, today=today, now_ms=now_ms)
    pumps = [unit for unit in units if unit.kind == "pump"]
    if pumps:
        _missed_pump_room(session, site, pumps, _, today=today, now_ms=now_ms)
    fire = [unit for unit in units if unit.kind == "fire"]
    if fire:
        name, first = _(msgid("Fire points of all buildings")), today + timedelta(days=2)
        _plan(session, site, PlanKind.FIRE_POINTS, name, first, [Place(unit) for unit in fire], now_ms=now_ms)


def _plan(
    session: Session,
    site: Site,
    kind: PlanKind,
    name: str,
    first: date,
    places: Sequence[Place],
    *,
    habit: Habit | None = None,
    now_ms: int,
) -> PatrolPlan:
    plan = add_plan(
        session,
        site=site,
        kind=kind,
        name=name,
        first_day=first,
        habit=habit or HABITS[kind],
        parties=JOINT_PARTIES,
        now_ms=now_ms,
    )
    add_checkpoints(session, plan, places, draw_code=lambda: draw_code()[:CODE_LENGTH], from_day=first)
    plan_ahead(session, [plan], until=local_day(now_ms, timezone=site.timezone) + timedelta(days=HORIZON_DAYS))
    return plan


def _hazards(
    session: Session, site: Site, cast: Mapping[str, Person], _: Translator, *, today: date, now_ms: int
) -> None:
    """Three weeks: e-bikes, rubbish in the basement, no access control; found together, put right one by one."""
    places = [
        Place(place=_(msgid("Basement, east side")), building=_(msgid("Building 1")), items=("rubbish", "wiring")),
        Place(
            place=_(msgid("Stairwell and landing")),
            building=_(msgid("Building 1")),
            items=("ebike_charging", "escape_route"),
        ),
        Place(place=_(msgid("Main entrance")), items=("access_control",)),
        Place(place=_(msgid("Fire lane behind building 3")), items=("fire_lane",)),
    ]
    name = _(msgid("E-bikes, basement, access control"))
    kind, first = PlanKind.COMMON_HAZARDS, today - timedelta(days=14)
    plan = _plan(session, site, kind, name, first, places, habit=ALL_DAY, now_ms=now_ms)
    before, last_week, now = _rounds(session, plan)[:3]
    at_ms = at_minute(before.day, 15 * 60, timezone=site.timezone)
    wrong = {
        "rubbish": _(msgid("Sofas and boxes up to the ceiling.")),
        "ebike_charging": _(msgid("Seven e-bikes, two of them charging.")),
        "access_control": _(msgid("The lock is broken, anybody walks in.")),
    }
    _joined(session, before, cast, ("community", "committee"), at_ms)
    tickets = _walk(session, before, cast["manager"], wrong, at_ms=at_ms)
    for days, ticket_id in zip((1, 3, 5), tickets, strict=False):
        _put_right(session, ticket_id, cast, at_ms=at_ms + days * DAY_MS)
    at_ms = at_minute(last_week.day, 15 * 60, timezone=site.timezone)
    _joined(session, last_week, cast, ("community",), at_ms)
    again = {"ebike_charging": _(msgid("Two e-bikes are back."))}
    for ticket_id in _walk(session, last_week, cast["committee"], again, at_ms=at_ms):
        _put_right(session, ticket_id, cast, at_ms=at_ms + DAY_MS)
    # Nobody is to be called any more about what was put right weeks ago.
    run_due(session, now_ms=now_ms - DAY_MS)
    _joined(session, now, cast, ("community", "committee"), now_ms - 20 * MINUTE_MS)
    once_more = {"ebike_charging": _(msgid("One e-bike on the landing, cable through the door."))}
    _walk(session, now, cast["community"], once_more, at_ms=now_ms - 15 * MINUTE_MS, stops=2, now_ms=now_ms)


def _lifts(
    session: Session,
    site: Site,
    lifts: Sequence[Unit],
    cast: Mapping[str, Person],
    _: Translator,
    *,
    today: date,
    now_ms: int,
) -> None:
    """A half-monthly round behind, the next one on, with a lift that stands out; an inspection to apply for."""
    first = today - timedelta(days=13)
    name = _(msgid("Lifts of the first buildings"))
    habit = Habit(14, 3, 0, 24 * 60, is_working_days=False)
    plan = _plan(session, site, PlanKind.LIFT, name, first, [Place(unit) for unit in lifts], habit=habit, now_ms=now_ms)
    before = _rounds(session, plan)[0]
    at_ms = at_minute(before.day, 9 * 60, timezone=site.timezone)
    _walk(session, before, cast["technician"], {}, at_ms=at_ms)
    put_on_next_round(
        session,
        lifts[-1].id,
        FocusReason.FAULT_PRONE,
        facts={"faults": 7, "rate_per_year": 5.4, "rank": 1, "peers": 94},
        draw_code=draw_code,
        now_ms=now_ms,
    )
    inspected = today - timedelta(days=340)
    for place, unit in enumerate(lifts[:3]):
        service = Service(
            kind=ServiceKind.INSPECTION,
            done_on=inspected + timedelta(days=20 * place),
            valid_until=inspected + timedelta(days=20 * place + 365),
        )
        add_service_record(session, unit, service, actor=cast["manager"].as_actor(), now_ms=now_ms)
    refresh(session, lifts[1:])


def _missed_pump_room(
    session: Session, site: Site, pumps: Sequence[Unit], _: Translator, *, today: date, now_ms: int
) -> None:
    first = today - timedelta(days=1)
    habit = Habit(15, 1, 8 * 60, 18 * 60, is_working_days=False)
    name = _(msgid("Pump rooms of the basement"))
    places = [Place(unit) for unit in pumps]
    _plan(session, site, PlanKind.PUMP_ROOM, name, first, places, habit=habit, now_ms=now_ms)
    mark_missed(session, site.id, now_ms=now_ms)


def _rounds(session: Session, plan: PatrolPlan) -> list[PatrolRound]:
    query = select(PatrolRound).where(PatrolRound.plan_id == plan.id).order_by(PatrolRound.number)
    return list(session.scalars(query))


def _joined(
    session: Session, patrol: PatrolRound, cast: Mapping[str, Person], names: Collection[str], at_ms: int
) -> None:
    for name in names:
        join(session, patrol.id, person=cast[name], actor=cast[name].as_actor(), now_ms=at_ms)


def _walk(
    session: Session,
    patrol: PatrolRound,
    person: Person,
    wrong: Mapping[str, str],
    *,
    at_ms: int,
    stops: int | None = None,
    now_ms: int | None = None,
) -> tuple[int, ...]:
    """A person goes the way, three minutes from stop to stop; `wrong` are notes of items that are not in order."""
    way = record_of(session, patrol).stops[:stops]
    said: list[Said] = []
    scans = []
    for number, stop in enumerate(way):
        there_ms = at_ms + number * 3 * MINUTE_MS
        scans.append(Scanned(stop.checkpoint.code, there_ms, f"demo-{number}"))
        said += _answers(stop, wrong, there_ms=there_ms + MINUTE_MS)
    sent_ms = now_ms or at_ms + len(way) * 3 * MINUTE_MS
    return take_results(
        session, patrol.id, results=said, scans=scans, actor=person.as_actor(), now_ms=sent_ms
    ).ticket_ids


def _answers(stop: Stop, wrong: Mapping[str, str], *, there_ms: int) -> list[Said]:
    answers = []
    for slot in stop.slots:
        item, note = slot.item, wrong.get(slot.item.code, "")
        value = None
        if item.form is Form.MEASURED:
            low = item.low if item.low is not None else (item.high or 0.0) / 2
            high = item.high if item.high is not None else low * 2
            value = round(low + (high - low) * 0.6, 2)
        answers.append(
            Said(
                stop.checkpoint.id,
                item.code,
                there_ms,
                is_ok=None if value is not None else not note,
                value=value,
                note=note,
                key=f"demo-{stop.checkpoint.id}-{item.code}",
            )
        )
    return answers


def _put_right(session: Session, ticket_id: int, cast: Mapping[str, Person], *, at_ms: int) -> None:
    """From taking up to closing; the committee signs for what the property company put right."""
    way: list[tuple[Stage, str]] = [(Stage.TRIAGED, "manager"), (Stage.DISPATCHED, "manager")]
    way += [(stage, "technician") for stage in HANDS]
    way += [(Stage.VERIFIED, "committee"), (Stage.CLOSED, "committee")]
    for number, (stage, name) in enumerate(way):
        actor: Actor = cast[name].as_actor()
        incident.move_ticket(session, ticket_id, stage, actor=actor, now_ms=at_ms + number * 20 * MINUTE_MS)
