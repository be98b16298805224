"""A call-out in the small world, in which everybody was asked."""

import secrets

from sqlalchemy import select

from alerts import call_out_moves
from alerts.call_out import Summons
from api.call_out_links import hash_of_secret
from registry.person import Person, RoleGrant
from registry.role import Actor, Grant, Role
from registry.site import get_site
from tests.api.kit import HERE, World

CALLER = Actor("manager", (Grant(Role.PROPERTY_MANAGER, HERE),))


def start_call_out(world: World, *, reason: str = "Water in the garage", asks_everybody: bool = True) -> int:
    """Of the staff on duty; with `asks_everybody` all the people there are have a summons."""

    def hash_of_link(call_out_id: int, person_id: int) -> str:
        return hash_of_secret(secret_of(call_out_id, person_id))

    with world.database.writing() as session:
        call_out = call_out_moves.start(
            session,
            get_site(session, HERE),
            reason=reason,
            meeting_point="Gate 2",
            actor=CALLER,
            hash_of_link=hash_of_link,
            now_ms=world.clock(),
        )
        asked = set(session.scalars(select(Summons.person_id).where(Summons.call_out_id == call_out.id)))
        if asks_everybody:
            session.add_all(
                Summons(
                    call_out_id=call_out.id,
                    person_id=person_id,
                    position=0,
                    link_hash=hash_of_link(call_out.id, person_id),
                    asked_ms=world.clock(),
                    expires_ms=world.clock() + 24 * 3_600_000,
                )
                for person_id in session.scalars(select(Person.id))
                if person_id not in asked
            )
        return call_out.id


def secret_of(call_out_id: int, person_id: int) -> str:
    return f"{call_out_id:06}-{person_id:06}-abcdefghij"


def add_person(world: World, shown: str, role: Role, *, language: str | None = None) -> int:
    with world.database.writing() as session:
        grants = [RoleGrant(role=role.value, site=get_site(session, HERE))]
        person = Person(
            name=secrets.token_hex(8),
            display_name=shown,
            password_hash="none",
            language=language,
            created_ms=0,
            grants=grants,
        )
        session.add(person)
        session.flush()
        return person.id
