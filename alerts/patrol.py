"""Rounds as they are made: who takes part, what they find, what comes of it. Runs in the caller's transaction.

The site is held first, then the round, then tickets, then the head of the activity log.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import incident
from alerts import ticket as tickets
from alerts.patrol_conduct import facts_of, hold_round, may_answer, party_at, settle, take_part
from alerts.patrol_errors import PatrolCancelled, ResultsNotPermitted
from alerts.patrol_items import RESULT_ROLES, Form, Item, PlanKind
from alerts.patrol_plan import PatrolCheckpoint
from alerts.patrol_record import (
    MAX_NOTE_LENGTH,
    Outcome,
    PatrolPhoto,
    PatrolResult,
    PatrolScan,
    Record,
    Stop,
    judged,
    record_of,
)
from alerts.patrol_schedule import PatrolRound, RoundState
from alerts.ticket import Ticket
from alerts.ticket_stages import FINAL_STAGES
from registry import activity
from registry.activity import Entry
from registry.role import SYSTEM, Actor

CLOCK_AHEAD_MS = 5 * 60_000
"""A phone's clock may be so far ahead of ours; what it says beyond that counts from when it came."""
MAX_KEY_LENGTH = 100
MOST_PHOTOS = 200


class Refusal(StrEnum):
    """Why an answer is not taken; the others that came with it are."""

    UNKNOWN_CHECKPOINT = "unknown_checkpoint"
    UNKNOWN_ITEM = "unknown_item"
    VALUE_MISSING = "value_missing"
    IMPOSSIBLE_VALUE = "impossible_value"
    ANSWER_MISSING = "answer_missing"
    NOTE_MISSING = "note_missing"
    UNREADABLE_TIME = "unreadable_time"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it comes from a phone. Of a measured item `value` counts, else `is_ok`; `skipped` is neither."""

    checkpoint_id: int
    item: str
    at_ms: int
    is_ok: bool | None = None
    value: float | None = None
    is_skipped: bool = False
    note: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Scanned:
    code: str
    at_ms: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    key: str
    reason: Refusal
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an upload. `record` is the whole round after it."""

    record: Record
    accepted: int
    duplicates: int
    refused: tuple[Refused, ...]
    ticket_ids: tuple[int, ...]


def take_results(
    session: Session,
    patrol_id: int,
    *,
    results: Sequence[Said] = (),
    scans: Sequence[Scanned] = (),
    actor: Actor,
    now_ms: int,
) -> Taken:
    """Adds what a phone sends; what came before is not added again. Raises UnknownPatrol, PatrolCancelled,
    ResultsNotPermitted."""
    patrol = hold_round(session, patrol_id)
    if RoundState(patrol.state) is RoundState.CANCELLED:
        raise PatrolCancelled(patrol.id)
    if not may_answer(patrol, actor):
        raise ResultsNotPermitted(patrol.id, roles=RESULT_ROLES[PlanKind(patrol.plan.kind)])
    before = record_of(session, patrol)
    desk = _Desk(session, patrol, before, actor=actor, now_ms=now_ms)
    for scan in scans:
        desk.scan(scan)
    for said in results:
        desk.take(said)
    if not desk.accepted:
        return Taken(before, 0, desk.duplicates, tuple(desk.refused), ())
    take_part(session, patrol, actor, now_ms=now_ms)
    session.flush()
    record = settle(session, patrol, actor=actor, now_ms=now_ms)
    desk.write_log()
    return Taken(record, desk.accepted, desk.duplicates, tuple(desk.refused), tuple(desk.ticket_ids))


