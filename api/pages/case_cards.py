"""What gathered around a ticket, in the reader's words: comments, costs, files, linked cases, and one history."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from alerts.resident_report import codes_of, reports_of
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_record import (
    CostKind,
    LinkKind,
    MediationState,
    TicketAttachment,
    TicketComment,
    TicketCost,
    TicketLink,
    TicketMediation,
    attachments_of,
    comments_of,
    costs_of,
    links_of,
    mediations_of,
    total_fen,
)
from api.pages.moments import Moment
from api.pages.rendering import Reader
from api.pages.ticket_cards import MadeMove, actor_name, history
from api.pages.wording import COST_KIND_TITLES, MEDIATION_TITLES
from api.routes.case_presenting import attachment_url, yuan
from api.security import names_people

_Row = TicketComment | TicketCost | TicketAttachment | TicketLink | TicketMediation


@dataclass(frozen=True, slots=True)
class CommentCard:
    at: Moment
    by: str
    text: str
    mentions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostCard:
    kind_title: str
    what: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class FileCard:
    name: str
    url: str
    is_photo: bool
    size_kib: int


@dataclass(frozen=True, slots=True)
class LinkCard:
    ticket_id: int
    title: str


@dataclass(frozen=True, slots=True)
class ReportCard:
    at: Moment
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """Of a resident's page `comments` and `files` are empty."""

    comments: Sequence[CommentCard]
    costs: Sequence[CostCard]
    cost_total: str
    files: Sequence[FileCard]
    links: Sequence[LinkCard]
    mediation: str
    reports: Sequence[ReportCard]
    """What residents wrote, for staff."""
    report_count: int
    turned_away: str
    """Told to staff when there were so many that some were not kept."""
    history: Sequence[MadeMove]


def case_of(session: Session, ticket: Ticket, moves: Sequence[TicketMove], *, reader: Reader) -> Case:
    names = reader.actor is not None and names_people(reader.actor, ticket.site.key)
    comments = comments_of(session, ticket.id) if names else []
    files = attachments_of(session, ticket.id) if names else []
    costs, links = costs_of(session, ticket.id), links_of(session, ticket.id)
    mediations = mediations_of(session, ticket.id)
    reports = reports_of(session, ticket.id)
    added: list[_Row] = [*comments, *costs, *files, *links, *mediations]
    told = [
        *zip((move.at_ms for move in moves), reversed(history(ticket, moves, reader=reader)), strict=True),
        *((row.at_ms, _line(row, ticket, names=names, reader=reader)) for row in added),
    ]
    return Case(
        comments=[_comment_card(row, ticket, reader=reader) for row in comments],
        costs=[
            CostCard(
                kind_title=reader._(COST_KIND_TITLES[CostKind(row.kind)]),
                what=row.what,
                quantity=row.quantity,
                amount=yuan(row.amount_fen),
            )
            for row in costs
        ],
        cost_total=yuan(total_fen(costs)),
        files=[
            FileCard(row.name, attachment_url(ticket.id, row.id), row.is_photo, -(-row.size_bytes // 1024))
            for row in files
        ],
        links=[_link_card(row, ticket, reader=reader) for row in links],
        mediation=_mediation_words(mediations[-1], names=names, reader=reader) if mediations else "",
        reports=[
            ReportCard(reader.moment(row.at_ms, ticket.site.timezone), row.number, row.text)
            for row in (reports if names else ())
        ],
        report_count=len(reports),
        turned_away=_turned_away(session, ticket, reader=reader) if names and reports else "",
        history=[line for _, line in sorted(told, key=lambda each: each[0])][::-1],
    )


def _turned_away(session: Session, ticket: Ticket, *, reader: Reader) -> str:
    code = codes_of(session, [ticket.unit_id]).get(ticket.unit_id) if ticket.unit_id is not None else None
    if code is None or not code.turned_away or code.turned_away_ms is None:
        return ""
    return reader._.plural(
        "%(n)s more report of this unit was not kept, the last time since %(time)s: there were too many in an hour.",
        "%(n)s more reports of this unit were not kept, the last time since %(time)s: there were too many in an hour.",
        code.turned_away,
        time=reader.moment(code.turned_away_ms, ticket.site.timezone).text,
    )


def _comment_card(row: TicketComment, ticket: Ticket, *, reader: Reader) -> CommentCard:
    at = reader.moment(row.at_ms, ticket.site.timezone)
    return CommentCard(at, actor_name(row.actor, reader=reader), row.text, tuple(row.mentions))


def _link_card(row: TicketLink, ticket: Ticket, *, reader: Reader) -> LinkCard:
    is_from_here = row.ticket_id == ticket.id
    other = row.other_id if is_from_here else row.ticket_id
    if row.kind != LinkKind.DUPLICATE:
        return LinkCard(other, reader._("belongs together with"))
    return LinkCard(other, reader._("goes on in") if is_from_here else reader._("took over the duplicate"))


def _mediation_words(row: TicketMediation, *, names: bool, reader: Reader) -> str:
    state = reader._(MEDIATION_TITLES[MediationState(row.state)])
    return f"{state} · {row.reference}" if names and row.reference else state


def _line(row: _Row, ticket: Ticket, *, names: bool, reader: Reader) -> MadeMove:
    title, note = _words(row, ticket, names=names, reader=reader)
    return MadeMove(
        at=reader.moment(row.at_ms, ticket.site.timezone),
        stage_title=title,
        by=actor_name(row.actor, reader=reader) if names else "",
        note=note,
        party="",
        hold_title="",
        stands_in=False,
    )


def _words(row: _Row, ticket: Ticket, *, names: bool, reader: Reader) -> tuple[str, str]:
    _ = reader._
    if isinstance(row, TicketComment):
        return _("Comment"), row.text
    if isinstance(row, TicketCost):
        return _("Cost: %(what)s, %(amount)s yuan", what=row.what, amount=yuan(row.amount_fen)), ""
    if isinstance(row, TicketAttachment):
        return _("File: %(name)s", name=row.name), ""
    if isinstance(row, TicketLink):
        card = _link_card(row, ticket, reader=reader)
        return f"{card.title} {_('Ticket %(id)s', id=card.ticket_id)}", ""
    return _("Mediation: %(state)s", state=_mediation_words(row, names=names, reader=reader)), ""
