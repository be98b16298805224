"""What a page tells about one ticket, in the reader's words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from alerts.hold import HoldReason
from alerts.measured import Measured
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove, allowed_moves, lacking_proofs, refused_signature
from alerts.ticket_stages import FINAL_STAGES, MOVES, Need, Stage, TicketKind
from api.pages.moments import Moment, duration_text
from api.pages.rendering import NOBODY, Reader
from api.pages.wording import (
    BACKWARD_MOVE_TITLES,
    HOLD_REASON_TITLES,
    MOVE_TITLES,
    NEED_TITLES,
    PARTY_TITLES,
    SEVERITY_TITLES,
    STAGE_TITLES,
    TICKET_KIND_TITLES,
)
from api.security import names_people
from registry.role import Party

MAIN_LINE = (
    Stage.REPORTED,
    Stage.TRIAGED,
    Stage.DISPATCHED,
    Stage.ACCEPTED,
    Stage.ARRIVED,
    Stage.IN_PROGRESS,
    Stage.RESTORED,
    Stage.VERIFIED,
    Stage.CLOSED,
)
"""The way of a ticket when nothing comes between."""


@dataclass(frozen=True, slots=True)
class TicketCard:
    """A ticket as the board, the lists and its own page show it."""

    id: int
    title: str
    kind_title: str
    severity: Severity
    severity_title: str
    stage: Stage
    stage_title: str
    is_open: bool
    unit_name: str
    unit_path: str
    building: str
    site_name: str
    opened: Moment
    updated: Moment
    closed: Moment | None
    version: int
    hold_title: str
    """Why it rests; empty when it does not."""
    is_blocked: bool
    turn: str
    """Whose turn it is, in words; empty when it has ended."""


class StepState(StrEnum):
    DONE = "done"
    CURRENT = "current"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the main line as the ticket stands to it."""

    title: str
    state: StepState


@dataclass(frozen=True, slots=True)
class Offer:
    """A move this reader may make now."""

    to: Stage
    title: str
    needs_note: bool
    asks_hold_reason: bool
    asks_demands: bool
    asks_photo: bool
    lacks: str
    """Proofs that are demanded and not there yet, in words."""


@dataclass(frozen=True, slots=True)
class MadeMove:
    """A line of the ticket's history; `by` and `note` are empty for readers who are not shown them."""

    at: Moment
    stage_title: str
    by: str
    note: str
    party: str
    hold_title: str
    stands_in: bool


def ticket_title(ticket: Ticket, *, reader: Reader) -> str:
    """Ours in the reader's language; what a person wrote stays as written."""
    return reader._(ticket.title) if ticket.opened_by in NOBODY else ticket.title


def ticket_card(ticket: Ticket, *, reader: Reader) -> TicketCard:
    severity, stage, zone = Severity(ticket.severity), Stage(ticket.stage), ticket.site.timezone
    return TicketCard(
        id=ticket.id,
        title=ticket_title(ticket, reader=reader),
        kind_title=reader._(TICKET_KIND_TITLES[TicketKind(ticket.kind)]),
        severity=severity,
        severity_title=reader._(SEVERITY_TITLES[severity]),
        stage=stage,
        stage_title=reader._(STAGE_TITLES[stage]),
        is_open=stage not in FINAL_STAGES,
        unit_name=ticket.unit.name if ticket.unit is not None else "",
        unit_path=ticket.unit.unit_key.path if ticket.unit is not None else "",
        building=ticket.unit.building if ticket.unit is not None else "",
        site_name=ticket.site.name,
        opened=reader.moment(ticket.opened_ms, zone),
        updated=reader.moment(ticket.updated_ms, zone),
        closed=reader.moment(ticket.closed_ms, zone) if ticket.closed_ms is not None else None,
        version=ticket.version,
        hold_title=hold_title(ticket.hold_reason, reader=reader),
        is_blocked=ticket.is_blocked_by_governance,
        turn=party_list(ticket.turn, reader=reader),
    )


def hold_title(reason: str | None, *, reader: Reader) -> str:
    return reader._(HOLD_REASON_TITLES[HoldReason(reason)]) if reason else ""


