"""Who is on duty now, the roster, and who is away."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.deadlines import LADDER
from api.pages.board import SiteChoice
from api.pages.moments import local_time
from api.pages.rendering import Reader, reader_of, render
from api.pages.wording import PARTY_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from api.translations import msgid
from registry import duty
from registry.calendar import LAST_PUBLISHED_YEAR, MINUTES_OF_DAY, DayKind, day_kind, is_published
from registry.duty import Days
from registry.errors import InvalidField, UnknownSite
from registry.person import Person, find_person
from registry.role import PARTY_OF_ROLE, Actor, Party, Role
from registry.site import Site, get_site, list_sites

PARTIES = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY)
MAX_ID = 2**62

router = APIRouter(include_in_schema=False)

DAYS_TITLES = {
    Days.EVERY: msgid("every day"),
    Days.WORKING: msgid("working days"),
    Days.OFF: msgid("weekends and holidays"),
}
DAY_KIND_TITLES = {
    DayKind.WORKING_DAY: msgid("Today is a working day."),
    DayKind.MAKE_UP: msgid("Today is a working day: the weekend is worked for a holiday."),
    DayKind.WEEKEND: msgid("Today is a weekend."),
    DayKind.HOLIDAY: msgid("Today is a public holiday."),
}


@dataclass(frozen=True, slots=True)
class PartyNow:
    title: str
    people: list[str]
    has_roster: bool
    instead: list[str]
    """Who is told because nobody is on duty."""


@router.get("/duty")
def show_duty(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
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
        return render(
            request,
            "duty.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen else "",
            site_name=chosen.name if chosen else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            problem=problem,
            may_change=chosen is not None and reader.may("POST", "/duty/shifts", site=chosen.key),
            days=[(each.value, reader._(title)) for each, title in DAYS_TITLES.items()],
            **(_facts(session, chosen, reader=reader) if chosen else {}),
        )


def _facts(session: Session, site: Site, *, reader: Reader) -> dict[str, object]:
    _ = reader._
    today = local_time(reader.now_ms, site.timezone).date()
    roles = {role for role in Role if PARTY_OF_ROLE[role] in PARTIES}
    people = duty.holders(session, site, roles)
    shifts = duty.shifts_of(session, site.id)
    known = {person.id for person in people} | {shift.person_id for shift in shifts}
    return {
        "today": _(DAY_KIND_TITLES[day_kind(today)]),
        "unpublished": ""
        if is_published(today)
        else _("The holidays of %(year)s are not known here: days are counted by weekdays.", year=today.year),
        "known_until": LAST_PUBLISHED_YEAR,
        "first_day": today.isoformat(),
        "now": [_now(session, site, party, reader=reader) for party in PARTIES],
        "shifts": [
            (
                shift.id,
                _(PARTY_TITLES[Party(shift.party)]),
                shift.person.display_name,
                _(DAYS_TITLES[Days(shift.days)]),
                f"{_clock(shift.start_min)}-{_clock(shift.end_min)}",
                f"{shift.from_day} - {shift.until_day or '…'}",
            )
            for shift in shifts
        ],
        "absences": [
            (
                absence.id,
                absence.person.display_name,
                absence.substitute.display_name if absence.substitute else "",
                reader.moment(absence.starts_ms, site.timezone),
                reader.moment(absence.ends_ms, site.timezone),
            )
            for absence in duty.absences_from(session, known, now_ms=reader.now_ms)
        ],
        "people": [(person.name, person.display_name) for person in people],
        "parties": [(party.value, _(PARTY_TITLES[party])) for party in PARTIES],
    }


def _now(session: Session, site: Site, party: Party, *, reader: Reader) -> PartyNow:
    _ = reader._
    present = duty.on_duty(session, site, party, at_ms=reader.now_ms)
    rung = next(rung for rung in LADDER if rung.party is party)
    return PartyNow(
        title=_(PARTY_TITLES[party]),
        people=[
            _("%(name)s for %(other)s", name=each.person.display_name, other=each.stands_in_for.display_name)
            if each.stands_in_for
            else each.person.display_name
            for each in present
        ],
        has_roster=bool(duty.shifts_of(session, site.id, party=party)),
        instead=[] if present else [person.display_name for person in duty.holders(session, site, rung.roles)],
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(text: str) -> int:
    try:
        read = time.fromisoformat(text)
    except ValueError as error:
        raise InvalidField("hours", "must be times of the day") from error
    return read.hour * 60 + read.minute


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InvalidField("day", "must be a day") from error


def _named(session: Session, name: str) -> Person:
    person = find_person(session, name[:64]) if "\0" not in name else None
    if person is None:
        raise InvalidField("person", "must be somebody in the register")
    return person


def _refused(request: Request, actor: Actor, held: Resources, site: str, field: str) -> HTMLResponse:
    _ = reader_of(request)._
    problems = {
        "person": _("This person holds no role of that party here."),
        "hours": _("Give two different times of the day."),
        "substitute": _("The substitute must be somebody else."),
    }
    problem = problems.get(field, _("The end must not be before the beginning."))
    return _page(request, actor, held, site, problem=problem, status_code=422)


@router.post("/duty/shifts", dependencies=[Depends(check_csrf)])
def add_shift(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Annotated[str, Form()] = "",
    person: Annotated[str, Form()] = "",
    party: Annotated[str, Form()] = "",
    days: Annotated[str, Form()] = Days.EVERY.value,
    starts: Annotated[str, Form()] = "",
    ends: Annotated[str, Form()] = "",
    first: Annotated[str, Form()] = "",
    last: Annotated[str, Form()] = "",
) -> Response:
    check_site(request, actor, site)
    try:
        with held.database.writing() as session:
            place = get_site(session, site)
            if party not in PARTIES or days not in set(Days):
                raise InvalidField("person", "must be of a party")
            duty.add_shift(
                session,
                site=place,
                person=_named(session, person),
                party=Party(party),
                days=Days(days),
                start_min=_minute(starts),
                # Midnight at the end is the end of the day.
                end_min=_minute(ends) or MINUTES_OF_DAY,
                from_day=_day(first) or local_time(held.clock(), place.timezone).date(),
                until_day=_day(last),
            )
    except InvalidField as error:
        return _refused(request, actor, held, site, error.field)
    return RedirectResponse(f"/duty?site={site}", status_code=303)


@router.post("/duty/shifts/{shift_id}/remove", dependencies=[Depends(check_csrf)])
def remove_shift(
    request: Request, actor: PageActor, held: Held, shift_id: int, site: Annotated[str, Form()] = ""
) -> Response:
    check_site(request, actor, site)
    with held.database.writing() as session:
        duty.drop_shift(session, min(shift_id, MAX_ID), site=get_site(session, site))
    return RedirectResponse(f"/duty?site={site}", status_code=303)


@router.post("/duty/absences", dependencies=[Depends(check_csrf)])
def add_absence(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Annotated[str, Form()] = "",
    person: Annotated[str, Form()] = "",
    substitute: Annotated[str, Form()] = "",
    starts: Annotated[str, Form()] = "",
    ends: Annotated[str, Form()] = "",
) -> Response:
    check_site(request, actor, site)
    try:
        with held.database.writing() as session:
            place = get_site(session, site)
            away, instead = _named(session, person), _named(session, substitute) if substitute else None
            for each in filter(None, (away, instead)):
                if not duty.parties_at(each, place):
                    raise InvalidField("person", "holds no role here")
            zone = ZoneInfo(place.timezone)
            duty.add_absence(
                session,
                person=away,
                substitute=instead,
                starts_ms=_instant(starts, zone),
                ends_ms=_instant(ends, zone),
            )
    except InvalidField as error:
        return _refused(request, actor, held, site, error.field)
    return RedirectResponse(f"/duty?site={site}", status_code=303)


def _instant(text: str, zone: ZoneInfo) -> int:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidField("until", "must be a time") from error
