"""People, the roles they hold, and their passwords."""

import re
from collections.abc import Collection
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import BigInteger, Boolean, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import BigId, Table
from registry.errors import InvalidField, NameTaken
from registry.role import Actor, Grant, Role
from registry.site import Site, get_site

NAME = re.compile(r"[\w.@+-]{1,64}")
MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1024

_hasher = PasswordHasher()


class Person(Table):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(8))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    grants: Mapped[list["RoleGrant"]] = relationship(lazy="selectin", order_by="RoleGrant.id")

    def as_actor(self) -> Actor:
        grants = tuple(Grant(Role(grant.role), grant.site.key if grant.site else None) for grant in self.grants)
        return Actor(
            name=self.name,
            grants=grants,
            person_id=self.id,
            display_name=self.display_name,
            language=self.language,
        )


class RoleGrant(Table):
    """A role of a person at one site, or everywhere."""

    __tablename__ = "role_grant"
    __table_args__ = (UniqueConstraint("person_id", "role", "site_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    role: Mapped[str] = mapped_column(String(32))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    site: Mapped[Site | None] = relationship(lazy="joined")


class PasswordHash(str):
    """A password that was hashed already; the slow work is then not done again."""

    __slots__ = ()


def hash_password(password: str) -> PasswordHash:
    """Argon2 hash with its salt. Raises InvalidField for a length that is not allowed."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidField("password", f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
    return PasswordHash(_hasher.hash(password))


def add_person(
    session: Session,
    *,
    name: str,
    password: str | PasswordHash,
    role: Role,
    site: str | None = None,
    display_name: str = "",
    language: str | None = None,
    now_ms: int,
) -> Person:
    """Raises InvalidField, NameTaken, UnknownSite."""
    if not NAME.fullmatch(name):
        raise InvalidField("name", f"{name!r} must be 1 to 64 letters, digits or . @ + - _")
    password_hash = password if isinstance(password, PasswordHash) else hash_password(password)
    if session.scalar(select(Person.id).where(Person.name == name)) is not None:
        raise NameTaken(name)
    grant = RoleGrant(role=role.value, site=get_site(session, site) if site else None)
    person = Person(
        name=name,
        display_name=display_name or name,
        password_hash=password_hash,
        language=language,
        created_ms=now_ms,
        grants=[grant],
    )
    session.add(person)
    session.flush()
    return person


def find_person(session: Session, name: str) -> Person | None:
    return session.scalar(select(Person).where(Person.name == name))


def find_people(session: Session, names: Collection[str]) -> list[Person]:
    """Those of the names that are people with a working account."""
    if not names:
        return []
    return list(session.scalars(select(Person).where(Person.name.in_(names), Person.is_active)))


def list_people(session: Session) -> list[Person]:
    return list(session.scalars(select(Person).order_by(Person.name)))


def set_language(session: Session, person_id: int, language: str) -> None:
    session.get_one(Person, person_id).language = language


@cache
def _decoy_hash() -> str:
    """Verified when the name is unknown, so that the answer takes as long as for a known one."""
    return _hasher.hash("no person has this password")


def authenticate(session: Session, *, name: str, password: str) -> Person | None:
    """The active person of that name and password, else None; takes the same time either way."""
    # What can be nobody's name is not asked for: PostgreSQL takes no NUL, and nothing takes half a character.
    person = find_person(session, name) if NAME.fullmatch(name) else None
    stored = person.password_hash if person is not None else _decoy_hash()
    try:
        _hasher.verify(stored, password[: MAX_PASSWORD_LENGTH + 1])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return None
    if person is None or not person.is_active:
        return None
    return person
