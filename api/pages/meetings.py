"""The joint meetings of a compound: the next one, those that were, a new one, and the rules of procedure."""

import secrets
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, Response

from api.one_turn import Turn, one_turn
from api.pages.board import SiteChoice
from api.pages.joint_people import clock_of, typed_instant, typed_minute, words
from api.pages.joint_problems import answered
from api.pages.joint_words import HOLIDAY_RULE_TITLES, MEETING_KIND_TITLES, MEETING_STAGE_TITLES
from api.pages.moments import local_time
from api.pages.rendering import Reader, reader_of, render
from api.pages.wording import PARTY_TITLES
from api.resources import Held, Resources
from api.routes.meeting_shapes import ProcedureShape
from api.routes.meetings import set_rules_of
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance.meeting import MAX_TITLE_LENGTH, Meeting, call_meeting, find_meetings
from governance.meeting_agenda import count_items
from governance.meeting_rules import (
    LAST_DAY_OF_ANY_MONTH,
    MAX_PLACE_LENGTH,
    MOST_LEAD_DAYS,
    HolidayRule,
    next_meeting_day,
    procedure_of,
)
from governance.meeting_stages import FINAL_MEETING_STAGES, MEETING_PARTIES, MeetingKind, MeetingStage
from governance.reception import count_entries
from governance.work_list import today_at
from registry.errors import InvalidField, UnknownSite
from registry.role import Actor
from registry.site import Site, get_site, list_sites

