"""What rounds say on other pages: a unit's dates set by law, and what of a ticket was found on rounds."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from alerts.patrol_due import rounds_of_ticket
from alerts.patrol_items import ALL_ITEMS
from alerts.patrol_record import Outcome, results_of_ticket
from alerts.patrol_statutory import dues_of, raised_tickets
from alerts.ticket import Ticket
from api.pages.moments import Moment
from api.pages.patrol_cards import DueRow, RoundCard, due_row, round_card
from api.pages.patrol_words import OUTCOME_TITLES
from api.pages.rendering import Reader
from api.security import names_people
from registry.calendar import local_day
from registry.unit import Unit


@dataclass(frozen=True, slots=True)
class FoundLine:
    """Something that a round found and that stands in a ticket. `by` and `note` only for those who may know."""

    patrol_id: int
    at: Moment
    what: str
    value: str
    note: str
    by: str


def unit_dues(session: Session, unit: Unit, *, reader: Reader) -> list[DueRow]:
    today = local_day(reader.now_ms, timezone=unit.site.timezone)
    tickets = raised_tickets(session, [unit.id])
    return [
        due_row(unit, due, today=today, tickets=tickets, reader=reader, may_apply=False)
        for due in dues_of(session, [unit]).get(unit.id, ())
    ]


def found_lines(session: Session, ticket: Ticket, *, reader: Reader) -> list[FoundLine]:
    names = reader.actor is not None and names_people(reader.actor, ticket.site.key)
    lines = []
    for result, patrol in results_of_ticket(session, ticket.id):
        item = ALL_ITEMS.get(result.item)
        title = reader._(item.title) if item is not None else result.item
        lines.append(
            FoundLine(
                patrol_id=patrol.id,
                at=reader.moment(result.at_ms, ticket.site.timezone),
                what=f"{title}: {reader._(OUTCOME_TITLES[Outcome(result.outcome)])}",
                value="" if result.value is None or item is None else f"{result.value:g} {item.unit}",
                note=result.note if names else "",
                by=reader.who_and_role(result.actor) if names else "",
            )
        )
    return lines


def missed_rounds(session: Session, ticket: Ticket, *, reader: Reader) -> list[RoundCard]:
    return [round_card(each, reader=reader) for each in rounds_of_ticket(session, ticket.id)]
