"""What pages tell about rounds, in the reader's words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from alerts.patrol_focus import FocusReason
from alerts.patrol_items import Form, Item, Photo, PlanKind, RoundKind
from alerts.patrol_record import Answer, Flag, Outcome, Record, Slot, Stop
from alerts.patrol_schedule import PatrolFocus, PatrolRound, RoundState
from alerts.patrol_statutory import Due, Duty
from api.pages.moments import Moment, local_time
from api.pages.patrol_words import (
    DUTY_TITLES,
    FLAG_TITLES,
    FOCUS_TITLES,
    OUTCOME_TITLES,
    PLAN_KIND_TITLES,
    ROUND_KIND_TITLES,
    ROUND_STATE_TITLES,
)
from api.pages.rendering import Reader
from api.pages.risk_words import risk_facts_words
from api.pages.wording import PARTY_TITLES
from api.translations import msgid
from registry.role import Party
from registry.unit import Unit


@dataclass(frozen=True, slots=True)
class RoundCard:
    id: int
    title: str
    plan: str
    site: str
    site_name: str
    window: str
    """The days and hours in which it is to be made."""
    state: RoundState
    state_title: str
    ends: Moment
    is_on: bool
    """Whether its time is now."""
    missed_ticket_id: int | None


@dataclass(frozen=True, slots=True)
class AnswerCard:
    outcome: Outcome
    title: str
    value: str
    note: str
    by: str
    party: str
    at: Moment
    flags: list[str]
    ticket_id: int | None
    photos: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SlotCard:
    code: str
    title: str
    source: str
    is_measured: bool
    unit: str
    limits: str
    low: float | None
    high: float | None
    possible_low: float
    possible_high: float
    always_photo: bool
    takes_photo: bool
    answer: AnswerCard | None
    earlier: list[AnswerCard]
    is_done: bool


@dataclass(frozen=True, slots=True)
class StopCard:
    id: int
    code: str
    number: int
    name: str
    building: str
    unit_path: str
    focus: str
    focus_facts: str
    done: int
    of: int
    failed: int
    is_done: bool
    is_scanned: bool
    scans: list[tuple[Moment, str, list[str]]]
    slots: list[SlotCard]


@dataclass(frozen=True, slots=True)
class DueRow:
    unit_name: str
    unit_path: str
    building: str
    site_name: str
    title: str
    duty: Duty
    due_on: str
    days_left: int
    told: str
    is_recorded: bool
    ticket_id: int | None
    may_apply: bool


def round_card(patrol: PatrolRound, *, reader: Reader) -> RoundCard:
    _, zone = reader._, patrol.site.timezone
    starts, ends = local_time(patrol.starts_ms, zone), local_time(patrol.ends_ms - 60_000, zone)
    is_one_day = starts.date() == ends.date()
    until = _end_of(patrol, zone)
    window = f"{starts:%Y-%m-%d %H:%M} – {until}" if is_one_day else f"{starts:%Y-%m-%d %H:%M} – {ends:%m-%d} {until}"
    state = RoundState(patrol.state)
    return RoundCard(
        id=patrol.id,
        title=_(ROUND_KIND_TITLES[RoundKind(patrol.kind)]),
        plan=patrol.plan.name,
        site=patrol.site.key,
        site_name=patrol.site.name,
        window=window,
        state=state,
        state_title=_(ROUND_STATE_TITLES[state]),
        ends=reader.moment(patrol.ends_ms, zone),
        is_on=patrol.is_open and patrol.starts_ms <= reader.now_ms,
        missed_ticket_id=patrol.missed_ticket_id,
    )


def _end_of(patrol: PatrolRound, zone: str) -> str:
    """The time of day; midnight is the end of the day before."""
    told = f"{local_time(patrol.ends_ms, zone):%H:%M}"
    return "24:00" if told == "00:00" else told


def plan_kind_title(kind: str, *, reader: Reader) -> str:
    return reader._(PLAN_KIND_TITLES[PlanKind(kind)])


def stop_cards(record: Record, *, reader: Reader, is_named: bool, has_slots: bool = True) -> list[StopCard]:
    """Without the items where they are not shown: a way of a hundred lifts has a thousand."""
    return [
        _stop(stop, number, record, reader, is_named=is_named, has_slots=has_slots)
        for number, stop in enumerate(record.stops, start=1)
    ]


def with_items(card: StopCard, record: Record, *, reader: Reader, is_named: bool) -> StopCard:
    stop, zone = record.stops[card.number - 1], record.patrol.site.timezone
    return replace(card, slots=[_slot(slot, zone, reader, is_named) for slot in stop.slots])


def _stop(stop: Stop, number: int, record: Record, reader: Reader, *, is_named: bool, has_slots: bool) -> StopCard:
    checkpoint, zone = stop.checkpoint, record.patrol.site.timezone
    return StopCard(
        id=checkpoint.id,
        code=checkpoint.code,
        number=number,
        name=checkpoint.name,
        building=checkpoint.where,
        unit_path=checkpoint.unit.unit_key.path if checkpoint.unit is not None else "",
        focus=reader._(FOCUS_TITLES[FocusReason(stop.focus.reason)]) if stop.focus else "",
        focus_facts=focus_words(stop.focus, reader=reader),
        done=sum(slot.is_done for slot in stop.slots),
        of=len(stop.slots),
        failed=len(stop.failed),
        is_done=stop.is_done,
        is_scanned=bool(stop.scans),
        scans=[
            (
                reader.moment(scan.at_ms, zone),
                reader.who(scan.actor) if is_named else "",
                flag_words(flags, reader=reader),
            )
            for scan, flags in stop.scans
        ],
        slots=[_slot(slot, zone, reader, is_named) for slot in stop.slots] if has_slots else [],
    )


def focus_words(focus: PatrolFocus | None, *, reader: Reader) -> str:
    """The figures behind a reason, as far as they are there."""
    if focus is None:
        return ""
    _, facts = reader._, focus.facts
    parts = []
    if "faults" in facts:
        parts.append(_(msgid("%(n)s faults in the last year"), n=facts["faults"]))
    if "rate_per_year" in facts:
        parts.append(_(msgid("%(rate)s faults a year expected"), rate=facts["rate_per_year"]))
    if "rank" in facts and "peers" in facts:
        parts.append(_(msgid("rank %(rank)s of %(peers)s"), rank=facts["rank"], peers=facts["peers"]))
    return " · ".join([*parts, *risk_facts_words(facts, _=_)])


def flag_words(flags: frozenset[Flag], *, reader: Reader) -> list[str]:
    return [reader._(FLAG_TITLES[flag]) for flag in Flag if flag in flags]


def _slot(slot: Slot, zone: str, reader: Reader, is_named: bool) -> SlotCard:
    item = slot.item
    return SlotCard(
        code=item.code,
        title=reader._(item.title),
        source=reader._(item.source),
        is_measured=item.form is Form.MEASURED,
        unit=item.unit,
        limits=limits_text(item),
        low=item.low,
        high=item.high,
        possible_low=item.possible_low,
        possible_high=item.possible_high,
        always_photo=item.photo is Photo.ALWAYS,
        takes_photo=item.photo is not Photo.NOT_NEEDED,
        answer=_answer(slot.answer, item, zone, reader, is_named) if slot.answer else None,
        earlier=[_answer(each, item, zone, reader, is_named) for each in slot.earlier],
        is_done=slot.is_done,
    )


def limits_text(item: Item) -> str:
    if item.form is not Form.MEASURED:
        return ""
    if item.low is None:
        return f"≤ {item.high:g} {item.unit}"
    if item.high is None:
        return f"≥ {item.low:g} {item.unit}"
    return f"{item.low:g} … {item.high:g} {item.unit}"


def _answer(answer: Answer, item: Item, zone: str, reader: Reader, is_named: bool) -> AnswerCard:
    result = answer.result
    outcome = Outcome(result.outcome)
    return AnswerCard(
        outcome=outcome,
        title=reader._(OUTCOME_TITLES[outcome]),
        value="" if result.value is None else f"{result.value:g} {item.unit}",
        note=result.note if is_named else "",
        by=reader.who(result.actor) if is_named else "",
        party=reader._(PARTY_TITLES[Party(result.party)]),
        at=reader.moment(result.at_ms, zone),
        flags=flag_words(answer.flags, reader=reader),
        ticket_id=result.ticket_id,
        photos=answer.photos if is_named else (),
    )


def due_row(
    unit: Unit, due: Due, *, today: date, tickets: Mapping[tuple[int, Duty], int], reader: Reader, may_apply: bool
) -> DueRow:
    days_left = due.days_left(today)
    return DueRow(
        unit_name=unit.name,
        unit_path=unit.unit_key.path,
        building=unit.building,
        site_name=unit.site.name,
        title=reader._(DUTY_TITLES[due.duty]),
        duty=due.duty,
        due_on=due.due_on.isoformat(),
        days_left=days_left,
        told=days_text(days_left, reader=reader),
        is_recorded=due.is_recorded,
        ticket_id=tickets.get((unit.id, due.duty)),
        may_apply=may_apply and due.duty is Duty.INSPECTION_APPLICATION,
    )


def days_text(days_left: int, *, reader: Reader) -> str:
    if days_left < 0:
        return reader._.plural("%(n)s day overdue", "%(n)s days overdue", -days_left)
    if days_left == 0:
        return reader._(msgid("today is the last day"))
    return reader._.plural("%(n)s day left", "%(n)s days left", days_left)


def progress(record: Record) -> dict[str, Any]:
    """For the bar: how many of how many items, and the share in percent."""
    return {"done": record.done, "of": record.slots, "percent": round(100 * record.done / max(1, record.slots))}
