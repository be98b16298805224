"""Shapes of meetings, their agenda, minutes and reception, and how rows become them."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.instants import rfc3339
from api.routes.shapes import Rfc3339
from governance.meeting import (
    AgendaItem,
    Meeting,
    addenda_of,
    allowed_meeting_moves,
    attendance_of,
    confirmations_of,
    items_of,
    missing_parties,
)
from governance.meeting_minutes import may_confirm, minutes_digest
from governance.meeting_rules import HolidayRule, Procedure
from governance.meeting_stages import AgendaKind, ItemOutcome, MeetingKind, MeetingStage
from governance.reception import ReceptionEntry
from registry.role import Actor, Party

Minute = Annotated[int, Field(ge=0, lt=1440, description="minutes after midnight, local time")]


class MeetingShape(BaseModel):
    id: int
    site: str
    kind: MeetingKind
    title: str
    month: str | None
    held_on: date
    moved_from: date | None = Field(description="the day it would have been held on, had that not been a holiday")
    starts_at: Rfc3339
    reception_starts_at: Rfc3339 | None
    reception_ends_at: Rfc3339 | None
    place: str
    stage: MeetingStage
    version: int
    prepared_at: Rfc3339 | None


class AgendaItemShape(BaseModel):
    id: int
    position: int
    kind: AgendaKind
    source: str = Field(description="what it is about, as `ticket:7`; its name within the meeting")
    title: str = Field(description="in a person's words; empty when it follows from kind and facts")
    facts: dict[str, Any] = Field(description="of the moment it was prepared")
    outcome: ItemOutcome
    discussion: str
    decision: str
    tasks: list[dict[str, Any]] = Field(description="what the decision became, as it was decided")
    version: int
    changed_by: str


class AttendanceShape(BaseModel):
    id: int
    party: Party
    name: str


class ConfirmationShape(BaseModel):
    party: Party
    by: str
    at: Rfc3339
    sha256: str


class AddendumShape(BaseModel):
    party: Party
    by: str
    at: Rfc3339
    text: str


class MinutesShape(BaseModel):
    """`sha256` is the hash of the words as they are now; `frozen_sha256` of those that all parties confirmed."""

    sha256: str
    frozen_sha256: str | None
    confirmations: list[ConfirmationShape]
    addenda: list[AddendumShape]
    you_may_confirm_for: list[Party]


class MeetingDetail(MeetingShape):
    quorum: dict[str, Any] = Field(description="`needed` parties, those `missing`, whether it `is_present`")
    attendance: list[AttendanceShape]
    items: list[AgendaItemShape]
    minutes: MinutesShape
    allowed: list[MeetingStage] = Field(description="stages you may move it to now")
    note: str


class ReceptionShape(BaseModel):
    id: int
    meeting_id: int
    number: int
    at: Rfc3339
    name: str = Field(description="empty when the owner did not say")
    matter: str
    unit: str | None
    place: str
    answer: str
    ticket_id: int | None
    item_id: int | None


class ProcedureShape(BaseModel):
    """A site's rules of procedure; defaults of ours until it sets its own."""

    is_held: bool = True
    day: Annotated[int, Field(ge=1, le=28)] = 10
    meeting_start_min: Minute = 19 * 60
    reception_start_min: Minute = 9 * 60
    reception_end_min: Minute = 11 * 60 + 30
    holiday_rule: HolidayRule = HolidayRule.NEXT_WORKING_DAY
    lead_days: Annotated[int, Field(ge=1, le=28)] = 7
    place: Annotated[str, Field(max_length=100)] = ""
    parties: Annotated[list[Party], Field(min_length=1, max_length=3)] = [
        Party.PROPERTY,
        Party.COMMITTEE,
        Party.COMMUNITY,
    ]

    @property
    def procedure(self) -> Procedure:
        return Procedure(**{**self.model_dump(), "parties": tuple(self.parties)})


def procedure_shape(procedure: Procedure) -> ProcedureShape:
    names = ProcedureShape.model_fields
    return ProcedureShape(
        **{name: getattr(procedure, name) for name in names if name != "parties"}, parties=[*procedure.parties]
    )


def meeting_shape(meeting: Meeting) -> MeetingShape:
    return MeetingShape(**_meeting_fields(meeting))


def _meeting_fields(meeting: Meeting) -> dict[str, Any]:
    zone = meeting.site.timezone

    def at(at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(at_ms, zone)

    return {
        "id": meeting.id,
        "site": meeting.site.key,
        "kind": meeting.kind,
        "title": meeting.title,
        "month": meeting.month,
        "held_on": meeting.held_on,
        "moved_from": meeting.moved_from,
        "starts_at": at(meeting.starts_ms),
        "reception_starts_at": at(meeting.reception_start_ms),
        "reception_ends_at": at(meeting.reception_end_ms),
        "place": meeting.place,
        "stage": meeting.stage,
        "version": meeting.version,
        "prepared_at": at(meeting.prepared_ms),
    }


def meeting_detail(session: Session, meeting: Meeting, *, actor: Actor) -> MeetingDetail:
    zone, missing = meeting.site.timezone, missing_parties(session, meeting)
    return MeetingDetail(
        **_meeting_fields(meeting),
        quorum={
            "needed": [party.value for party in meeting.needed],
            "missing": [party.value for party in missing],
            "is_present": not missing,
        },
        attendance=[
            AttendanceShape(id=row.id, party=Party(row.party), name=row.name)
            for row in attendance_of(session, meeting.id)
        ],
        items=[item_shape(item) for item in items_of(session, meeting.id)],
        minutes=MinutesShape(
            sha256=minutes_digest(session, meeting),
            frozen_sha256=meeting.minutes_hash,
            confirmations=[
                ConfirmationShape(
                    party=Party(row.party), by=row.person.name, at=rfc3339(row.at_ms, zone), sha256=row.digest
                )
                for row in confirmations_of(session, meeting.id)
            ],
            addenda=[
                AddendumShape(party=Party(row.party), by=row.actor, at=rfc3339(row.at_ms, zone), text=row.text)
                for row in addenda_of(session, meeting.id)
            ],
            you_may_confirm_for=may_confirm(session, meeting, actor),
        ),
        allowed=allowed_meeting_moves(session, meeting, actor),
        note=meeting.note,
    )


def item_shape(item: AgendaItem) -> AgendaItemShape:
    return AgendaItemShape(
        id=item.id,
        position=item.position,
        kind=AgendaKind(item.kind),
        source=item.source,
        title=item.title,
        facts=item.facts,
        outcome=ItemOutcome(item.outcome),
        discussion=item.discussion,
        decision=item.decision,
        tasks=item.tasks,
        version=item.version,
        changed_by=item.changed_by,
    )


def reception_shape(entry: ReceptionEntry, *, zone: str) -> ReceptionShape:
    return ReceptionShape(
        id=entry.id,
        meeting_id=entry.meeting_id,
        number=entry.number,
        at=rfc3339(entry.at_ms, zone),
        name=entry.name,
        matter=entry.matter,
        unit=entry.unit.unit_key.path if entry.unit is not None else None,
        place=entry.place,
        answer=entry.answer,
        ticket_id=entry.ticket_id,
        item_id=entry.item_id,
    )
