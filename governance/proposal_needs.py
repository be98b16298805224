"""What each step of a proposal needs, asked of the facts; what lacks is told, with the date from which it is there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from sqlalchemy.orm import Session

from alerts.ticket import Ticket, TicketMove, get_ticket
from alerts.ticket import moves_of as ticket_moves_of
from alerts.ticket_stages import Stage as TicketStage
from governance import execution, statutory_days
from governance.evidence_entries import options_of
from governance.notice_rules import NoticeKind
from governance.owners_share import owners_measure
from governance.proposal import Proposal, SignedStep, reached_ms, signatures_of
from governance.proposal_stages import SIGNING_PARTIES, Need, ProposalStage, UrgentCause
from governance.publication import TOPIC_KINDS, first_posted_ms, is_published
from governance.ruleset import RULESETS
from governance.statutory_days import NOTICE, Meeting, closing_range, day_of, earliest_opening
from governance.tally import Reason
from governance.vote_result import vote_result
from models.equipment import Kind
from registry.role import SYSTEM, Party

NO_NOTE = "A note is needed that says why, or what was found"
NO_REASON = "The reason for the proposal is not written yet"
NO_PLAN = "What is to be done is not written yet"
NO_AMOUNT = "The estimated amount is not entered yet"
NO_SIGNATURE = {
    Party.COMMITTEE: "The owners' committee has not signed",
    Party.PROPERTY: "The property company has not signed",
    Party.COMMUNITY: "The community has not signed",
}
NO_ACCEPTANCE = {
    Party.COMMITTEE: "The owners' committee has not accepted the work",
    Party.PROPERTY: "The property company has not accepted the work",
    Party.COMMUNITY: "The community has not accepted the work",
}
NO_OPTION = "The evidence holds no option with a quote yet"
NO_DATES = "The kind of meeting and the first and last day of the vote are needed"
OPENS_TOO_EARLY = "The topic must be posted %(days)s days before the vote: it may open on %(earliest)s at the earliest"
CLOSES_OUTSIDE = "A vote that opens on %(opens)s may close from %(earliest)s to %(latest)s"
TOPIC_NOT_POSTED = "The notice of the topic does not hang: what is not posted is not voted on"
NOTICE_TOO_SHORT = "The notice has not hung for all its days yet: the vote may open on %(earliest)s at the earliest"
NOBODY_TO_VOTE = "The owners' roll holds nobody whom this concerns: there is nobody to vote"
NOT_OPEN_YET = "The vote was announced for %(earliest)s and may not open before"
TOO_LATE_TO_OPEN = (
    "The vote was announced until %(closes)s and would last less than %(days)s days now: it is to be announced anew"
)
VOTE_STILL_RUNS = "The vote runs until the end of %(closes)s; there is no result before"
NO_RESULT = "There is no count of the vote"
RESULT_IS_APPROVAL = "The count says that it is approved"
RESULT_IS_REJECTION = "The count says that it is not approved"
DECISION_NOT_PUBLISHED = "The decision is not published; it is to be by %(publish_by)s"
COSTS_NOT_PUBLISHED = "The costs and each owner's share are not published yet"
NO_CAUSE = "None of the causes that the law names for urgent use is given"
NO_TICKET = "Urgent use needs the ticket of the case"
TICKET_ELSEWHERE = "The ticket is of another compound or another building"
TICKET_CANCELLED = "The ticket was cancelled"
TICKET_UNCONFIRMED = "Nobody has confirmed the ticket yet: what only a machine reported opens no urgent use"
TICKET_OF_ANOTHER_KIND = "The ticket is about other equipment than the cause names"

KIND_OF_CAUSE: Mapping[UrgentCause, Kind] = MappingProxyType(
    {UrgentCause.LIFT: Kind.ELEVATOR, UrgentCause.FIRE: Kind.FIRE, UrgentCause.DRAINAGE: Kind.PUMP}
)


@dataclass(frozen=True, slots=True)
class VoteDates:
    """When the owners' assembly is to vote; both days included."""

    meeting: Meeting
    opens_on: date
    closes_on: date


