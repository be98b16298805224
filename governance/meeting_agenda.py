"""The agenda of a meeting: what the program prepares, and what people add, take off and put in order.

It can be changed until the meeting opens. What a person took off does not come back by itself, and an order that a
person gave stays: what is prepared later then stands at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from governance.meeting import (
    MAX_TITLE_LENGTH,
    AgendaItem,
    Meeting,
    check_stage,
    get_meeting,
    items_of,
    record,
)
from governance.meeting_errors import NotOnAgenda
from governance.meeting_stages import AgendaKind, ItemOutcome, MeetingKind, MeetingStage
from registry.errors import InvalidField
from registry.role import SYSTEM, Actor

MOST_ITEMS = 200
_ORDER = {kind: place for place, kind in enumerate(AgendaKind)}


@dataclass(frozen=True, slots=True)
class AgendaPoint:
    """What should be on the agenda. `source` says what it is about and is its name within the meeting."""

    kind: AgendaKind
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    title: str = ""


def lay_out(session: Session, meeting_id: int, points: Sequence[AgendaPoint], *, now_ms: int) -> Meeting | None:
    """Puts what was prepared on the agenda; None when the meeting has opened meanwhile.

    What the program put there and no longer holds goes; facts are those of now. Laying out the same twice changes
    nothing.
    """
    meeting = get_meeting(session, meeting_id, for_update=True)
    if meeting.stage != MeetingStage.PLANNED:
        return None
    if meeting.kind == MeetingKind.MONTHLY:
        _carry_over(session, meeting, now_ms=now_ms)
    present = {item.source: item for item in items_of(session, meeting.id, with_removed=True)}
    wanted = {point.source: point for point in points}
    added = gone = 0
    for source, item in present.items():
        if item.added_by != SYSTEM.name:
            continue
        if item.kind == AgendaKind.CARRIED_OVER:
            continue
        if source in wanted:
            item.kind, item.facts = wanted[source].kind.value, wanted[source].facts
        elif not item.is_removed:
            session.delete(item)
            gone += 1
    last = max((item.position for item in present.values()), default=0)
    for place, point in enumerate(points, start=1):
        if point.source not in present and len(present) + added < MOST_ITEMS:
            session.add(_item(meeting, point, position=last + place, actor=SYSTEM, now_ms=now_ms))
            added += 1
    session.flush()
    if not meeting.is_arranged:
        items = items_of(session, meeting.id)
        order = {point.source: place for place, point in enumerate(points)}
        items.sort(key=lambda item: (_ORDER[AgendaKind(item.kind)], order.get(item.source, len(order)), item.id))
        _number(items)
    is_first = meeting.prepared_ms is None
    meeting.prepared_ms = now_ms
    session.flush()
    if is_first or added or gone:
        record(session, meeting, "meeting.prepared", SYSTEM, {"added": added, "gone": gone}, now_ms=now_ms)
    return meeting


def _item(meeting: Meeting, point: AgendaPoint, *, position: int, actor: Actor, now_ms: int) -> AgendaItem:
    return AgendaItem(
        meeting_id=meeting.id,
        position=position,
        kind=point.kind.value,
        source=point.source,
        title=point.title[:MAX_TITLE_LENGTH],
        facts=point.facts,
        added_by=actor.name,
        added_ms=now_ms,
        outcome=ItemOutcome.PENDING.value,
        tasks=[],
    )


def _carry_over(session: Session, meeting: Meeting, *, now_ms: int) -> None:
    """What an earlier meeting left goes on here, once; it keeps what it was about and since when it is carried."""
    position = max((item.position for item in items_of(session, meeting.id, with_removed=True)), default=0)
    present = {item.source: item for item in items_of(session, meeting.id, with_removed=True)}
    for before in carried_items(session, meeting):
        item = present.get(before.source)
        if item is None:
            held_on = get_meeting(session, before.meeting_id).held_on.isoformat()
            facts = {"was": before.kind, "since": held_on, "times": 0, **before.facts}
            facts["times"] = int(facts["times"]) + 1
            position += 1
            point = AgendaPoint(AgendaKind.CARRIED_OVER, before.source, facts, before.title)
            item = _item(meeting, point, position=position, actor=SYSTEM, now_ms=now_ms)
            session.add(item)
            session.flush()
            present[item.source] = item
        before.carried_into_id = item.id
    session.flush()


def _number(items: Sequence[AgendaItem]) -> None:
    for place, item in enumerate(items, start=1):
        item.position = place


def add_item(
    session: Session,
    meeting_id: int,
    *,
    title: str,
    actor: Actor,
    kind: AgendaKind = AgendaKind.BY_HAND,
    source: str = "",
    facts: dict[str, Any] | None = None,
    now_ms: int,
) -> AgendaItem:
    """At the end of the agenda; the same `source` is not added twice. Raises StepNotPossible once it is frozen."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "agenda", MeetingStage.PLANNED)
    title = title.strip()
    if not title:
        raise InvalidField("title", "must say what the item is about")
    present = items_of(session, meeting.id, with_removed=True)
    known = next((item for item in present if source and item.source == source), None)
    if known is not None:
        known.is_removed = False
        session.flush()
        return known
    if len(present) >= MOST_ITEMS:
        raise InvalidField("items", f"are {MOST_ITEMS} at most")
    last = max((item.position for item in present), default=0)
    name = source or f"hand:{meeting.id}:{len(present) + 1}"
    point = AgendaPoint(kind, name, facts or {}, title)
    item = _item(meeting, point, position=last + 1, actor=actor, now_ms=now_ms)
    session.add(item)
    session.flush()
    record(session, meeting, "meeting.item_added", actor, {"item": item.id, "title": item.title}, now_ms=now_ms)
    return item