MEETINGS_ON_PAGE = 60

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/meetings")
def show_meetings(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _page(request, actor, held, site)


def _page(
    request: Request, actor: Actor, held: Resources, site_key: str, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)
        if site_key and (chosen is None or chosen.key != site_key):
            raise UnknownSite(site_key)
        found = find_meetings(session, site=chosen.key, limit=MEETINGS_ON_PAGE) if chosen is not None else []
        found.sort(key=lambda meeting: -meeting.starts_ms)
        cards = [meeting_card(session, meeting, reader=reader) for meeting in found]
        return render(
            request,
            "meetings.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen else "",
            site_name=chosen.name if chosen else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            coming=[card for card in reversed(cards) if not card["is_over"]],
            past=[card for card in cards if card["is_over"]],
            rules=_rules_words(session, chosen, reader=reader) if chosen is not None else [],
            may_call=chosen is not None and reader.may("POST", "/meetings", site=chosen.key),
            may_set=chosen is not None and reader.may("POST", "/meetings/rules", site=chosen.key),
            max_title_length=MAX_TITLE_LENGTH,
            max_place_length=MAX_PLACE_LENGTH,
            problem=problem,
            form_key=secrets.token_urlsafe(16),
        )


def meeting_card(session: Session, meeting: Meeting, *, reader: Reader) -> dict[str, object]:
    """What lists and the head of its page tell of a meeting."""
    _, zone, stage = reader._, meeting.site.timezone, MeetingStage(meeting.stage)

    def at(at_ms: int | None) -> object:
        return None if at_ms is None else reader.appointment(at_ms, zone)

    def clock(at_ms: int | None) -> object:
        """The reception is on the meeting's day, which stands beside it."""
        return (
            None if at_ms is None else replace(reader.appointment(at_ms, zone), text=f"{local_time(at_ms, zone):%H:%M}")
        )

    return {
        "id": meeting.id,
        "title": meeting.title or _(MEETING_KIND_TITLES[MeetingKind(meeting.kind)]),
        "held_on": meeting.held_on.isoformat(),
        "moved_from": meeting.moved_from.isoformat() if meeting.moved_from else "",
        "site_name": meeting.site.name,
        "site": meeting.site.key,
        "place": meeting.place,
        "starts": at(meeting.starts_ms),
        "reception_start": clock(meeting.reception_start_ms),
        "reception_end": clock(meeting.reception_end_ms),
        "stage": stage,
        "stage_title": _(MEETING_STAGE_TITLES[stage]),
        "is_over": stage in FINAL_MEETING_STAGES or stage is MeetingStage.MINUTED,
        "version": meeting.version,
        "items": count_items(session, [meeting.id]).get(meeting.id, 0),
        "received": count_entries(session, [meeting.id]).get(meeting.id, 0),
    }


def _rules_words(session: Session, site: Site, *, reader: Reader) -> list[str]:
    _, procedure = reader._, procedure_of(session, site)
    if not procedure.is_held:
        return [_("No monthly meeting is held here by itself.")]
    when = next_meeting_day(procedure, today=today_at(site, reader.now_ms), timezone=site.timezone)
    return [
        _(
            "On day %(day)s of each month: owners are received from %(from)s to %(until)s, the three parties meet at "
            "%(time)s.",
            day=procedure.day,
            time=clock_of(procedure.meeting_start_min),
            until=clock_of(procedure.reception_end_min),
            **{"from": clock_of(procedure.reception_start_min)},
        ),
        _(
            "When that is a public holiday it is held %(rule)s; a weekend moves nothing.",
            rule=_(HOLIDAY_RULE_TITLES[procedure.holiday_rule]),
        ),
        _("The next one is on %(day)s; it is prepared %(n)s days before.", day=when.day, n=procedure.lead_days),
        _(
            "To decide, somebody must be there of: %(parties)s.",
            parties=_(", ").join(_(PARTY_TITLES[party]) for party in procedure.parties),
        ),
    ]


@router.post("/meetings", dependencies=FORM)
def call(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    title: Text = "",
    starts: Text = "",
    place: Text = "",
    form_key: Text = "",
) -> Response:
    check_site(request, actor, site)

    def act(turn: Turn) -> object:
        found = get_site(turn.session, site)
        return call_meeting(
            turn.session,
            found,
            title=words(title),
            starts_ms=typed_instant("starts_at", starts, found.timezone),
            place=words(place),
            parties=procedure_of(turn.session, found).parties,
            actor=actor,
            now_ms=held.clock(),
        ).id

    return answered(
        request,
        one_turn(held, actor, key=form_key, asked=["meeting", site, title, starts, place]),
        act,
        back=lambda meeting_id: f"/meetings/{meeting_id}",
        again=lambda problem, status: _page(request, actor, held, site, problem=problem, status_code=status),
    )


# Rules of procedure


@router.get("/meetings/rules")
def show_rules(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    with held.database.reading() as session:
        # Asked for without a compound, it is that of the first one this person keeps the rules of.
        own = [] if site else [each.key for each in list_sites(session, visible=permitted_sites(request, actor))]
    site = site or next(iter(own), "")
    check_site(request, actor, site)
    return _rules_page(request, actor, held, site)


def _rules_page(
    request: Request, actor: Actor, held: Resources, site: str, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        found = get_site(session, site)
        procedure = procedure_of(session, found)
        sites = list_sites(session, visible=permitted_sites(request, actor))
        return render(
            request,
            "meeting_rules.html",
            reader,
            status_code=status_code,
            site=site,
            site_name=found.name,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            procedure=procedure,
            times=[
                clock_of(each)
                for each in (
                    procedure.reception_start_min,
                    procedure.reception_end_min,
                    procedure.meeting_start_min,
                )
            ],
            holiday_rules=[
                (each.value, _(title), each is procedure.holiday_rule) for each, title in HOLIDAY_RULE_TITLES.items()
            ],
            parties=[(each.value, _(PARTY_TITLES[each]), each in procedure.parties) for each in MEETING_PARTIES],
            last_day=LAST_DAY_OF_ANY_MONTH,
            most_lead_days=MOST_LEAD_DAYS,
            max_place_length=MAX_PLACE_LENGTH,
            problem=problem,
        )


@router.post("/meetings/rules", dependencies=FORM)
def set_rules(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    is_held: Text = "",
    day: Text = "",
    reception_start: Text = "",
    reception_end: Text = "",
    meeting_start: Text = "",
    holiday_rule: Text = HolidayRule.NEXT_WORKING_DAY.value,
    lead_days: Text = "",
    place: Text = "",
    parties: Annotated[list[str] | None, Form()] = None,
) -> Response:
    check_site(request, actor, site)

    def act(turn: Turn) -> None:
        try:
            rules = ProcedureShape.model_validate(
                {
                    "is_held": bool(is_held),
                    "day": day,
                    "meeting_start_min": typed_minute(meeting_start),
                    "reception_start_min": typed_minute(reception_start),
                    "reception_end_min": typed_minute(reception_end),
                    "holiday_rule": holiday_rule,
                    "lead_days": lead_days,
                    "place": words(place),
                    "parties": parties or [],
                }
            )
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise InvalidField("hours" if field.endswith("_min") else field, "is not possible") from error
        set_rules_of(turn.session, site, rules, actor=actor, now_ms=held.clock())

    return answered(
        request,
        one_turn(held, actor, key=None, asked=None),
        act,
        back=lambda _: f"/meetings?site={site}",
        again=lambda problem, status: _rules_page(request, actor, held, site, problem=problem, status_code=status),
    )
