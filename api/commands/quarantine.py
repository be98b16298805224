"""Looking at quarantined messages and sending them again."""

from datetime import UTC, datetime

from api.clock import now_ms
from api.embedded_broker import reachable_url
from api.processes import opened_database
from api.settings import Settings
from ingest import quarantine
from ingest.errors import Reason
from ingest.mqtt import read_broker_url
from ingest.republish import Republisher

PAGE = 200


class NothingToDo(Exception):
    """The command cannot do what was asked; one line says why."""


def newest(settings: Settings, *, most: int) -> list[tuple[str, str, str, str, str, str]]:
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        return [
            (
                str(row.id),
                datetime.fromtimestamp(row.received_ms / 1000, UTC).isoformat(timespec="seconds"),
                row.reason,
                row.topic,
                row.detail,
                "yes" if row.replayed_ms else "",
            )
            for row in quarantine.newest(session, limit=most)
        ]


def replay(settings: Settings, *, reason: str | None) -> int:
    """Publishes waiting messages on their own topics; each is marked once the broker has it."""
    if reason is not None and reason not in set(Reason):
        raise NothingToDo(f"no reason is called {reason!r}; there are {', '.join(Reason)}")
    wanted = Reason(reason) if reason is not None else None
    address = read_broker_url(reachable_url(settings))
    sent = after_id = 0
    with opened_database(settings, migrates=False) as database, Republisher(address) as republisher:
        while True:
            with database.reading() as session:
                rows = quarantine.waiting(session, reason=wanted, after_id=after_id, limit=PAGE)
                messages = [(row.id, row.topic, row.payload) for row in rows]
            if not messages:
                return sent
            for row_id, topic, payload in messages:
                if republisher.send(topic, payload):
                    with database.writing() as session:
                        quarantine.mark_replayed(session, row_id, now_ms=now_ms())
                    sent += 1
                after_id = row_id
