"""What a fault is put down to, on the page of its ticket."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy.orm import Session

from alerts.fault_cause import cause_of
from alerts.ticket import Ticket
from alerts.ticket_stages import Stage, TicketKind
from api.pages.rendering import Reader
from api.translations import msgid
from models.fault_statistics import Cause

CAUSE_CHOICES: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.EQUIPMENT: msgid("Equipment: wear, a defect, a wrong setting"),
        Cause.MISUSE: msgid("Misuse: doors forced, overload, water, damage by people"),
        Cause.POWER: msgid("Power supply: a cut, a voltage dip"),
        Cause.UNKNOWN: msgid("Looked for and not found"),
    }
)
ASKED_AT = frozenset({Stage.IN_PROGRESS, Stage.RESTORED, Stage.VERIFIED, Stage.CLOSED})
OF_FAULTS = frozenset({TicketKind.FAULT, TicketKind.HAZARD, TicketKind.RESIDENT_REPORT})


@dataclass(frozen=True, slots=True)
class CauseWords:
    """`title` is empty while nobody said; `is_asked` when it is time to say."""

    title: str
    choices: list[tuple[Cause, str, bool]]
    is_asked: bool


def cause_words(session: Session, ticket: Ticket, *, reader: Reader) -> CauseWords | None:
    """None for a ticket that is about no fault of a unit."""
    if ticket.unit_id is None or TicketKind(ticket.kind) not in OF_FAULTS:
        return None
    said = cause_of(session, ticket.id)
    return CauseWords(
        title="" if said is None else reader._(CAUSE_CHOICES[said]),
        choices=[(each, reader._(title), each is said) for each, title in CAUSE_CHOICES.items()],
        is_asked=Stage(ticket.stage) in ASKED_AT,
    )