def remove_item(session: Session, meeting_id: int, item_id: int, *, actor: Actor, now_ms: int) -> Meeting:
    """Takes an item off; twice is once. Raises StepNotPossible once the agenda is frozen, NotOnAgenda."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "agenda", MeetingStage.PLANNED)
    item = get_item(session, meeting, item_id, with_removed=True)
    if not item.is_removed:
        item.is_removed = True
        session.flush()
        data = {"item": item.id, "title": item.title, "source": item.source}
        record(session, meeting, "meeting.item_removed", actor, data, now_ms=now_ms)
    return meeting


def arrange(session: Session, meeting_id: int, item_ids: Sequence[int], *, actor: Actor, now_ms: int) -> Meeting:
    """Puts the agenda in this order; what is not named follows in its own. Raises NotOnAgenda, StepNotPossible."""
    meeting = get_meeting(session, meeting_id, for_update=True)
    check_stage(meeting, "agenda", MeetingStage.PLANNED)
    items = {item.id: item for item in items_of(session, meeting.id)}
    for item_id in item_ids:
        if item_id not in items:
            raise NotOnAgenda(meeting.id, item_id)
    named = list(dict.fromkeys(item_ids))
    _number([*(items[item_id] for item_id in named), *(i for i in items.values() if i.id not in set(named))])
    meeting.is_arranged = True
    session.flush()
    record(session, meeting, "meeting.arranged", actor, {}, now_ms=now_ms)
    return meeting


def shift_item(session: Session, meeting_id: int, item_id: int, by: int, *, actor: Actor, now_ms: int) -> Meeting:
    """An item so many places up (negative) or down; at an end it stays. Raises NotOnAgenda, StepNotPossible."""
    meeting = get_meeting(session, meeting_id)
    order = [item.id for item in items_of(session, meeting.id)]
    if item_id not in order:
        raise NotOnAgenda(meeting.id, item_id)
    place = order.index(item_id)
    order.insert(max(0, min(len(order) - 1, place + by)), order.pop(place))
    return arrange(session, meeting_id, order, actor=actor, now_ms=now_ms)


def get_item(session: Session, meeting: Meeting, item_id: int, *, with_removed: bool = False) -> AgendaItem:
    """Raises NotOnAgenda for one of another meeting, or that was taken off."""
    item = session.get(AgendaItem, item_id, populate_existing=True)
    if item is None or item.meeting_id != meeting.id or (item.is_removed and not with_removed):
        raise NotOnAgenda(meeting.id, item_id)
    return item


def carried_items(session: Session, meeting: Meeting) -> list[AgendaItem]:
    """Items of the site's earlier meetings that were carried over and went on in none yet."""
    query = (
        select(AgendaItem)
        .join(Meeting, AgendaItem.meeting_id == Meeting.id)
        .where(
            Meeting.site_id == meeting.site_id,
            Meeting.starts_ms < meeting.starts_ms,
            Meeting.closed_ms.is_not(None),
            AgendaItem.outcome == ItemOutcome.CARRIED.value,
            AgendaItem.carried_into_id.is_(None),
        )
    )
    return list(session.scalars(query.order_by(Meeting.starts_ms, AgendaItem.position)))


def count_items(session: Session, meeting_ids: Sequence[int]) -> dict[int, int]:
    """By meeting, without what was taken off."""
    query = (
        select(AgendaItem.meeting_id, func.count())
        .where(AgendaItem.meeting_id.in_(meeting_ids), AgendaItem.is_removed.is_(False))
        .group_by(AgendaItem.meeting_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
