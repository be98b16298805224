"""The reception of owners on the morning of the meeting: a list that is written as people come, and printed."""

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from alerts.severity import Severity
from api.one_turn import Turn, one_turn
from api.pages.joint_people import LARGEST_ID, Written, words
from api.pages.joint_problems import answered
from api.pages.meetings import meeting_card
from api.pages.rendering import reader_of, render
from api.pages.tickets import UNITS_OFFERED
from api.pages.wording import SEVERITY_TITLES
from api.resources import Held, Resources
from api.routes.meetings import meeting_seen
from api.routes.reception import entry_seen
from api.security import PageActor, check_csrf
from governance import reception
from governance.meeting_stages import MeetingStage
from governance.reception import MAX_MATTER_LENGTH, MAX_NAME_LENGTH, MAX_PLACE_LENGTH
from registry.errors import InvalidField
from registry.role import Actor
from registry.unit import get_unit, list_units

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/meetings/{meeting_id}/reception")
def show_reception(request: Request, actor: PageActor, held: Held, meeting_id: int) -> HTMLResponse:
    return _page(request, actor, held, meeting_id)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    meeting_id: int,
    *,
    problem: str = "",
    written: dict[str, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        meeting = meeting_seen(request, session, actor, min(meeting_id, LARGEST_ID))
        stage, zone = MeetingStage(meeting.stage), meeting.site.timezone
        units = list_units(session, site=meeting.site.key, limit=UNITS_OFFERED)
        return render(
            request,
            "reception.html",
            reader,
            status_code=status_code,
            meeting=meeting_card(session, meeting, reader=reader),
            entries=[(entry, reader.moment(entry.at_ms, zone)) for entry in reception.entries_of(session, meeting.id)],
            may_receive=stage in (MeetingStage.PLANNED, MeetingStage.OPEN),
            may_add=stage is MeetingStage.PLANNED,
            units=[(each.unit_key.path, " · ".join(filter(None, (each.building, each.name)))) for each in units],
            severities=[(each.value, reader._(SEVERITY_TITLES[each])) for each in Severity],
            max_matter_length=MAX_MATTER_LENGTH,
            max_name_length=MAX_NAME_LENGTH,
            max_place_length=MAX_PLACE_LENGTH,
            problem=problem,
            written=Written(written or {}),
            form_key=secrets.token_urlsafe(16),
        )


@router.post("/meetings/{meeting_id}/reception", dependencies=FORM)
def receive(
    request: Request,
    actor: PageActor,
    held: Held,
    meeting_id: int,
    matter: Text = "",
    name: Text = "",
    place: Text = "",
    unit: Text = "",
    form_key: Text = "",
) -> Response:
    def act(turn: Turn) -> None:
        meeting_seen(request, turn.session, actor, min(meeting_id, LARGEST_ID))
        reception.receive(
            turn.session,
            meeting_id,
            matter=words(matter),
            name=words(name),
            place=words(place),
            unit=get_unit(turn.session, unit) if unit else None,
            actor=actor,
            now_ms=held.clock(),
        )

    asked = ["reception", matter, name, place, unit]
    written = {"matter": matter, "name": name, "place": place}
    return _done(request, actor, held, meeting_id, act, key=form_key, asked=asked, written=written)


@router.post("/meetings/{meeting_id}/reception/{entry_id}", dependencies=FORM)
def go_on(
    request: Request,
    actor: PageActor,
    held: Held,
    meeting_id: int,
    entry_id: int,
    to: Text = "",
    answer: Text = "",
    severity: Text = Severity.MINOR.value,
) -> Response:
    """Answers it, makes it a ticket, or puts it on the agenda."""

    def act(turn: Turn) -> None:
        found = min(entry_id, LARGEST_ID)
        entry_seen(request, turn.session, actor, min(meeting_id, LARGEST_ID), found)
        now_ms = held.clock()
        if to == "ticket" and severity in set(Severity):
            reception.make_ticket(turn.session, found, severity=Severity(severity), actor=actor, now_ms=now_ms)
        elif to == "agenda":
            reception.put_on_agenda(turn.session, found, actor=actor, now_ms=now_ms)
        elif to == "answer":
            reception.answer(turn.session, found, words(answer), actor=actor, now_ms=now_ms)
        else:
            raise InvalidField("text", "must be chosen")

    return _done(request, actor, held, meeting_id, act)


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    meeting_id: int,
    act: Callable[[Turn], None],
    *,
    key: str = "",
    asked: object = None,
    written: dict[str, str] | None = None,
) -> Response:
    return answered(
        request,
        one_turn(held, actor, key=key, asked=[meeting_id, asked]),
        act,
        back=lambda _: f"/meetings/{meeting_id}/reception",
        again=lambda problem, status: _page(
            request, actor, held, meeting_id, problem=problem, written=written, status_code=status
        ),
    )
