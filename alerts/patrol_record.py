"""What was found on a round: every answer of everybody, as it came, and the record that they give together.

Answers are only ever added, each under a key that the phone drew. What the record says depends on the set of answers
alone: not on their order, nor on how often or from which phone they came.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from sqlalchemy import BigInteger, Boolean, Date, Float, ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.patrol_items import Form, Item, Photo
from alerts.patrol_plan import PatrolCheckpoint, checkpoints_of, items_at
from alerts.patrol_schedule import PatrolFocus, PatrolRound, RoundState
from registry.database import BigId, Table
from registry.person import Person

MAX_NOTE_LENGTH = 1000
HOUR_MS = 3_600_000
LATE_MS = 24 * HOUR_MS
"""An answer that comes so long after it was given is marked as late."""
OUTSIDE_MS = 2 * HOUR_MS
"""An answer or a scan so long before or after the round's window is marked."""
WALK_MS = 60_000
"""Nobody gets from one building to another and looks at something in less [P]."""
STEP_MS = 5_000
"""Nor from one checkpoint to the next in the same building [P]."""


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Could not be looked at, and the note says why."""


class Flag(StrEnum):
    """What makes an answer or a scan doubtful. It is shown, and stops nothing."""

    LATE = "late"
    OUTSIDE_WINDOW = "outside_window"
    TOO_FAST = "too_fast"
    CLOCK_AHEAD = "clock_ahead"
    NOT_SCANNED = "not_scanned"
    PHOTO_MISSING = "photo_missing"


class PatrolResult(Table):
    """One answer. `at_ms` is when the person says they gave it; the limits are those it was judged by."""

    __tablename__ = "patrol_result"
    __table_args__ = (UniqueConstraint("round_id", "key"), Index("ix_patrol_result_ticket", "ticket_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"))
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("patrol_checkpoint.id"), index=True)
    item: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(100))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    actor: Mapped[str] = mapped_column(String(64))
    party: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    is_clock_ahead: Mapped[bool] = mapped_column(Boolean, default=False)
    outcome: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    note: Mapped[str] = mapped_column(Text, default="")
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))


class PatrolScan(Table):
    """A checkpoint's code that a person's phone read, or its address that was opened."""

    __tablename__ = "patrol_scan"
    __table_args__ = (UniqueConstraint("round_id", "key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"))
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("patrol_checkpoint.id"))
    key: Mapped[str] = mapped_column(String(100))
    actor: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    is_clock_ahead: Mapped[bool] = mapped_column(Boolean, default=False)


class PatrolPhoto(Table):
    """A picture for the answer of that key, which may come after it."""

    __tablename__ = "patrol_photo"
    __table_args__ = (UniqueConstraint("round_id", "result_key", "digest"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"))
    result_key: Mapped[str] = mapped_column(String(100))
    actor: Mapped[str] = mapped_column(String(64))
    received_ms: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(120))
    digest: Mapped[str] = mapped_column(String(64))


class PatrolParticipant(Table):
    """Somebody who takes part in a round, for a party."""

    __tablename__ = "patrol_participant"
    __table_args__ = (UniqueConstraint("round_id", "person_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    party: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    person: Mapped[Person] = relationship(lazy="joined")


class PatrolStop(Table):
    """A checkpoint of a round at which everything was looked at, and the service record that came of it."""

    __tablename__ = "patrol_stop"

    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"), primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("patrol_checkpoint.id"), primary_key=True)
    done_ms: Mapped[int] = mapped_column(BigInteger)
    done_on: Mapped[date] = mapped_column(Date)
    service_record_id: Mapped[int | None] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what is doubtful about it. `photos` are ids."""

    result: PatrolResult
    flags: frozenset[Flag]
    photos: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """One item at one checkpoint. The last answer counts; `earlier` are the others, oldest first."""

    item: Item
    answer: Answer | None
    earlier: tuple[Answer, ...]

    @property
    def is_done(self) -> bool:
        if self.answer is None:
            return False
        # Whoever finds something wrong and has no camera shall still say so; a proof that is always asked for is not.
        return not (self.item.photo is Photo.ALWAYS and Flag.PHOTO_MISSING in self.answer.flags)

    @property
    def done_ms(self) -> int | None:
        """When it was first answered."""
        answers = [*self.earlier, *([self.answer] if self.answer else [])]
        return min((each.result.at_ms for each in answers), default=None)


