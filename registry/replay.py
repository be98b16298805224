"""Requests that were already carried out: who sends one again gets the first answer, and nothing happens twice.

Whoever fills in a form or writes a program draws a key for each thing to be done; a double click, a lost answer or the
browser's back button then do no harm.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, String, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import Table
from registry.errors import RegistryError

KEPT_MS = 3 * 24 * 3600 * 1000
MAX_KEY_LENGTH = 100


class KeyReused(RegistryError):
    """A key names one thing to be done; it came again with something else."""

    def __init__(self, key: str) -> None:
        super().__init__("this idempotency key was used for another request: draw a new one")
        self.key = key


class DoneRequest(Table):
    """A request of a person that was carried out, and what came of it."""

    __tablename__ = "done_request"

    actor: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(MAX_KEY_LENGTH), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """`earlier` is what came of the request when it was carried out before; None when this is the first time."""

    row: DoneRequest
    earlier: str | None


def claim(session: Session, *, actor: str, key: str, digest: str, now_ms: int) -> Claim:
    """Takes the key for this transaction; a second one with the same key waits for it, and then meets its result.

    `digest` is a hash of what is asked. Raises KeyReused.
    """
    row = DoneRequest(actor=actor, key=key, digest=digest, result="", at_ms=now_ms)
    found = session.get(DoneRequest, (actor, key))
    if found is None:
        session.execute(delete(DoneRequest).where(DoneRequest.at_ms < now_ms - KEPT_MS))
        try:
            with session.begin_nested():
                session.add(row)
            return Claim(row, None)
        except IntegrityError:
            # The other one has just been committed.
            found = session.scalars(select(DoneRequest).where(DoneRequest.actor == actor, DoneRequest.key == key)).one()
    if found.digest != digest:
        raise KeyReused(key)
    return Claim(found, found.result)
