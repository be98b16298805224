"""The shapes of what the API gives: fields as the contract names them, times in RFC 3339 with the site's offset."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from alerts.alarm import AlarmState
from alerts.false_alarm import FalseCause
from alerts.hold import HoldReason
from alerts.presence import Presence, StaleBecause
from alerts.severity import Severity
from alerts.ticket_record import CostKind, LinkKind, MediationState
from alerts.ticket_stages import Need, Stage, TicketKind
from ingest.errors import Reason
from models.equipment import Kind
from models.fault_statistics import Cause
from registry.role import Party, Role

Item = TypeVar("Item")
Rfc3339 = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Page(BaseModel, Generic[Item]):
    """`next` is the cursor of the following page, null on the last."""

    items: list[Item]
    next: str | None


class ProblemShape(BaseModel):
    """Problem details (RFC 9457); further members tell the facts of the problem."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str
    title: str
    status: int
    detail: str
    instance: str


class TokenShape(BaseModel):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the kind of token, as OAuth2 calls it
    expires_in: int = Field(description="seconds")


class GrantShape(BaseModel):
    role: Role
    site: str | None = Field(description="null: everywhere")


class PersonShape(BaseModel):
    name: str
    display_name: str
    language: str | None
    grants: list[GrantShape]


class SiteShape(BaseModel):
    site: str
    name: str
    timezone: str
    is_confirmed: bool


class UnitShape(BaseModel):
    unit: str = Field(description="`{site}~{unit}`")
    site: str
    key: str
    kind: Kind
    name: str
    building: str
    make: str
    installed_on: str | None
    maintainer: str
    is_confirmed: bool = Field(description="false: heard, but not entered or confirmed by a person")
    is_online: bool | None = Field(description="null: it never told")
    status_at: Rfc3339 | None
    presence: Presence = Field(description="whether its state is known; what is not `current` is unknown, never well")
    stale_because: StaleBecause | None
    known_until: Rfc3339 | None = Field(description="until when its state was known; null while it is")
    heard_at: Rfc3339 | None = Field(description="arrival of its last reading")
    usual_pause_s: float | None = Field(description="between arrivals; null until it was learned")
    silent_after_s: float | None = Field(description="a longer pause means that its state is unknown")
    clock_skew_s: float | None = Field(
        description="its clock is behind ours by so much; negative: ahead; null: unknown"
    )
    late_values: int = Field(description="values that came after newer ones")


class MetricShape(BaseModel):
    """A metric the unit's kind has, or one it sends beside them; `at` and `value` are the newest stored."""

    metric: str
    title: str
    unit: str
    is_known: bool
    at: Rfc3339 | None = None
    value: float | None = None


class UnitDetail(UnitShape):
    metrics: list[MetricShape]
    is_telemetry_available: bool = Field(description="false: the telemetry store does not answer now")


class CoveredDay(BaseModel):
    day: str = Field(description="date at the site", json_schema_extra={"format": "date"})
    covered_s: int
    total_s: int
    share: float | None


class CoverageShape(BaseModel):
    """How much of a span there is data of. It counts from the unit's first data on."""

    unit: str
    start: Rfc3339
    end: Rfc3339
    covered_s: int
    total_s: int
    share: float | None = Field(description="0 to 1; null where there was nothing to cover")
    days: list[CoveredDay]


class ReadingsShape(BaseModel):
    metric: str
    step_s: int
    points: list[tuple[int, float, float, float, int]] = Field(description="[t_ms, mean, min, max, n]")


class AlarmShape(BaseModel):
    id: int
    unit: str
    site: str
    condition: str
    title: str
    severity: Severity
    state: AlarmState
    is_active: bool = Field(description="whether the condition holds now")
    raised_at: Rfc3339 = Field(description="time of the event")
    received_at: Rfc3339 = Field(description="time of arrival")
    cleared_at: Rfc3339 | None
    acknowledged_at: Rfc3339 | None
    acknowledged_by: str | None
    shelved_until: Rfc3339 | None
    shelved_reason: str | None
    occurrences: int
    evidence: dict[str, Any]
    ticket_id: int | None
    cause_id: int | None = Field(description="the alarm that explains it, or explained it")
    is_explained: bool = Field(description="whether its ticket is that of its cause, and it calls nobody itself")
    suppression_id: int | None = Field(description="the window that sets it aside, or did last")
    is_in_service: bool = Field(description="set aside because the lift says that it is inspected, or in fire service")


class AlarmDetail(AlarmShape):
    advice: str
    may_be_shelved: bool
    explains: list[int] = Field(description="alarms that this one explains, or explained")
    false_alarm: FalseCause | None = Field(description="why people found it to be false, if they did")