@dataclass(frozen=True, slots=True)
class Asked:
    """A step that somebody asks for, with what they bring."""

    proposal: Proposal
    to: ProposalStage
    note: str
    vote_dates: VoteDates | None
    now_ms: int

    @property
    def today(self) -> date:
        return day_of(self.now_ms, self.proposal.site.timezone)


Found = list[Reason]
Check = Callable[[Session, Asked], Found]


def _note(_session: Session, asked: Asked) -> Found:
    return [] if asked.note.strip() else [Reason(NO_NOTE)]


def _texts(_session: Session, asked: Asked) -> Found:
    proposal = asked.proposal
    there = ((proposal.reason.strip(), NO_REASON), (proposal.plan.strip(), NO_PLAN), (proposal.amount_fen, NO_AMOUNT))
    return [Reason(message) for value, message in there if not value]


def _signatures(session: Session, asked: Asked) -> Found:
    return _unsigned(session, asked.proposal, SignedStep.TABLING, NO_SIGNATURE)


def _acceptance(session: Session, asked: Asked) -> Found:
    if asked.proposal.supplements_id is not None:
        return []
    return _unsigned(session, asked.proposal, SignedStep.ACCEPTANCE, NO_ACCEPTANCE)


def _unsigned(session: Session, proposal: Proposal, step: SignedStep, words: Mapping[Party, str]) -> Found:
    signed = {each.party for each in signatures_of(session, proposal.id, round_=proposal.round) if each.step == step}
    return [Reason(words[party]) for party in SIGNING_PARTIES if party not in signed]


def _evidence(session: Session, asked: Asked) -> Found:
    if asked.proposal.is_urgent or options_of(session, asked.proposal.id):
        return []
    return [Reason(NO_OPTION)]


def _dates(_session: Session, asked: Asked) -> Found:
    wanted = asked.vote_dates
    if wanted is None:
        return [Reason(NO_DATES)]
    earliest = earliest_opening(asked.today, wanted.meeting)
    if wanted.opens_on < earliest:
        days = statutory_days.statutory(NOTICE[wanted.meeting], asked.today).days
        return [Reason(OPENS_TOO_EARLY, {"days": days, "earliest": earliest.isoformat()})]
    first, last = closing_range(wanted.opens_on)
    if not first <= wanted.closes_on <= last:
        facts = {"opens": wanted.opens_on.isoformat(), "earliest": first.isoformat(), "latest": last.isoformat()}
        return [Reason(CLOSES_OUTSIDE, facts)]
    return []


def _notice_days(session: Session, asked: Asked) -> Found:
    opens_on, closes_on = asked.proposal.opens_on, asked.proposal.closes_on
    if opens_on is None or closes_on is None:
        return [Reason(NO_DATES)]
    if asked.today < opens_on:
        return [Reason(NOT_OPEN_YET, {"earliest": opens_on.isoformat()})]
    hangs_ms = first_posted_ms(session, asked.proposal, TOPIC_KINDS, since_ms=reached_ms(session, asked.proposal))
    if hangs_ms is None:
        return [Reason(TOPIC_NOT_POSTED)]
    # A correction of what is decided upon lets the days of notice begin anew.
    meeting = Meeting(asked.proposal.meeting or Meeting.ORDINARY)
    earliest = earliest_opening(day_of(hangs_ms, asked.proposal.site.timezone), meeting)
    if asked.today < earliest:
        return [Reason(NOTICE_TOO_SHORT, {"earliest": earliest.isoformat()})]
    if owners_measure(session, asked.proposal) is None:
        return [Reason(NOBODY_TO_VOTE)]
    shortest = statutory_days.statutory(statutory_days.Period.SHORTEST_VOTE, asked.today).days
    if (closes_on - asked.today).days < shortest:
        return [Reason(TOO_LATE_TO_OPEN, {"closes": closes_on.isoformat(), "days": shortest})]
    return []


def _result(session: Session, asked: Asked) -> Found:
    proposal = asked.proposal
    if proposal.closes_ms is None or proposal.closes_on is None or asked.now_ms < proposal.closes_ms:
        closes = proposal.closes_on.isoformat() if proposal.closes_on else "-"
        return [Reason(VOTE_STILL_RUNS, {"closes": closes})]
    counted = vote_result(session, proposal, now_ms=asked.now_ms)
    if counted is None:
        return [Reason(NO_RESULT)]
    if counted.is_approved and asked.to is not ProposalStage.APPROVED:
        return [Reason(RESULT_IS_APPROVAL)]
    if not counted.is_approved and asked.to is not ProposalStage.REJECTED:
        return [Reason(RESULT_IS_REJECTION)]
    return []


