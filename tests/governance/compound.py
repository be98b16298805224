"""A compound of three parties for the tests of meetings, work lists and teams: accounts, and a clock that one moves."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from governance.meeting import Meeting, plan_monthly
from governance.meeting_rules import Procedure, meeting_day
from models.equipment import Kind
from registry.database import Database
from registry.person import Person, RoleGrant
from registry.role import Actor, Role
from registry.site import Site, add_site, get_site
from registry.unit import add_unit

NOW_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00, a Monday
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KEY = "jindu"
ROLES = {
    "manager": (Role.PROPERTY_MANAGER,),
    "technician": (Role.TECHNICIAN,),
    "committee": (Role.COMMITTEE_MEMBER,),
    "community": (Role.COMMUNITY_OFFICER,),
    "district": (Role.DISTRICT_OFFICER,),
    "both": (Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER),
    "owner": (Role.OWNER,),
    "admin": (Role.ADMIN,),
}


@dataclass
class Compound:
    database: Database
    now_ms: int = NOW_MS
    ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            site = add_site(session, key=KEY, name="Jindu Huating", now_ms=self.now_ms - 400 * DAY_MS)
            for name, roles in ROLES.items():
                self.ids[name] = self.add_person(session, name, roles, site)

    def add_person(self, session: Session, name: str, roles: Iterable[Role], site: Site) -> int:
        person = Person(
            name=name,
            display_name=name.title(),
            password_hash="none",
            created_ms=0,
            grants=[RoleGrant(role=role.value, site=site) for role in roles],
        )
        session.add(person)
        session.flush()
        return person.id

    def actor(self, name: str) -> Actor:
        with self.database.reading() as session:
            return session.get_one(Person, self.ids[name]).as_actor()

    def lose_roles(self, name: str) -> None:
        with self.database.writing() as session:
            person = session.get_one(Person, self.ids[name])
            for grant in list(person.grants):
                session.delete(grant)

    @contextmanager
    def at_work(self) -> Iterator[tuple[Session, Site]]:
        with self.database.writing() as session:
            yield session, get_site(session, KEY)

    def lifts(self, count: int) -> list[int]:
        with self.at_work() as (session, site):
            created_ms = self.now_ms - 300 * DAY_MS
            return [
                add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"lift-{n}", now_ms=created_ms).id
                for n in range(1, count + 1)
            ]

    def plan(self, year: int = 2026, month: int = 12) -> int:
        with self.at_work() as (session, site):
            procedure = Procedure()
            when = meeting_day(procedure, year=year, month=month, timezone=site.timezone)
            meeting = plan_monthly(session, site, when, parties=procedure.parties, place="Office", now_ms=self.now_ms)
            assert isinstance(meeting, Meeting)
            return meeting.id
