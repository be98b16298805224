"""A compound with plans of rounds and people of three parties, told what is found on them."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from alerts import patrol_due, patrol_statutory
from alerts.patrol import Said, Scanned, Taken, take_results
from alerts.patrol_items import HABITS, Form, Habit, PlanKind
from alerts.patrol_plan import PatrolPlan, Place, add_checkpoints, add_plan, get_plan
from alerts.patrol_record import Record, record_of
from alerts.patrol_schedule import PatrolRound, get_round, plan_ahead
from alerts.ticket import Ticket
from models.equipment import Kind
from registry.database import Database
from registry.person import Person, RoleGrant
from registry.role import Actor, Party, Role
from registry.site import Site, add_site
from registry.unit import Unit, add_unit, get_unit_by_id

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
MINUTE_MS = 60_000


def at(day: date, hour: float) -> int:
    """The instant of so many hours of a day in Shanghai."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return round((midnight + timedelta(hours=hour)).timestamp() * 1000)


CAST = {
    "manager": Role.PROPERTY_MANAGER,
    "technician": Role.TECHNICIAN,
    "committee": Role.COMMITTEE_MEMBER,
    "community": Role.COMMUNITY_OFFICER,
    "volunteer": Role.VOLUNTEER,
    "owner": Role.OWNER,
}


@dataclass
class Rounds:
    database: Database
    lifts: int = 2
    site: str = "pinganju"
    created: date = MONDAY
    people: dict[str, Actor] = field(default_factory=dict)
    lift_ids: list[int] = field(default_factory=list)
    site_id: int = 0
    _codes: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        now_ms = at(self.created, 8)
        with self.database.writing() as session:
            site = add_site(session, key=self.site, name="平安居", now_ms=now_ms)
            self.site_id = site.id
            for number in range(1, self.lifts + 1):
                unit = add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"l{number}", now_ms=now_ms)
                unit.building = f"B{number}"
                self.lift_ids.append(unit.id)
            for name, role in CAST.items():
                person = Person(
                    name=name,
                    display_name=name,
                    password_hash="none",
                    created_ms=0,
                    grants=[RoleGrant(role=role.value, site=site)],
                )
                session.add(person)
                session.flush()
                self.people[name] = person.as_actor()

    def draw(self) -> str:
        return f"CODE{next(self._codes)}"  # type: ignore[call-overload]

    def plan(
        self,
        kind: PlanKind = PlanKind.LIFT,
        *,
        name: str = "",
        first: date = MONDAY,
        places: Sequence[Place] | None = None,
        habit: Habit | None = None,
        until: date | None = None,
    ) -> int:
        with self.database.writing() as session:
            site = session.get_one(Site, self.site_id)
            plan = add_plan(
                session,
                site=site,
                kind=kind,
                name=name or kind.value,
                first_day=first,
                habit=habit or HABITS[kind],
                parties=[Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY],
                now_ms=at(first, 7),
            )
            if places is None:
                places = [Place(get_unit_by_id(session, unit_id)) for unit_id in self.lift_ids]
            add_checkpoints(session, plan, places, draw_code=self.draw, from_day=first)
            plan_ahead(session, [plan], until=until or first + timedelta(days=60))
            return plan.id

    def ahead(self, plan_id: int, until: date) -> int:
        with self.database.writing() as session:
            return plan_ahead(session, [get_plan(session, plan_id, for_update=True)], until=until)

    def rounds(self, plan_id: int | None = None) -> list[PatrolRound]:
        with self.database.reading() as session:
            query = select(PatrolRound).order_by(PatrolRound.plan_id, PatrolRound.number)
            found = list(session.scalars(query if plan_id is None else query.where(PatrolRound.plan_id == plan_id)))
            session.expunge_all()
            return found

    def record(self, patrol_id: int) -> Record:
        with self.database.reading() as session:
            found = record_of(session, get_round(session, patrol_id))
            session.expunge_all()
            return found

    def all_right(
        self, patrol_id: int, at_ms: int, *, failed: Sequence[str] = (), stop: int | None = None
    ) -> list[Said]:
        """Answers to every item, a second apart; `failed` are codes of items that are wrong."""
        said = []
        for place, each in enumerate(self.record(patrol_id).stops):
            if stop is not None and place != stop:
                continue
            for number, slot in enumerate(each.slots):
                item = slot.item
                is_ok = item.code not in failed
                value = None
                if item.form is Form.MEASURED:
                    value = item.low if item.low is not None else item.high
                    value = value if is_ok else item.possible_high
                said.append(
                    Said(
                        each.checkpoint.id,
                        item.code,
                        at_ms + number * 1000,
                        is_ok=is_ok if value is None else None,
                        value=value,
                        key=f"{patrol_id}-{each.checkpoint.id}-{item.code}-{at_ms}",
                    )
                )
        return said

    def say(
        self,
        patrol_id: int,
        said: Iterable[Said],
        *,
        by: str = "technician",
        scans: Sequence[Scanned] = (),
        now_ms: int,
    ) -> Taken:
        with self.database.writing() as session:
            return take_results(
                session, patrol_id, results=list(said), scans=scans, actor=self.people[by], now_ms=now_ms
            )

    def run(self, now_ms: int) -> None:
        """What the worker does at that moment."""
        with self.database.writing() as session:
            patrol_due.mark_missed(session, self.site_id, now_ms=now_ms)
        with self.database.writing() as session:
            patrol_statutory.raise_due(session, self.site_id, now_ms=now_ms)

    def refresh(self) -> None:
        with self.database.writing() as session:
            patrol_statutory.refresh(session, [get_unit_by_id(session, each) for each in self.lift_ids])

    def tickets(self) -> list[Ticket]:
        with self.database.reading() as session:
            found = list(session.scalars(select(Ticket).order_by(Ticket.id)))
            session.expunge_all()
            return found

    def lift(self, place: int = 0) -> Unit:
        with self.database.reading() as session:
            unit = get_unit_by_id(session, self.lift_ids[place])
            session.expunge_all()
            return unit

    def plan_row(self, plan_id: int) -> PatrolPlan:
        with self.database.reading() as session:
            plan = get_plan(session, plan_id)
            session.expunge_all()
            return plan
