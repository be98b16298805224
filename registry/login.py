"""Logins kept on the server: browser sessions and API tokens. Only a hash of each secret is stored."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import Table
from registry.person import Person, RoleGrant
from registry.role import Actor, Grant, Role
from registry.site import Site

LIFETIME_MS = 12 * 3600 * 1000
"""A login ends a shift after it began; whoever is still there signs in again."""


class Purpose(StrEnum):
    WEB = "web"
    API = "api"


class Login(Table):
    __tablename__ = "login"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(8))
    csrf_token: Mapped[str] = mapped_column(String(64), default="")
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    person: Mapped[Person] = relationship(lazy="joined")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A valid login: who it is, and the token that forms must carry."""

    actor: Actor
    csrf_token: str
    expires_ms: int


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def open_login(
    session: Session, person: Person, *, secret: str, purpose: Purpose, csrf_token: str = "", now_ms: int
) -> Login:
    """Keeps a login for `secret`, which the caller drew at random (32 bytes or more); drops those that have ended."""
    session.execute(delete(Login).where(Login.expires_ms <= now_ms))
    login = Login(
        secret_hash=_hash(secret),
        person_id=person.id,
        purpose=purpose.value,
        csrf_token=csrf_token,
        created_ms=now_ms,
        expires_ms=now_ms + LIFETIME_MS,
    )
    session.add(login)
    session.flush()
    return login


def find_login(session: Session, secret: str, *, purpose: Purpose, now_ms: int) -> SignedIn | None:
    # Every request asks this: plain rows take half the time of objects.
    query = (
        select(Login.csrf_token, Login.expires_ms, Person.id, Person.name, Person.display_name, Person.language)
        .join(Person, Login.person_id == Person.id)
        .where(Login.secret_hash == _hash(secret), Login.purpose == purpose.value, Login.expires_ms > now_ms)
        .where(Person.is_active)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    granted = (
        select(RoleGrant.role, Site.key)
        .outerjoin(Site, RoleGrant.site_id == Site.id)
        .where(RoleGrant.person_id == found.id)
        .order_by(RoleGrant.id)
    )
    actor = Actor(
        name=found.name,
        grants=tuple(Grant(Role(role), site) for role, site in session.execute(granted)),
        person_id=found.id,
        display_name=found.display_name,
        language=found.language,
    )
    return SignedIn(actor, found.csrf_token, found.expires_ms)


def close_login(session: Session, secret: str) -> None:
    session.execute(delete(Login).where(Login.secret_hash == _hash(secret)))
