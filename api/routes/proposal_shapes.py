"""The shapes of proposals as the API takes and gives them: money in whole fen, days of the calendar at the site."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.instants import rfc3339
from api.routes.parameters import Text
from api.routes.shapes import Rfc3339
from api.security import names_people
from governance import execution, fund
from governance.evidence import frozen_pack
from governance.evidence_entries import CoverKind, OptionKind, covers_of, options_of, units_of
from governance.execution import contract_of, filing_of, settlement_of
from governance.procedure import Brought, Draft, allowed_steps, moves_from, outlook
from governance.proposal import (
    MAX_AMOUNT_FEN,
    MAX_TEXT_LENGTH,
    MAX_TITLE_LENGTH,
    Proposal,
    RemarkKind,
    SignedStep,
    moves_of,
    remarks_of,
    signatures_of,
)
from governance.proposal_needs import VoteDates
from governance.proposal_stages import Procedure, ProposalStage, UrgentCause
from governance.ruleset import Matter
from governance.statutory_days import Meeting
from registry.role import Actor, Party

Words = Annotated[Text, Field(max_length=MAX_TEXT_LENGTH)]
Name = Annotated[Text, Field(max_length=200)]
AmountFen = Annotated[int, Field(ge=1, le=MAX_AMOUNT_FEN, description="hundredths of a yuan")]
ProposalId = Annotated[int, Field(ge=1, le=2**62)]
MOST_UNITS = 500


class DraftShape(BaseModel):
    """What is proposed. Urgent use needs its cause and the ticket of the case."""

    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE_LENGTH)]
    matter: Matter = Matter.USE
    procedure: Procedure = Procedure.ORDINARY
    building: Annotated[Text, Field(max_length=100, description="empty: the whole compound")] = ""
    amount_fen: AmountFen
    reason: Words = ""
    plan: Words = ""
    units: Annotated[
        list[Annotated[Text, Field(max_length=129)]], Field(max_length=MOST_UNITS, description="`{site}~{unit}`")
    ] = Field(default_factory=list)
    urgent_cause: UrgentCause | None = None
    ticket_id: ProposalId | None = None
    supplements_id: ProposalId | None = Field(default=None, description="the proposal whose overrun it declares anew")

    def draft(self, unit_ids: list[int]) -> Draft:
        return Draft(
            title=self.title,
            matter=self.matter,
            amount_fen=self.amount_fen,
            reason=self.reason,
            plan=self.plan,
            procedure=self.procedure,
            building=self.building,
            urgent_cause=self.urgent_cause,
            ticket_id=self.ticket_id,
            supplements_id=self.supplements_id,
            unit_ids=unit_ids,
        )


class NewProposal(DraftShape):
    site: Annotated[Text, Field(max_length=64)]


class ChangedProposal(DraftShape):
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class ProposalTransition(BaseModel):
    """A step. The kind of meeting and the days of the vote are for `posted` alone."""

    to: ProposalStage
    note: Words = ""
    meeting: Meeting | None = None
    opens_on: date | None = None
    closes_on: date | None = None
    party: Party | None = Field(default=None, description="for whom you act, if you could for several")
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)

    @property
    def brought(self) -> Brought:
        dates = None
        if self.meeting is not None and self.opens_on is not None and self.closes_on is not None:
            dates = VoteDates(self.meeting, self.opens_on, self.closes_on)
        return Brought(vote_dates=dates, party=self.party, expected_version=self.expected_version)


class NewSignature(BaseModel):
    party: Party
    note: Words = ""
    expected_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class NewRemark(BaseModel):
    kind: RemarkKind = RemarkKind.COMMENT
    text: Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]
    answers_id: ProposalId | None = None


class NewOption(BaseModel):
    kind: OptionKind
    title: Annotated[Text, Field(min_length=1, max_length=200)]
    company: Name = ""
    quoted_fen: AmountFen
    quoted_on: date | None = None
    is_chosen: bool = False
    note: Words = ""


class NewCover(BaseModel):
    kind: CoverKind
    what: Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]
    covered_fen: Annotated[int, Field(ge=0, le=MAX_AMOUNT_FEN)] | None = None
    until_on: date | None = None


class NewContract(BaseModel):
    company: Annotated[Text, Field(min_length=1, max_length=200)]
    amount_fen: AmountFen
    signed_on: date
    starts_on: date
    ends_on: date


class NewSettlement(BaseModel):
    """Without an audit report the audit is waived, which is possible up to 30,000 yuan."""

    final_fen: AmountFen
    auditor: Name = ""
    audit_report: Annotated[Text, Field(max_length=100)] = ""


class NewFiling(BaseModel):
    authority: Annotated[Text, Field(min_length=1, max_length=200)]
    reference: Annotated[Text, Field(min_length=1, max_length=100)]
    filed_on: date


class NewPayment(BaseModel):
    amount_fen: AmountFen
    paid_on: date
    note: Annotated[Text, Field(max_length=1000)] = ""


class NewPublication(BaseModel):
    kind: Annotated[str, Field(pattern="^(result|costs)$", description="`result` or `costs`")]


class NewAccount(BaseModel):
    site: Annotated[Text, Field(max_length=64)]
    building: Annotated[Text, Field(max_length=100)] = ""
    initial_fen: AmountFen
    opened_on: date


class NewMovement(BaseModel):
    kind: fund.MovementKind
    amount_fen: Annotated[int, Field(ge=-MAX_AMOUNT_FEN, le=MAX_AMOUNT_FEN)]
    moved_on: date
    note: Annotated[Text, Field(max_length=1000)] = ""


class ProposalShape(BaseModel):
    id: int
    site: str
    number: str
    title: str
    matter: Matter
    procedure: Procedure
    stage: ProposalStage
    version: int
    round: int
    building: str
    amount_fen: int
    ruleset: str | None
    meeting: Meeting | None
    dates: dict[str, str] = Field(description="days that are set or follow from law by now")
    urgent_cause: UrgentCause | None
    ticket_id: int | None
    supplements_id: int | None
    created_at: Rfc3339
    updated_at: Rfc3339


class StepShape(BaseModel):
    """A step that the present stage has; `lacking` is what stands in its way now beside a note and dates."""

    to: ProposalStage
    roles: list[str]
    needs: list[str]
    lacking: list[dict[str, Any]]


class ProposalMoveShape(BaseModel):
    at: Rfc3339
    round: int
    by: str
    party: Party | None
    from_stage: ProposalStage | None
    to: ProposalStage
    note: str


class SignatureShape(BaseModel):
    at: Rfc3339
    round: int
    step: SignedStep
    party: Party
    by: str
    note: str


class RemarkShape(BaseModel):
    id: int
    at: Rfc3339
    kind: RemarkKind
    answers_id: int | None
    by: str | None = Field(description="null for those who are not shown names")
    party: Party | None
    text: str


class ProposalDetail(ProposalShape):
    reason: str
    plan: str
    units: list[str]
    allowed: list[ProposalStage] = Field(description="steps that are for this person's roles")
    steps: list[StepShape]
    history: list[ProposalMoveShape]
    signatures: list[SignatureShape]
    remarks: list[RemarkShape]
    options: list[dict[str, Any]]
    covers: list[dict[str, Any]]
    evidence_digest: str | None = Field(description="SHA-256 of the evidence as it was frozen")
    contract: dict[str, Any] | None
    settlement: dict[str, Any] | None
    filing: dict[str, Any] | None
    authorised_fen: int
    paid_fen: int
    tally: dict[str, Any] | None


def _base(proposal: Proposal) -> dict[str, Any]:
    zone = proposal.site.timezone
    own = (
        *("id", "number", "title", "matter", "procedure", "stage", "version", "round", "building", "amount_fen"),
        *("ruleset", "meeting", "dates", "urgent_cause", "ticket_id", "supplements_id"),
    )
    return {
        **{name: getattr(proposal, name) for name in own},
        "site": proposal.site.key,
        "created_at": rfc3339(proposal.created_ms, zone),
        "updated_at": rfc3339(proposal.updated_ms, zone),
    }


def proposal_shape(proposal: Proposal) -> ProposalShape:
    return ProposalShape(**_base(proposal))


def proposal_detail(session: Session, proposal: Proposal, *, actor: Actor, now_ms: int) -> ProposalDetail:
    zone = proposal.site.timezone
    names = names_people(actor, proposal.site.key)
    pack = frozen_pack(session, proposal)
    contract, settlement = contract_of(session, proposal.id), settlement_of(session, proposal.id)
    filing = filing_of(session, proposal.id)
    return ProposalDetail(
        **_base(proposal),
        reason=proposal.reason,
        plan=proposal.plan,
        units=[f"{proposal.site.key}~{unit.key}" for unit in units_of(session, proposal.id)],
        allowed=allowed_steps(proposal, actor),
        steps=[
            StepShape(
                to=to,
                roles=sorted(role.value for role in move.roles),
                needs=sorted(need.value for need in move.needs),
                lacking=[
                    {"reason": each.message % each.facts, "facts": dict(each.facts)}
                    for each in outlook(session, proposal, to, dates=None, now_ms=now_ms)
                ],
            )
            for to, move in moves_from(proposal).items()
        ],
        history=[
            ProposalMoveShape(
                at=rfc3339(made.at_ms, zone),
                round=made.round,
                by=made.name,
                party=made.party,
                from_stage=made.from_stage,
                to=made.to_stage,
                note=made.note,
            )
            for made in moves_of(session, proposal.id)
        ],
        signatures=[
            SignatureShape(
                at=rfc3339(each.at_ms, zone),
                round=each.round,
                step=each.step,
                party=each.party,
                by=each.name,
                note=each.note,
            )
            for each in signatures_of(session, proposal.id)
        ],
        remarks=[
            RemarkShape(
                id=each.id,
                at=rfc3339(each.at_ms, zone),
                kind=each.kind,
                answers_id=each.answers_id,
                by=each.name if names or each.actor == actor.name else None,
                party=each.party,
                text=each.text,
            )
            for each in remarks_of(session, proposal.id)
        ],
        options=[
            row_of(each, "id", "kind", "title", "company", "quoted_fen", "quoted_on", "is_chosen", "note")
            for each in options_of(session, proposal.id)
        ],
        covers=[
            row_of(each, "id", "kind", "what", "covered_fen", "until_on") for each in covers_of(session, proposal.id)
        ],
        evidence_digest=pack.digest if pack is not None else None,
        contract=row_of(contract, "company", "amount_fen", "signed_on", "starts_on", "ends_on", "name"),
        settlement=row_of(settlement, "final_fen", "auditor", "audit_report", "name"),
        filing=row_of(filing, "authority", "reference", "filed_on", "name"),
        authorised_fen=execution.authorised_fen(session, proposal),
        paid_fen=fund.paid_fen(session, proposal.id),
        tally=proposal.result,
    )


def row_of(row: object, *names: str) -> Any:
    """The fields of a row as JSON values; None for no row."""
    if row is None:
        return None
    found = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in found.items()}