def party_list(parties: Collection[Party], *, reader: Reader) -> str:
    return reader._(", ").join(reader._(PARTY_TITLES[party]) for party in Party if party in parties)


def signing_words(ticket: Ticket, *, reader: Reader) -> str:
    """Why this reader may not verify although their role would permit it; empty when that is not so."""
    refused = refused_signature(ticket, reader.actor) if reader.actor is not None else None
    return (
        other_party_words(refused.parties, is_cross_appointed=refused.is_cross_appointed, reader=reader)
        if refused
        else ""
    )


def other_party_words(parties: Collection[Party], *, is_cross_appointed: bool, reader: Reader) -> str:
    who = party_list(parties, reader=reader)
    if is_cross_appointed:
        return reader._(
            "You hold roles in two parties, and one of them repaired this: you cannot sign for the other. "
            "It is verified by: %(parties)s.",
            parties=who,
        )
    return reader._("Your party repaired this; another one verifies it: %(parties)s.", parties=who)


def progress(ticket: Ticket, moves: Sequence[TicketMove], *, reader: Reader) -> list[Step]:
    """The main line and how far the ticket has come; one on hold or cancelled stands where it left the line."""
    reached = Stage(ticket.stage)
    for move in reversed(moves):
        if reached in MAIN_LINE:
            break
        reached = Stage(move.from_stage or Stage.REPORTED)
    place = MAIN_LINE.index(reached) if reached in MAIN_LINE else 0
    has_ended = ticket.stage == Stage.CLOSED
    return [
        Step(
            reader._(STAGE_TITLES[stage]),
            StepState.DONE
            if number < place or has_ended
            else StepState.CURRENT
            if number == place
            else StepState.AHEAD,
        )
        for number, stage in enumerate(MAIN_LINE)
    ]


def offers(session: Session, ticket: Ticket, *, reader: Reader) -> list[Offer]:
    """The moves open to this reader, those without a required note first: the ordinary way."""
    if reader.actor is None:
        return []
    current = Stage(ticket.stage)
    found = [
        Offer(
            to=to,
            title=reader._(BACKWARD_MOVE_TITLES.get((current, to)) or MOVE_TITLES[to]),
            needs_note=MOVES[current][to].needs_note,
            asks_hold_reason=Need.HOLD_REASON in MOVES[current][to].asks,
            asks_demands=to is Stage.DISPATCHED,
            asks_photo=Need.PHOTO in MOVES[current][to].asks,
            lacks=need_list(lacking_proofs(session, ticket, to), reader=reader),
        )
        for to in allowed_moves(ticket, reader.actor)
    ]
    return sorted(found, key=lambda offer: offer.needs_note)


def need_list(needs: Collection[Need], *, reader: Reader) -> str:
    return reader._(", ").join(reader._(NEED_TITLES[need]) for need in Need if need in needs)


def history(ticket: Ticket, moves: Sequence[TicketMove], *, reader: Reader) -> list[MadeMove]:
    """The moves that were made, newest first."""
    is_shown = reader.actor is not None and names_people(reader.actor, ticket.site.key)
    return [
        MadeMove(
            at=reader.moment(move.at_ms, ticket.site.timezone),
            stage_title=reader._(STAGE_TITLES[Stage(move.to_stage)]),
            by=reader.who(move.actor) if is_shown else "",
            note=move.note if is_shown else "",
            party=party_list({Party(move.party)}, reader=reader) if move.party else "",
            hold_title=hold_title(move.hold_reason, reader=reader),
            stands_in=move.stands_in,
        )
        for move in reversed(moves)
    ]


def actor_name(name: str, *, reader: Reader) -> str:
    """Whoever a record names, with their role."""
    return reader.who_and_role(name)


def measured_words(measured: Measured, *, reader: Reader) -> list[tuple[str, str]]:
    """How long each part took, for those that have come to an end; never one figure for all."""
    _ = reader._
    parts = (
        (_("Response"), measured.response_ms),
        (_("Arrival"), measured.arrival_ms),
        (_("Repair"), measured.repair_ms),
        (_("Restoration"), measured.restoration_ms),
    )
    return [(title, duration_text(span_ms, _=_)) for title, span_ms in parts if span_ms is not None]
