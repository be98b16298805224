"""Two neighbouring compounds with staff and volunteers, in which people are called out."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import call_out_moves, call_out_summons
from alerts.call_out import CallOut, Muster, Summons, count_muster, get_call_out
from alerts.call_out_states import Answer, CallOutState
from alerts.call_out_summons import find_own, give_answer, note_arrival
from alerts.notification import Notification
from registry.database import Database
from registry.neighbourhood import set_helpers
from registry.person import Person, RoleGrant
from registry.role import Actor, Role
from registry.site import Site, add_site

T0_MS = 1_503_698_400_000  # 2017-08-26T06:00:00+08:00
MINUTE_MS = 60_000
HERE, NEXT_DOOR = "charm-city", "linli-garden"


def hash_of_link(call_out_id: int, person_id: int) -> str:
    return hashlib.sha256(f"{call_out_id}.{person_id}".encode()).hexdigest()


@dataclass
class District:
    """`staff` on duty here, `helpers` next door, `volunteers` here; the manager is one of the staff."""

    database: Database
    staff: int = 3
    helpers: int = 4
    volunteers: int = 12
    people: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            here, there = (
                add_site(session, key=HERE, name="魅力城", now_ms=0),
                add_site(session, key=NEXT_DOOR, now_ms=0),
            )
            set_helpers(session, here, [there], now_ms=0)
            self.site_id = here.id
            self._add(session, "manager", Role.PROPERTY_MANAGER, here)
            for number in range(1, self.staff):
                self._add(session, f"staff-{number}", Role.TECHNICIAN, here)
            for number in range(self.helpers):
                self._add(session, f"helper-{number}", Role.TECHNICIAN, there)
            for number in range(self.volunteers):
                self._add(session, f"volunteer-{number}", Role.VOLUNTEER, here)

    def _add(self, session: Session, name: str, role: Role, site: Site) -> None:
        grants = [RoleGrant(role=role.value, site=site)]
        person = Person(name=name, display_name=name, password_hash="none", created_ms=0, grants=grants)
        session.add(person)
        session.flush()
        self.people[name] = person.id

    def actor(self, name: str = "manager") -> Actor:
        with self.database.reading() as session:
            return session.get_one(Person, self.people[name]).as_actor()

    def start(self, *, now_ms: int = T0_MS, reason: str = "Water pours into the garage") -> int:
        with self.database.writing() as session:
            site = session.get_one(Site, self.site_id)
            return call_out_moves.start(
                session,
                site,
                reason=reason,
                meeting_point="Gate 2",
                actor=self.actor(),
                hash_of_link=hash_of_link,
                now_ms=now_ms,
            ).id

    def move(self, call_out_id: int, to: CallOutState, *, note: str = "so", now_ms: int, by: str = "manager") -> None:
        actor = self.actor(by)
        with self.database.writing() as session:
            call_out_moves.move_call_out(
                session, call_out_id, to, actor=actor, note=note, hash_of_link=hash_of_link, now_ms=now_ms
            )

    def call_next(self, call_out_id: int, *, now_ms: int) -> None:
        actor = self.actor()
        with self.database.writing() as session:
            call_out_moves.call_next_stage(session, call_out_id, actor=actor, hash_of_link=hash_of_link, now_ms=now_ms)

    def run(self, now_ms: int) -> int:
        done = 0
        while True:
            with self.database.writing() as session:
                settled = call_out_moves.run_due_call_outs(session, hash_of_link=hash_of_link, now_ms=now_ms)
            if not settled:
                return done
            done += settled

    def answer(self, call_out_id: int, name: str, minutes: int | None, *, now_ms: int) -> None:
        """`minutes` None says that they cannot."""
        with self.database.writing() as session:
            summons = find_own(session, call_out_id, self.people[name])
            answer = Answer.CANNOT if minutes is None else Answer.COMING
            give_answer(session, summons, answer, minutes=minutes, now_ms=now_ms)

    def arrive(self, call_out_id: int, name: str, *, has_arrived: bool = True, by: str = "", now_ms: int) -> None:
        actor = self.actor(by) if by else None
        with self.database.writing() as session:
            summons = find_own(session, call_out_id, self.people[name])
            note_arrival(session, summons, has_arrived=has_arrived, actor=actor, now_ms=now_ms)

    # What came of it.

    def call_out(self, call_out_id: int) -> CallOut:
        with self.database.reading() as session:
            found = get_call_out(session, call_out_id)
            session.expunge_all()
            return found

    def stages(self, call_out_id: int) -> list[str]:
        return [stage.state for stage in self.call_out(call_out_id).stages]

    def muster(self, call_out_id: int, *, now_ms: int = T0_MS) -> Muster:
        with self.database.reading() as session:
            return count_muster(session, call_out_id, now_ms=now_ms)

    def asked(self, call_out_id: int) -> set[str]:
        with self.database.reading() as session:
            query = select(Person.name).join(Summons).where(Summons.call_out_id == call_out_id)
            return set(session.scalars(query))

    def told(self, template: str) -> Counter[str]:
        """How often each person was told that."""
        with self.database.reading() as session:
            query = select(Person.name).join(Notification).where(Notification.template == template)
            return Counter(session.scalars(query))


SUMMONS, STAND_DOWN, PROPOSAL = call_out_summons.SUMMONS, call_out_summons.STAND_DOWN, call_out_summons.PROPOSAL
