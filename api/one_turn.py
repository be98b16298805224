"""A request that changes something, in one transaction, carried out once however often it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.idempotency import claimed
from api.resources import Resources
from registry.replay import Claim
from registry.role import Actor


@dataclass(frozen=True, slots=True)
class Turn:
    """`earlier` is what came of the request when it was carried out before; None when it is to be done now."""

    session: Session
    claim: Claim | None

    @property
    def earlier(self) -> str | None:
        return self.claim.earlier if self.claim is not None else None

    @property
    def is_first(self) -> bool:
        return self.earlier is None

    def remember(self, result: object) -> None:
        if self.claim is not None:
            self.claim.row.result = str(result)


@contextmanager
def one_turn(held: Resources, actor: Actor, *, key: str | None, asked: object) -> Iterator[Turn]:
    """Raises KeyReused when the key came before with something else."""
    with held.database.writing() as session:
        yield Turn(session, claimed(session, actor=actor, key=key, request=asked, now_ms=held.clock()))
