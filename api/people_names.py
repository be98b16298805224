"""Who is meant by the name that stands in a record: the name people go by, and their roles.

Records keep the name of the account, which never changes; people read the name of the person. A page asks for many of
them: they are kept here. Who is new is looked up for each page, in one query that mostly finds nobody, and all of them
anew every few minutes.
"""

import threading
from dataclasses import dataclass

from sqlalchemy import select

from registry.database import Database
from registry.person import Person, RoleGrant
from registry.role import Role

ANEW_EVERY_MS = 300_000


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """`roles` are each once, in the order in which they were granted."""

    display_name: str
    roles: tuple[Role, ...]


class PeopleNames:
    """For all threads of a web server. Who was deactivated is known as before: what they did stays theirs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people: dict[str, KnownPerson] = {}
        self._last_id = 0
        self._anew_ms = -ANEW_EVERY_MS
        self._looking = threading.Lock()

    def look(self, now_ms: int) -> None:
        """Call it while you hold no connection to the database. Whoever finds another one looking does not wait."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            if abs(now_ms - self._anew_ms) >= ANEW_EVERY_MS:
                self._last_id, self._anew_ms = 0, now_ms
            self._look()
        finally:
            self._looking.release()

    def _look(self) -> None:
        with self._database.reading() as session:
            people = session.execute(
                select(Person.id, Person.name, Person.display_name).where(Person.id > self._last_id).order_by(Person.id)
            ).all()
            if not people:
                return
            granted = select(RoleGrant.person_id, RoleGrant.role).where(RoleGrant.person_id > self._last_id)
            roles: dict[int, dict[Role, None]] = {}
            for person_id, role in session.execute(granted.order_by(RoleGrant.id)):
                roles.setdefault(person_id, {})[Role(role)] = None
        self._people |= {name: KnownPerson(display or name, tuple(roles.get(id_, ()))) for id_, name, display in people}
        self._last_id = people[-1].id

    def get(self, name: str) -> KnownPerson | None:
        return self._people.get(name)
