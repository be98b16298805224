"""A notice that people write themselves: title, words, for whom, from when to when."""

import secrets
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.rendering import Reader, reader_of, render
from api.pages.vote_words import NOTICE_FAULTS
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance.notice import MAX_BODY_LENGTH, MAX_TITLE_LENGTH, InvalidNotice, NoticeText, post_notice
from governance.notice_rules import NoticeKind
from governance.owners_roll import buildings_of
from governance.statutory_days import day_of, start_of
from registry.errors import UnknownSite
from registry.natural_order import natural_key
from registry.replay import KeyReused
from registry.role import Actor
from registry.site import Site, get_site, list_sites
from registry.unit import list_buildings

USUAL_DAYS = 7

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/notices/new")
def new_notice(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _page(request, actor, held, site)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    site_key: str,
    *,
    entered: dict[str, str] | None = None,
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)
        if site_key and (chosen is None or chosen.key != site_key):
            raise UnknownSite(site_key)
        return render(
            request,
            "notice_new.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            buildings=_buildings(session, chosen) if chosen is not None else [],
            entered=entered or (_usual(chosen, reader) if chosen is not None else {}),
            today=day_of(reader.now_ms, chosen.timezone).isoformat() if chosen is not None else "",
            max_title_length=MAX_TITLE_LENGTH,
            max_body_length=MAX_BODY_LENGTH,
            problem=problem,
            form_key=secrets.token_urlsafe(16),
        )


def _buildings(session: Session, site: Site) -> list[str]:
    known = {*buildings_of(session, site), *list_buildings(session, site=site.key)}
    return sorted((each for each in known if len(each) <= 64), key=natural_key)


def _usual(site: Site, reader: Reader) -> dict[str, str]:
    today = day_of(reader.now_ms, site.timezone)
    last = today + timedelta(days=USUAL_DAYS)
    return {"title": "", "body": "", "building": "", "starts_on": today.isoformat(), "ends_on": last.isoformat()}


@router.post("/notices/new", dependencies=FORM)
def post(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    title: Text = "",
    body: Text = "",
    building: Text = "",
    starts_on: Text = "",
    ends_on: Text = "",
    form_key: Text = "",
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    reader = reader_of(request)
    entered = {
        "title": title.replace("\0", ""),
        "body": body.replace("\0", "").replace("\r\n", "\n"),
        "building": building.replace("\0", ""),
        "starts_on": starts_on.strip()[:10],
        "ends_on": ends_on.strip()[:10],
    }
    try:
        with held.database.writing() as session:
            found, now_ms = get_site(session, site), held.clock()
            claim = claimed(session, actor=actor, key=form_key, request=["notice", site, entered], now_ms=now_ms)
            if claim is not None and claim.earlier:
                return RedirectResponse(f"/notices/{claim.earlier}", status_code=303)
            if entered["building"] not in ("", *_buildings(session, found)):
                raise InvalidNotice("building")
            starts, ends = _day(entered["starts_on"], "starts"), _day(entered["ends_on"], "days")
            made = post_notice(
                session,
                found,
                kind=NoticeKind.GENERAL,
                text=NoticeText(entered["title"], entered["body"]),
                building=entered["building"],
                # Today means from now on: nobody read it this morning.
                starts_ms=None if starts == day_of(now_ms, found.timezone) else start_of(starts, found.timezone),
                days=(ends - starts).days,
                actor=actor,
                now_ms=now_ms,
            )
            if claim is not None:
                claim.row.result = str(made.id)
            number = made.id
        return RedirectResponse(f"/notices/{number}", status_code=303)
    except InvalidNotice as refused:
        problem = reader._(NOTICE_FAULTS[refused.reason])
    except KeyReused:
        problem = reader._("This form was sent before with other words. Look at the public notices first.")
    return _page(request, actor, held, site, entered=entered, problem=problem, status_code=422)


def _day(text: str, reason: str) -> date:
    """Years that no calendar of ours reaches are refused with the others. Raises InvalidNotice."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidNotice(reason) from error
    if not date(2000, 1, 1) <= day <= date(2200, 1, 1):
        raise InvalidNotice(reason)
    return day