@dataclass(frozen=True, slots=True)
class Stop:
    """A checkpoint on a round. `focus` tells why its unit is looked at closely; `scans` are (scan, flags)."""

    checkpoint: PatrolCheckpoint
    slots: tuple[Slot, ...]
    focus: PatrolFocus | None
    scans: tuple[tuple[PatrolScan, frozenset[Flag]], ...]

    @property
    def is_done(self) -> bool:
        return bool(self.slots) and all(slot.is_done for slot in self.slots)

    @property
    def done_ms(self) -> int | None:
        """When the last of its items was first answered; None before that."""
        return max(slot.done_ms or 0 for slot in self.slots) if self.is_done else None

    @property
    def done_by(self) -> list[str]:
        """Who answered first, of each item."""
        firsts = ((slot.earlier[0] if slot.earlier else slot.answer) for slot in self.slots)
        return sorted({each.result.actor for each in firsts if each is not None})

    @property
    def is_all_seen(self) -> bool:
        """Whether it is done and nothing was left out."""
        return self.is_done and all(
            slot.answer is not None and slot.answer.result.outcome != Outcome.SKIPPED for slot in self.slots
        )

    @property
    def failed(self) -> tuple[Slot, ...]:
        return tuple(
            slot for slot in self.slots if slot.answer is not None and slot.answer.result.outcome == Outcome.FAILED
        )


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a round."""

    patrol: PatrolRound
    stops: tuple[Stop, ...]
    participants: tuple[PatrolParticipant, ...]

    @property
    def slots(self) -> int:
        return sum(len(stop.slots) for stop in self.stops)

    @property
    def done(self) -> int:
        return sum(slot.is_done for stop in self.stops for slot in stop.slots)

    @property
    def is_begun(self) -> bool:
        return any(stop.scans or any(slot.answer for slot in stop.slots) for stop in self.stops)

    @property
    def done_ms(self) -> int | None:
        """When the whole round was done; None before that, and for one that goes nowhere."""
        times = [stop.done_ms for stop in self.stops]
        known = [each for each in times if each is not None]
        return max(known) if known and len(known) == len(times) else None

    def state(self) -> RoundState:
        """The state that follows from what was found, and from whether it was found missing before."""
        if RoundState(self.patrol.state) is RoundState.CANCELLED:
            return RoundState.CANCELLED
        done_ms = self.done_ms
        if done_ms is not None:
            return RoundState.DONE if done_ms <= self.patrol.ends_ms else RoundState.DONE_LATE
        if self.patrol.missed_ms is not None:
            return RoundState.MISSED
        return RoundState.UNDER_WAY if self.is_begun else RoundState.PLANNED

    def find(self, checkpoint_id: int) -> Stop | None:
        return next((stop for stop in self.stops if stop.checkpoint.id == checkpoint_id), None)


def record_of(session: Session, patrol: PatrolRound) -> Record:
    """Read with a handful of queries, however long the way is."""
    checkpoints = checkpoints_of(session, patrol.plan_id, day=patrol.day)
    results = session.scalars(select(PatrolResult).where(PatrolResult.round_id == patrol.id)).all()
    scans = session.scalars(select(PatrolScan).where(PatrolScan.round_id == patrol.id)).all()
    photos: defaultdict[str, list[int]] = defaultdict(list)
    found = select(PatrolPhoto.result_key, PatrolPhoto.id).where(PatrolPhoto.round_id == patrol.id)
    for key, photo_id in session.execute(found.order_by(PatrolPhoto.digest)):
        photos[key].append(photo_id)
    focus = session.scalars(select(PatrolFocus).where(PatrolFocus.round_id == patrol.id)).all()
    people = session.scalars(
        select(PatrolParticipant).where(PatrolParticipant.round_id == patrol.id).order_by(PatrolParticipant.party)
    )
    # What was answered at a checkpoint that was moved off the way since then still stands in the record.
    answered = {each.checkpoint_id for each in results} - {each.id for each in checkpoints}
    if answered:
        more = select(PatrolCheckpoint).where(PatrolCheckpoint.id.in_(answered))
        checkpoints += sorted(session.scalars(more), key=lambda each: each.position)
    return Record(
        patrol,
        _stops(
            patrol,
            checkpoints,
            results=results,
            scans=scans,
            photos=photos,
            focus={each.unit_id: each for each in focus},
        ),
        tuple(people),
    )


def _stops(
    patrol: PatrolRound,
    checkpoints: Sequence[PatrolCheckpoint],
    *,
    results: Iterable[PatrolResult],
    scans: Sequence[PatrolScan],
    photos: Mapping[str, Sequence[int]],
    focus: Mapping[int, PatrolFocus],
) -> tuple[Stop, ...]:
    where = {each.id: each for each in checkpoints}
    fast = too_fast(scans, where)
    by_slot: defaultdict[tuple[int, str], list[PatrolResult]] = defaultdict(list)
    for result in sorted(results, key=lambda each: (each.at_ms, each.key)):
        by_slot[result.checkpoint_id, result.item].append(result)
    stops = []
    for checkpoint in checkpoints:
        here = sorted((s for s in scans if s.checkpoint_id == checkpoint.id), key=lambda s: (s.at_ms, s.key))
        scanners = {each.actor for each in here}
        why = focus.get(checkpoint.unit_id) if checkpoint.unit_id is not None else None
        slots = []
        for item in items_at(patrol.plan, patrol.round_kind, checkpoint, is_in_focus=why is not None):
            answers = [
                Answer(
                    each,
                    _flags(patrol, each, item, is_scanned=bool(scanners), has_photo=bool(photos.get(each.key))),
                    tuple(photos.get(each.key, ())),
                )
                for each in by_slot[checkpoint.id, item.code]
            ]
            slots.append(Slot(item, answers[-1] if answers else None, tuple(answers[:-1])))
        flagged = tuple((each, _scan_flags(patrol, each, is_fast=each.key in fast)) for each in here)
        stops.append(Stop(checkpoint, tuple(slots), why, flagged))
    return tuple(stops)


def _flags(
    patrol: PatrolRound, result: PatrolResult, item: Item, *, is_scanned: bool, has_photo: bool
) -> frozenset[Flag]:
    found = _time_flags(patrol, result)
    if not is_scanned:
        found.add(Flag.NOT_SCANNED)
    if result.outcome != Outcome.SKIPPED and item.needs_photo(result.outcome == Outcome.OK) and not has_photo:
        found.add(Flag.PHOTO_MISSING)
    return frozenset(found)


def _scan_flags(patrol: PatrolRound, scan: PatrolScan, *, is_fast: bool) -> frozenset[Flag]:
    return frozenset(_time_flags(patrol, scan) | ({Flag.TOO_FAST} if is_fast else set()))


def _time_flags(patrol: PatrolRound, said: PatrolResult | PatrolScan) -> set[Flag]:
    found = set()
    if said.received_ms - said.at_ms >= LATE_MS:
        found.add(Flag.LATE)
    if not patrol.starts_ms - OUTSIDE_MS <= said.at_ms <= patrol.ends_ms + OUTSIDE_MS:
        found.add(Flag.OUTSIDE_WINDOW)
    if said.is_clock_ahead:
        found.add(Flag.CLOCK_AHEAD)
    return found


def too_fast(scans: Iterable[PatrolScan], where: Mapping[int, PatrolCheckpoint]) -> set[str]:
    """Keys of scans that one person made sooner after the scan of another place than anybody walks."""
    by_person: defaultdict[str, list[PatrolScan]] = defaultdict(list)
    for scan in sorted(scans, key=lambda each: (each.at_ms, each.key)):
        if scan.checkpoint_id in where:
            by_person[scan.actor].append(scan)
    found = set()
    for made in by_person.values():
        for before, after in pairwise(made):
            if before.checkpoint_id == after.checkpoint_id:
                continue
            is_near = where[before.checkpoint_id].where == where[after.checkpoint_id].where
            if after.at_ms - before.at_ms < (STEP_MS if is_near else WALK_MS):
                found.add(after.key)
    return found


def judged(item: Item, *, is_ok: bool | None, value: float | None) -> Outcome:
    """Of a measured item the value decides, of any other what the person says."""
    if item.form is Form.MEASURED:
        assert value is not None, "the caller asked for a value"
        return Outcome.OK if item.is_right(value) else Outcome.FAILED
    return Outcome.OK if is_ok else Outcome.FAILED


def results_of_ticket(session: Session, ticket_id: int) -> list[tuple[PatrolResult, PatrolRound]]:
    """What was found on rounds and stands in that ticket, oldest first."""
    query = (
        select(PatrolResult, PatrolRound)
        .join(PatrolRound, PatrolRound.id == PatrolResult.round_id)
        .where(PatrolResult.ticket_id == ticket_id)
        .order_by(PatrolResult.at_ms, PatrolResult.key)
    )
    return [(result, patrol) for result, patrol in session.execute(query)]