class _Desk:
    """Takes the answers of one upload."""

    def __init__(self, session: Session, patrol: PatrolRound, record: Record, *, actor: Actor, now_ms: int) -> None:
        self._session = session
        self._patrol = patrol
        self._record = record
        self._actor = actor
        self._now_ms = now_ms
        self._party = party_at(actor, patrol.site.key)
        keys = select(PatrolResult.key).where(PatrolResult.round_id == patrol.id)
        self._result_keys = set(session.scalars(keys))
        scans = select(PatrolScan.key).where(PatrolScan.round_id == patrol.id)
        self._scan_keys = set(session.scalars(scans))
        self.accepted = self.duplicates = 0
        self.refused: list[Refused] = []
        self.ticket_ids: list[int] = []
        self._entries: list[Entry] = []

    def scan(self, scanned: Scanned) -> None:
        key = scanned.key[:MAX_KEY_LENGTH] or _key("scan", self._actor.name, scanned.code, scanned.at_ms)
        if key in self._scan_keys:
            self.duplicates += 1
            return
        stop = next((each for each in self._record.stops if each.checkpoint.code == scanned.code.upper()), None)
        if stop is None:
            self.refused.append(Refused(key, Refusal.UNKNOWN_CHECKPOINT))
            return
        at_ms, is_ahead = self._time(scanned.at_ms)
        self._scan_keys.add(key)
        self._session.add(
            PatrolScan(
                round_id=self._patrol.id,
                checkpoint_id=stop.checkpoint.id,
                key=key,
                actor=self._actor.name,
                at_ms=at_ms,
                received_ms=self._now_ms,
                is_clock_ahead=is_ahead,
            )
        )
        self.accepted += 1

    def take(self, said: Said) -> None:
        content = (said.checkpoint_id, said.item, said.at_ms, said.is_ok, said.value, said.is_skipped, said.note)
        key = said.key[:MAX_KEY_LENGTH] or _key("result", self._actor.name, *content)
        if key in self._result_keys:
            self.duplicates += 1
            return
        stop = self._record.find(said.checkpoint_id)
        item = None if stop is None else next((s.item for s in stop.slots if s.item.code == said.item), None)
        refusal = _refusal(said, stop, item)
        if refusal is not None or stop is None or item is None:
            self.refused.append(Refused(key, refusal or Refusal.UNKNOWN_ITEM, item))
            return
        self._result_keys.add(key)
        self._keep(said, key, stop.checkpoint, item)
        self.accepted += 1

    def _keep(self, said: Said, key: str, checkpoint: PatrolCheckpoint, item: Item) -> None:
        at_ms, is_ahead = self._time(said.at_ms)
        is_measured = item.form is Form.MEASURED and not said.is_skipped
        value = said.value if is_measured else None
        outcome = Outcome.SKIPPED if said.is_skipped else judged(item, is_ok=said.is_ok, value=value)
        result = PatrolResult(
            round_id=self._patrol.id,
            checkpoint_id=checkpoint.id,
            item=item.code,
            key=key,
            person_id=self._actor.person_id,
            actor=self._actor.name,
            party=self._party.value,
            at_ms=at_ms,
            received_ms=self._now_ms,
            is_clock_ahead=is_ahead,
            outcome=outcome.value,
            value=value,
            low=item.low if is_measured else None,
            high=item.high if is_measured else None,
            note=said.note.strip()[:MAX_NOTE_LENGTH],
        )
        if outcome is Outcome.FAILED:
            result.ticket_id = self._ticket_for(result, checkpoint, item)
        self._session.add(result)

    def _time(self, at_ms: int) -> tuple[int, bool]:
        is_ahead = at_ms > self._now_ms + CLOCK_AHEAD_MS
        return (self._now_ms if is_ahead else at_ms), is_ahead

    def _ticket_for(self, result: PatrolResult, checkpoint: PatrolCheckpoint, item: Item) -> int:
        """The case of a failed item: the one that is open, the one that has dealt with it since, or a new one."""
        case = case_of(checkpoint, item)
        ticket = find_case(self._session, self._patrol, checkpoint, case, at_ms=result.at_ms)
        facts: dict[str, Any] = {"patrol": self._patrol.id, "item": item.code, "note": result.note}
        if ticket is None:
            where = "" if checkpoint.unit is not None else " · ".join(filter(None, (checkpoint.where, checkpoint.name)))
            told = "" if result.value is None else f"{result.value:g} {item.unit}"
            ticket = tickets.open_ticket(
                self._session,
                site=self._patrol.site,
                unit=checkpoint.unit,
                kind=item.ticket_kind,
                title=item.failed,
                severity=item.severity,
                case=case,
                description="\n".join(filter(None, (where, told, result.note))),
                opened_by=SYSTEM.name,
                now_ms=self._now_ms,
            )
            verb = "ticket.opened"
        else:
            ticket.updated_ms = self._now_ms
            verb = "ticket.found_again"
        if ticket.id not in self.ticket_ids:
            self.ticket_ids.append(ticket.id)
        self._entries.append(incident.ticket_entry(ticket, verb, self._actor, facts))
        return ticket.id

    def write_log(self) -> None:
        data = {
            "accepted": self.accepted,
            "refused": len(self.refused),
            "party": self._party.value,
            "tickets": self.ticket_ids,
            **facts_of(self._patrol),
        }
        entry = Entry(
            "patrol.results", self._patrol.subject, actor=self._actor.name, site=self._patrol.site.key, data=data
        )
        activity.append(self._session, [entry, *self._entries], now_ms=self._now_ms)


