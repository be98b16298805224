"""Logins kept on the server: browser sessions and API tokens. Only a hash of each secret is stored."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import Table
from registry.person import Person
from registry.role import Actor

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
    query = select(Login).where(
        Login.secret_hash == _hash(secret), Login.purpose == purpose.value, Login.expires_ms > now_ms
    )
    login = session.scalar(query)
    if login is None or not login.person.is_active:
        return None
    return SignedIn(login.person.as_actor(), login.csrf_token, login.expires_ms)


def close_login(session: Session, secret: str) -> None:
    session.execute(delete(Login).where(Login.secret_hash == _hash(secret)))
