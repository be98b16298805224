"""The ledger: how many messages and values came, and what became of each. It always balances.

received = accepted + duplicate + quarantined messages, and accepted = stored + pending values: every count is changed
in the transaction that makes it true, and pending is read from what waits: the outbox, and what the store refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import BigInteger, Executable, String, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest import refused
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
    values_refused: int = 0
    """Part of those pending: the store will not take them as it is now."""
    last_received_ms: int | None = None

    @property
    def balances(self) -> bool:
        messages = self.received == self.accepted + self.duplicate + self.quarantined
        return messages and self.values_accepted == self.values_stored + self.values_pending


def add_counts(session: Session, counts: Mapping[str, int], *, received_ms: int | None = None) -> None:
    """Adds to counters, in one order always, so that two workers cannot wait for each other.

    `received_ms` is kept as when the last message arrived, so that people see whether anything is heard at all.
    """
    connection = session.connection()
    is_postgresql = connection.dialect.name == "postgresql"
    rows = [{"name": name, "count": counts[name]} for name in sorted(counts) if counts[name]]
    if rows:
        connection.execute(_ADD_ON_POSTGRESQL if is_postgresql else _ADD_ON_SQLITE, rows)
    if received_ms is not None:
        row = {"name": LAST_RECEIVED_MS, "count": received_ms}
        connection.execute(_SET_ON_POSTGRESQL if is_postgresql else _SET_ON_SQLITE, row)


def _upsert(insert: Callable[[Any], Any], *, adds: bool) -> Executable:
    """One statement, so that of two workers that are the first to count neither fails."""
    table = LedgerCount.__table__
    row = insert(table).values(name=bindparam("name"), count=bindparam("count"))
    changed = table.c.count + row.excluded.count if adds else row.excluded.count
    return cast(Executable, row.on_conflict_do_update(index_elements=[table.c.name], set_={"count": changed}))


# Made once: to put them together anew for each batch costs more than to run them.
_ADD_ON_POSTGRESQL, _SET_ON_POSTGRESQL = _upsert(postgresql.insert, adds=True), _upsert(postgresql.insert, adds=False)
_ADD_ON_SQLITE, _SET_ON_SQLITE = _upsert(sqlite.insert, adds=True), _upsert(sqlite.insert, adds=False)


def read_ledger(session: Session) -> Ledger:
    counts = {row.name: row.count for row in session.scalars(select(LedgerCount))}
    pending = session.scalar(select(func.coalesce(func.sum(OutboxBatch.value_count), 0))) or 0
    values_refused = refused.count_values(session)
    accepted, duplicate, quarantined = (counts.get(name, 0) for name in (ACCEPTED, DUPLICATE, QUARANTINED))
    return Ledger(
        received=accepted + duplicate + quarantined,
        accepted=accepted,
        duplicate=duplicate,
        quarantined=quarantined,
        values_accepted=counts.get(VALUES_ACCEPTED, 0),
        values_stored=counts.get(VALUES_STORED, 0),
        values_pending=int(pending) + values_refused,
        values_late=counts.get(VALUES_LATE, 0),
        values_repeated=counts.get(VALUES_REPEATED, 0),
        values_refused=values_refused,
        last_received_ms=counts.get(LAST_RECEIVED_MS),
    )
