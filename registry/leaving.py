"""A person leaves: nobody signs in as them or calls them any more, and what they did stays theirs."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from registry.channel import channels_of, drop_channel
from registry.errors import UnknownPerson
from registry.login import Login
from registry.person import Person, find_person


def remove_person(session: Session, name: str) -> Person:
    """The account ends for good, with its sessions, its tokens and its channels. Raises UnknownPerson.

    The row stays: histories, signatures and tasks name it. Their name is never given to somebody else.
    """
    person = find_person(session, name)
    if person is None or not person.is_active:
        raise UnknownPerson(name)
    person.is_active = False
    session.execute(delete(Login).where(Login.person_id == person.id))
    for channel in channels_of(session, [person.id]):
        drop_channel(channel)
    session.flush()
    return person
