"""The ledger: how many messages and values came, and what became of each. It always balances.

received = accepted + duplicate + quarantined messages, and accepted = stored + pending values: every count is changed
in the transaction that makes it true, and pending is read from the outbox itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, String, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.outbox import OutboxBatch
from registry.database import Table

ACCEPTED = "messages_accepted"
DUPLICATE = "messages_duplicate"
QUARANTINED = "messages_quarantined"
VALUES_ACCEPTED = "values_accepted"
VALUES_STORED = "values_stored"
VALUES_LATE = "values_late"
VALUES_REPEATED = "values_repeated"
LAST_RECEIVED_MS = "last_received_ms"
COUNTERS = (ACCEPTED, DUPLICATE, QUARANTINED, VALUES_ACCEPTED, VALUES_STORED, VALUES_LATE, VALUES_REPEATED)


class LedgerCount(Table):
    __tablename__ = "ledger"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Ledger:
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    values_accepted: int
    values_stored: int
    values_pending: int
    values_late: int
    values_repeated: int
    last_received_ms: int | None = None

    @property
    def balances(self) -> bool:
        messages = self.received == self.accepted + self.duplicate + self.quarantined
        return messages and self.values_accepted == self.values_stored + self.values_pending


def add_counts(session: Session, counts: Mapping[str, int]) -> None:
    """Adds to counters, in one order always, so that two workers cannot wait for each other."""
    for name in sorted(counts):
        if counts[name]:
            _put(session, name, counts[name], adds=True)


def tell_received(session: Session, *, at_ms: int) -> None:
    """Keeps when the last message arrived, so that people see whether anything is being heard at all."""
    _put(session, LAST_RECEIVED_MS, at_ms, adds=False)


def _put(session: Session, name: str, count: int, *, adds: bool) -> None:
    """One statement, so that of two workers that are the first to count neither fails."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(LedgerCount).values(name=name, count=count)
    changed = LedgerCount.count + row.excluded.count if adds else row.excluded.count
    session.execute(row.on_conflict_do_update(index_elements=[LedgerCount.name], set_={"count": changed}))


def read_ledger(session: Session) -> Ledger:
    counts = {row.name: row.count for row in session.scalars(select(LedgerCount))}
    pending = session.scalar(select(func.coalesce(func.sum(OutboxBatch.value_count), 0))) or 0
    accepted, duplicate, quarantined = (counts.get(name, 0) for name in (ACCEPTED, DUPLICATE, QUARANTINED))
    return Ledger(
        received=accepted + duplicate + quarantined,
        accepted=accepted,
        duplicate=duplicate,
        quarantined=quarantined,
        values_accepted=counts.get(VALUES_ACCEPTED, 0),
        values_stored=counts.get(VALUES_STORED, 0),
        values_pending=int(pending),
        values_late=counts.get(VALUES_LATE, 0),
        values_repeated=counts.get(VALUES_REPEATED, 0),
        last_received_ms=counts.get(LAST_RECEIVED_MS),
    )
