"""Topics other than the contract's: Sparkplug B, and what the mapping rules hear. The rules follow their file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import Gauge
from sqlalchemy.orm import Session

from ingest import sparkplug_births
from ingest.errors import Reason, Unreadable
from ingest.mapping import read_document
from ingest.mapping_file import MappingRefused, MappingRule, Rules, load_rules
from ingest.sparkplug import Draft, Sparkplug
from ingest.sparkplug_metrics import rebirth_command
from ingest.sparkplug_topics import (
    NAMESPACE,
    SPARKPLUG_SUBSCRIPTION,
    EdgeKey,
    Placement,
    SparkplugTopic,
    is_sparkplug,
    place_by_name,
)
from ingest.wire import MAX_CACHED_TOPICS, RawMessage, Said

REBIRTH_EVERY_MS = 60_000

log = structlog.get_logger(__name__)

broken_gauge = Gauge(
    "liandong_mapping_file_broken", "1 while the mapping file cannot be read and older rules are in force"
)

Stamp = tuple[int, int, int]
Matches = tuple[tuple[MappingRule, dict[str, str]], ...]


class RuleBook:
    """The rules in force. A file that cannot be meant changes nothing, and is told."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self.rules = Rules()
        self.fault: str | None = None
        self._matches: dict[str, Matches] = {}

    def refresh(self) -> bool:
        """Whether the rules are others than before."""
        if self._path is None:
            return False
        stamp = _stamp_of(self._path)
        if stamp == self._stamp and (stamp is not None or self.fault is not None):
            return False
        self._stamp = stamp
        try:
            rules = load_rules(self._path)
        except (OSError, MappingRefused) as error:
            self.fault = (error.strerror or "cannot be read") if isinstance(error, OSError) else str(error)
            log.error("the mapping file cannot be read; the rules before stay in force", fault=self.fault)
            broken_gauge.set(1)
            return False
        self.rules, self.fault = rules, None
        self._matches = {}
        broken_gauge.set(0)
        log.info("mapping rules in force", rules=len(rules.rules), sparkplug=len(rules.sparkplug))
        return True

    def matches(self, topic: str) -> Matches:
        """The rules that hear the topic, each with the topic's named levels."""
        found = self._matches.get(topic)
        if found is None:
            pairs = ((rule, rule.pattern.match(topic)) for rule in self.rules.rules)
            found = tuple((rule, parts) for rule, parts in pairs if parts is not None)
            if len(self._matches) >= MAX_CACHED_TOPICS:
                self._matches.clear()
            self._matches[topic] = found
        return found

    def place(self, topic: SparkplugTopic) -> Placement:
        for rule in self.rules.sparkplug:
            if rule.fits(topic):
                return rule.placement
        return place_by_name(topic)

    def read(self, message: RawMessage) -> Said:
        """What the rules make of a message. Raises Unreadable."""
        matches = self.matches(message.topic)
        if not matches:
            raise Unreadable(Reason.BAD_TOPIC, "expected liandong/v1/{site}/{kind}/{unit}/{channel}, or a mapping rule")
        document = read_document(message.payload)
        said = Said()
        for rule, parts in matches:
            rule.read(parts, document, received_ms=message.received_ms, said=said, is_retained=message.is_retained)
        if not said.readings and not said.events:
            if message.is_retained:
                return Said(was_known=True)
            names = ", ".join(rule.name for rule, _ in matches)
            raise Unreadable(Reason.RULE_NOT_MET, f"nothing found by {names}"[:300])
        return said


def mapping_fault(path: Path | None) -> str | None:
    """What is wrong with a mapping file, in one line; None when nothing is, or none is used."""
    if path is None:
        return None
    try:
        load_rules(path)
    except OSError as error:
        return error.strerror or "cannot be read"
    except MappingRefused as error:
        return str(error)
    return None


def _stamp_of(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


@dataclass(slots=True)
class ForeignDraft:
    """What one batch says in foreign protocols and changes in their sessions, until it is committed."""

    sparkplug: Sparkplug
    book: RuleBook
    sessions: Draft = field(default_factory=Draft)

    def interpret(self, message: RawMessage) -> Said:
        if is_sparkplug(message.topic):
            return self.sparkplug.read(message, self.sessions)
        return self.book.read(message)

    def save(self, session: Session) -> None:
        self.sessions.save(session)


class ForeignTopics:
    """All foreign protocols that one worker hears."""

    def __init__(self, *, mapping_file: Path | None = None, asks_for_rebirth: bool = False) -> None:
        self.book = RuleBook(mapping_file)
        self.book.refresh()
        self._sparkplug = Sparkplug(self.book.place)
        self._asks_for_rebirth = asks_for_rebirth
        self._asked_ms: dict[EdgeKey, int] = {}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return (SPARKPLUG_SUBSCRIPTION, *self.book.rules.subscriptions)

    def restore(self, session: Session) -> None:
        self._sparkplug.restore(sparkplug_births.all_births(session))

    def draft(self) -> ForeignDraft:
        return ForeignDraft(self._sparkplug, self.book)

    def committed(self, draft: ForeignDraft) -> None:
        self._sparkplug.committed(draft.sessions)

    def commands(self, *, now_ms: int) -> Mapping[str, bytes]:
        """Rebirth requests that are due, by topic: none unless allowed, and one a minute and node at most."""
        wanted = self._sparkplug.take_unresolved()
        if not self._asks_for_rebirth:
            return {}
        due = [key for key in sorted(wanted) if now_ms - self._asked_ms.get(key, -REBIRTH_EVERY_MS) >= REBIRTH_EVERY_MS]
        self._asked_ms.update(dict.fromkeys(due, now_ms))
        return {f"{NAMESPACE}/{key.group}/NCMD/{key.edge}": rebirth_command(now_ms=now_ms) for key in due}
