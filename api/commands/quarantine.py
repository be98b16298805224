"""Looking at quarantined messages and sending them again."""

from collections.abc import Sequence
from datetime import UTC, datetime

from api.clock import now_ms
from api.commands.model_life import who
from api.embedded_broker import reachable_url
from api.processes import opened_database
from api.settings import Settings
from ingest import quarantine
from ingest.errors import Reason
from ingest.mqtt import read_broker_url
from ingest.republish import Republisher

PAGE = 200
SHOWN_BYTES = 4_000


class NothingToDo(Exception):
    """The command cannot do what was asked; one line says why."""


def newest(
    settings: Settings, *, most: int, reason: str | None, site: str | None
) -> list[tuple[str, str, str, str, str, str]]:
    wanted, visible = _reason(reason), None if site is None else [site]
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        return [
            (
                str(row.id),
                _instant(row.received_ms),
                row.reason,
                row.topic,
                row.detail,
                "replayed" if row.replayed_ms else "discarded" if row.discarded_ms else "",
            )
            for row in quarantine.newest(session, limit=most, reason=wanted, visible=visible)
        ]


def show(settings: Settings, message_id: int) -> str:
    """Everything about one message; bytes that are no text are shown as hexadecimal."""
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        found = quarantine.find_message(session, message_id)
        if found is None:
            raise NothingToDo(f"no message {message_id} in quarantine")
        lines = [f"received  {_instant(found.received_ms)}", f"topic     {ascii(found.topic)[1:-1]}"]
        lines.append(f"reason    {found.reason}{f': {found.detail}' if found.detail else ''}")
        if found.replayed_ms:
            lines.append(f"replayed  {_instant(found.replayed_ms)}")
        if found.discarded_ms:
            lines.append(f"discarded {_instant(found.discarded_ms)}: {found.discarded_because}")
        payload = found.payload
    shown = payload[:SHOWN_BYTES]
    text = shown.decode(errors="replace")
    body = text if text.isprintable() else shown.hex(" ", 2)
    rest = f"\n… {len(payload) - SHOWN_BYTES:,} more bytes" if len(payload) > SHOWN_BYTES else ""
    return "\n".join(lines) + f"\n\n{body}{rest}"


def discard(settings: Settings, message_ids: Sequence[int], *, because: str) -> int:
    """Puts messages aside for good, all of them or none."""
    if not because.strip():
        raise NothingToDo("say why, with --because")
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        count = 0
        for message_id in message_ids:
            found = quarantine.find_message(session, message_id)
            if found is None:
                raise NothingToDo(f"no message {message_id} in quarantine; nothing was changed")
            count += quarantine.discard(session, found, because=because.strip(), by=who(), now_ms=now_ms())
        return count


def replay(settings: Settings, *, reason: str | None, message_ids: Sequence[int] = (), site: str | None = None) -> int:
    """Publishes waiting messages on their own topics; each is marked once the broker has it."""
    wanted = _reason(reason)
    address = read_broker_url(reachable_url(settings))
    sent = after_id = 0
    with opened_database(settings, migrates=False) as database, Republisher(address) as republisher:
        while True:
            with database.reading() as session:
                rows = quarantine.waiting(
                    session, reason=wanted, ids=message_ids or None, site=site, after_id=after_id, limit=PAGE
                )
                messages = [(row.id, row.topic, row.payload) for row in rows]
            if not messages:
                return sent
            for row_id, topic, payload in messages:
                if republisher.send(topic, payload):
                    with database.writing() as session:
                        quarantine.mark_replayed(session, row_id, now_ms=now_ms())
                    sent += 1
                after_id = row_id


def _reason(text: str | None) -> Reason | None:
    if text is None:
        return None
    if text not in set(Reason):
        raise NothingToDo(f"no reason is called {text!r}; there are {', '.join(Reason)}")
    return Reason(text)


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="seconds")