def _published_decision(session: Session, asked: Asked) -> Found:
    proposal = asked.proposal
    if is_published(session, proposal, {NoticeKind.RESULT}, since_ms=reached_ms(session, proposal)):
        return []
    return [Reason(DECISION_NOT_PUBLISHED, {"publish_by": asked.proposal.dates.get("publish_by", "-")})]


def _published_costs(session: Session, asked: Asked) -> Found:
    proposal = asked.proposal
    settlement = execution.settlement_of(session, proposal.id)
    if proposal.supplements_id is not None or settlement is None:
        return []
    if is_published(session, proposal, {NoticeKind.COSTS}, since_ms=settlement.at_ms):
        return []
    return [Reason(COSTS_NOT_PUBLISHED)]


def _urgent_ticket(session: Session, asked: Asked) -> Found:
    proposal = asked.proposal
    if proposal.urgent_cause is None:
        return [Reason(NO_CAUSE)]
    if proposal.ticket_id is None:
        return [Reason(NO_TICKET)]
    ticket = get_ticket(session, proposal.ticket_id)
    found: Found = []
    is_of_building = not proposal.building or ticket.unit is None or ticket.unit.building == proposal.building
    if ticket.site_id != proposal.site_id or not is_of_building:
        found.append(Reason(TICKET_ELSEWHERE))
    kind = KIND_OF_CAUSE.get(UrgentCause(proposal.urgent_cause))
    if kind is not None and ticket.unit is not None and ticket.unit.kind != kind:
        found.append(Reason(TICKET_OF_ANOTHER_KIND))
    if ticket.stage == TicketStage.CANCELLED:
        found.append(Reason(TICKET_CANCELLED))
    elif not is_confirmed_by_people(ticket, ticket_moves_of(session, ticket.id)):
        found.append(Reason(TICKET_UNCONFIRMED))
    return found


def is_confirmed_by_people(ticket: Ticket, moves: list[TicketMove]) -> bool:
    """Whether a person took the ticket up. Neither an alarm nor a score of a model does that, however high it is."""
    told = {TicketStage.REPORTED, TicketStage.CANCELLED}
    return any(move.actor != SYSTEM.name and TicketStage(move.to_stage) not in told for move in moves)


CHECKS: Mapping[Need, Check] = MappingProxyType(
    {
        Need.NOTE: _note,
        Need.TEXTS: _texts,
        Need.SIGNATURES: _signatures,
        Need.EVIDENCE: _evidence,
        Need.DATES: _dates,
        Need.NOTICE_DAYS: _notice_days,
        Need.RESULT: _result,
        Need.PUBLISHED_DECISION: _published_decision,
        Need.URGENT_TICKET: _urgent_ticket,
        Need.ACCEPTANCE: _acceptance,
        Need.CONTRACT: lambda session, asked: execution.lacks_contract(session, asked.proposal),
        Need.SETTLEMENT: lambda session, asked: execution.lacks_settlement(session, asked.proposal),
        Need.AUDIT: lambda session, asked: execution.lacks_audit(session, asked.proposal),
        Need.WITHIN_BUDGET: lambda session, asked: execution.lacks_budget(session, asked.proposal),
        Need.PUBLISHED_COSTS: _published_costs,
        Need.FILING: lambda session, asked: execution.lacks_filing(session, asked.proposal),
    }
)


def lacking(session: Session, asked: Asked, needs: frozenset[Need]) -> Found:
    """Everything that stands in the way of a step, in the order in which the needs are listed."""
    return [reason for need in Need if need in needs for reason in CHECKS[need](session, asked)]


def ruleset_on(day: date) -> str:
    """The law under which a vote that opens that day is counted."""
    laws = sorted(RULESETS.values(), key=lambda law: law.since)
    in_force = [law for law in laws if law.since <= day and (law.until is None or day <= law.until)]
    return (in_force or laws)[-1].key if in_force else laws[0].key