class TicketShape(BaseModel):
    id: int
    site: str
    unit: str | None
    kind: TicketKind
    title: str
    description: str | None
    severity: Severity
    stage: Stage
    opened_by: str | None
    opened_at: Rfc3339
    updated_at: Rfc3339
    closed_at: Rfc3339 | None
    version: int = Field(description="counts the moves; send it as `expected_version` to move what you looked at")
    turn: list[Party] = Field(description="parties that are expected to make the next move")
    hold_reason: HoldReason | None
    is_blocked_by_governance: bool = Field(description="on hold because the compound can neither decide nor pay")
    demands: list[Need] = Field(description="proofs that the repair must bring")
    restored_party: Party | None = Field(description="the party that repaired; another one verifies")
    restored_by: str | None


class MoveShape(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    at: Rfc3339
    actor: str | None
    from_stage: Stage | None = Field(alias="from")
    to_stage: Stage = Field(alias="to")
    note: str | None
    party: Party | None = Field(description="the party for which the person acted")
    hold_reason: HoldReason | None
    stands_in: bool = Field(description="an administrator signed where another party should have")


class NextStageShape(BaseModel):
    stage: Stage
    needs_note: bool
    needs: list[Need] = Field(description="what the move must bring")
    asks: list[Need] = Field(description="what it may bring beside")


class SigningRefusal(BaseModel):
    """Why this person may not sign the next step."""

    parties: list[Party] = Field(description="those whose people may")
    is_cross_appointed: bool = Field(description="roles in two parties, one of which repaired: signs for neither")


class CommentShape(BaseModel):
    id: int
    at: Rfc3339
    actor: str | None
    text: str
    mentions: list[str]


class CostShape(BaseModel):
    id: int
    at: Rfc3339
    actor: str | None
    kind: CostKind
    what: str
    quantity: str
    amount: str = Field(description="yuan with two decimals")


class AttachmentShape(BaseModel):
    id: int
    at: Rfc3339
    actor: str | None
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str


class LinkShape(BaseModel):
    ticket_id: int
    kind: LinkKind
    is_from_here: bool = Field(description="of a duplicate: whether this ticket goes on in the other")


class MediationShape(BaseModel):
    at: Rfc3339
    state: MediationState
    reference: str | None


class DueActionShape(BaseModel):
    """One thing that is done about a ticket at a time, by the system itself."""

    id: int
    ticket_id: int
    site: str
    matter: str
    kind: str = Field(description="call, remind or escalate")
    goal: str
    rung: int = Field(description="0 property, 1 committee, 2 community, 3 street, 4 district")
    state: str = Field(description="pending, paused, done or cancelled")
    due_at: Rfc3339
    executed_at: Rfc3339 | None
    late_s: float | None


class OnDutyShape(BaseModel):
    name: str
    stands_in_for: str | None


class PartyOnDutyShape(BaseModel):
    party: Party
    has_roster: bool
    people: list[OnDutyShape] = Field(description="on duty now; with a roster and nobody here, all are told")


class DutyShape(BaseModel):
    site: str
    at: Rfc3339
    parties: list[PartyOnDutyShape]


class MeasuredShape(BaseModel):
    """From opening to each point, and the time worked; null for what has not come yet."""

    response_s: float | None
    arrival_s: float | None
    repair_s: float | None
    restoration_s: float | None


class TicketDetail(TicketShape):
    measured: MeasuredShape
    moves: list[MoveShape]
    allowed: list[NextStageShape] = Field(description="stages this person may move it to now")
    signing_refused: SigningRefusal | None
    comments: list[CommentShape] = Field(description="for staff")
    costs: list[CostShape]
    cost_total: str = Field(description="yuan with two decimals")
    attachments: list[AttachmentShape] = Field(description="for staff")
    links: list[LinkShape]
    merged_into: int | None
    mediations: list[MediationShape]
    cause: Cause | None = Field(description="what statistics put the fault down to; null: nobody said")
    alarms: list[AlarmShape]


class ActivityShape(BaseModel):
    """One row of the activity log. Residents get it without names and notes, and so without what proves the chain."""

    id: int
    at: Rfc3339
    verb: str
    subject: str
    site: str | None
    unit: str | None
    data: dict[str, Any]
    actor: str | None
    at_ms: int
    unit_id: int | None
    previous_hash: str | None
    hash: str | None


class MessageCounts(BaseModel):
    received: int
    accepted: int
    duplicate: int
    quarantined: int


class ValueCounts(BaseModel):
    accepted: int
    stored: int
    pending: int
    refused: int
    """Of those pending: the telemetry store does not take them as it is now."""
    late: int
    repeated: int


class LedgerShape(BaseModel):
    messages: MessageCounts
    values: ValueCounts


class QuarantinedShape(BaseModel):
    id: int
    received_at: Rfc3339
    topic: str
    reason: Reason
    detail: str
    size_bytes: int
    digest: str
    replayed_at: Rfc3339 | None
    discarded_at: Rfc3339 | None


class QuarantinePage(Page[QuarantinedShape]):
    counts: dict[Reason, int] = Field(description="messages that wait, by reason")