def _refusal(said: Said, stop: Stop | None, item: Item | None) -> Refusal | None:
    if stop is None:
        return Refusal.UNKNOWN_CHECKPOINT
    if item is None:
        return Refusal.UNKNOWN_ITEM
    if said.at_ms <= 0:
        return Refusal.UNREADABLE_TIME
    if said.is_skipped:
        return None if said.note.strip() else Refusal.NOTE_MISSING
    if item.form is Form.MEASURED:
        if said.value is None:
            return Refusal.VALUE_MISSING
        return None if item.is_possible(said.value) else Refusal.IMPOSSIBLE_VALUE
    return Refusal.ANSWER_MISSING if said.is_ok is None else None


def _key(*content: object) -> str:
    """A key for what came without one: the same content is the same answer."""
    return hashlib.sha256(repr(content).encode()).hexdigest()


def case_of(checkpoint: PatrolCheckpoint, item: Item) -> str:
    """What a failed item is about: at its unit, or at the place."""
    return f"patrol:{item.code}" if checkpoint.unit_id is not None else f"patrol:{checkpoint.id}:{item.code}"


def find_case(
    session: Session, patrol: PatrolRound, checkpoint: PatrolCheckpoint, case: str, *, at_ms: int
) -> Ticket | None:
    """The open ticket of that matter, or one that was closed after the item had been found wrong."""
    at_unit = Ticket.unit_id == checkpoint.unit_id if checkpoint.unit_id is not None else Ticket.unit_id.is_(None)
    found = (
        select(Ticket)
        .where(Ticket.site_id == patrol.site_id, at_unit, Ticket.case == case)
        .order_by(Ticket.id.desc())
        .limit(1)
        .with_for_update(of=Ticket)
    )
    ticket = session.scalar(found)
    if ticket is None or ticket.stage not in FINAL_STAGES:
        return ticket
    return ticket if ticket.closed_ms is not None and at_ms <= ticket.closed_ms else None


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo as it is kept, its bytes already in the attachment store under `digest`."""

    media_type: str
    name: str
    digest: str


def add_photo(
    session: Session, patrol_id: int, picture: Picture, *, result_key: str, actor: Actor, now_ms: int
) -> Record:
    """The same picture for the same answer is one. Raises as `take_results`."""
    patrol = hold_round(session, patrol_id)
    if RoundState(patrol.state) is RoundState.CANCELLED:
        raise PatrolCancelled(patrol.id)
    if not may_answer(patrol, actor):
        raise ResultsNotPermitted(patrol.id, roles=RESULT_ROLES[PlanKind(patrol.plan.kind)])
    of_round = select(PatrolPhoto).where(PatrolPhoto.round_id == patrol.id)
    photos = session.scalars(of_round).all()
    key = result_key[:MAX_KEY_LENGTH]
    if len(photos) < MOST_PHOTOS and (key, picture.digest) not in {(each.result_key, each.digest) for each in photos}:
        session.add(
            PatrolPhoto(
                round_id=patrol.id,
                result_key=key,
                actor=actor.name,
                received_ms=now_ms,
                media_type=picture.media_type,
                name=picture.name,
                digest=picture.digest,
            )
        )
        session.flush()
        data = {"digest": picture.digest, **facts_of(patrol)}
        entry = Entry("patrol.photo_added", patrol.subject, actor=actor.name, site=patrol.site.key, data=data)
        activity.append(session, [entry], now_ms=now_ms)
    return settle(session, patrol, actor=actor, now_ms=now_ms)
