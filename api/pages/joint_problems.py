"""Why something of the joint work was refused, in the reader's words, with the status that it has."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from alerts.action_team import DelegateMissing, ReportedByThemselves, UnknownTeam
from alerts.errors import AlertsError, IllegalMove, MissingNote, NotPermitted, UnknownTicket
from api.pages.rendering import Reader, reader_of
from api.pages.ticket_cards import party_list
from api.translations import msgid
from governance.errors import GovernanceError, StepNotPermitted, StepNotPossible, SteppedMeanwhile
from governance.meeting_errors import (
    ConfirmedAlready,
    NoQuorum,
    NotOnAgenda,
    PartyNotHeld,
    QuorumPresent,
    UnknownMeeting,
    UnknownReception,
    WordsChangedMeanwhile,
)
from governance.work_list import UnknownTask, WordNeeded
from registry.errors import InvalidField, UnknownUnit
from registry.replay import KeyReused
from registry.role import Party

REFUSALS = (GovernanceError, AlertsError, InvalidField, KeyReused, UnknownUnit)
"""What a page tells; that something does not exist is told by the page for that."""
NOT_THERE = (UnknownMeeting, UnknownReception, UnknownTask, UnknownTeam)

FIELD_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "title": msgid("Say in a few words what it is about."),
        "text": msgid("Say in a few words what it is about."),
        "matter": msgid("Say in a few words what it is about."),
        "goal": msgid("Say what is to be reached."),
        "answer": msgid("Say what the owner was told."),
        "due_on": msgid("Give a day that is not past."),
        "starts_at": msgid("Give a day and a time that are not past."),
        "owner": msgid("The owner must hold a role of that party here."),
        "person": msgid("This person holds no role of that party here, or sits for another party already."),
        "party": msgid("Choose a party."),
        "name": msgid("Say who is there; nobody sits for two parties."),
        "work_list": msgid("The party-building list is only written by hand."),
        "decision": msgid("A decision that has become a task can be put otherwise, but not taken back."),
        "tasks": msgid("The decision has as many tasks as it can have."),
        "unit": msgid("Name a unit of this compound."),
        "ticket": msgid("Name a ticket of this compound."),
        "link": msgid("Name a ticket or a unit."),
        "hours": msgid("Give times of the day; the reception ends after it begins."),
        "day": msgid("Give a day that every month has: 1 to 28."),
        "lead_days": msgid("Give 1 to 28 days."),
        "parties": msgid("Choose at least one of the three parties."),
    }
)


def refusal_words(error: Exception, *, reader: Reader) -> tuple[str, int]:
    """The sentence and the status."""
    _ = reader._

    def parties(names: Collection[str]) -> str:
        return party_list({Party(name) for name in names}, reader=reader)

    if isinstance(error, NoQuorum):
        return _("There is no quorum: nobody is there of %(parties)s.", parties=parties(error.missing)), 409
    if isinstance(error, QuorumPresent):
        return _("The quorum is there: the meeting ends with minutes."), 409
    if isinstance(error, WordsChangedMeanwhile):
        told = _(
            "%(who)s wrote there meanwhile. Nothing was overwritten: look at it, and write again.",
            who=reader.who_and_role(error.changed_by),
        )
        return told, 409
    if isinstance(error, ConfirmedAlready):
        told = _("The minutes were confirmed by %(who)s already; nobody confirms for two parties.", who=error.by)
        return told, 409
    if isinstance(error, PartyNotHeld):
        return _("Only somebody who holds a role of that party confirms for it."), 403
    if isinstance(error, NotOnAgenda):
        return _("That is not on the agenda of this meeting."), 409
    if isinstance(error, SteppedMeanwhile):
        return _("Somebody was faster: it is at another stage by now. Nothing was changed."), 409
    if isinstance(error, StepNotPossible | IllegalMove):
        return _("This is not possible any more at the present stage. Nothing was changed."), 409
    if isinstance(error, StepNotPermitted | NotPermitted):
        return _("This step is for somebody else."), 403
    if isinstance(error, DelegateMissing):
        return _("A delegate is missing of: %(parties)s.", parties=parties(error.parties)), 409
    if isinstance(error, ReportedByThemselves):
        told = _(
            "Another party than the one that reported accepts the report: %(parties)s.", parties=parties(error.parties)
        )
        return told, 409
    if isinstance(error, WordNeeded | MissingNote):
        return _("Say what was done, or why."), 422
    if isinstance(error, InvalidField):
        return _(FIELD_FAULTS.get(error.field, FIELD_FAULTS["text"])), 422
    if isinstance(error, UnknownTicket | UnknownUnit):
        field = "unit" if isinstance(error, UnknownUnit) else "ticket"
        return _(FIELD_FAULTS[field]), 422
    if isinstance(error, KeyReused):
        return _("This form was sent before with other words. Look at it as it is now."), 409
    raise error


def answered(
    request: Request,
    turn: AbstractContextManager[Any],
    act: Callable[[Any], object],
    *,
    back: Callable[[object], str],
    again: Callable[[str, int], Response],
) -> Response:
    """Does it within its turn and leads on; refused, the page is shown again with the reason.

    `act` gets the turn and is called when the request was not carried out before; `back` gets what it gave back, or
    what an earlier turn remembered.
    """
    try:
        with turn as held:
            if held.is_first:
                result = act(held)
                held.remember(result if result is not None else "")
            else:
                result = held.earlier
    except NOT_THERE:
        raise
    except REFUSALS as error:
        return again(*refusal_words(error, reader=reader_of(request)))
    return RedirectResponse(back(result), status_code=303)
