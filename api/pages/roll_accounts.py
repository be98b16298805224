"""Which account votes as which owner: looked for, linked, taken back, with what was before."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.pages.board import SiteChoice
from api.pages.rendering import reader_of, render
from api.pages.vote_words import LINK_FAULTS
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance import roll_link
from governance.owners_roll import count_roll
from governance.roll_link import LinkRefused, UnknownOwner
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import Site, get_site, list_sites

OWNERS_SHOWN = 50
LONGEST_WORDS = 64
MAX_ID = 2**62

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/roll/accounts")
def show_accounts(
    request: Request,
    actor: PageActor,
    held: Held,
    site: str = "",
    search: str = "",
    linked: str = "",
    after: str = "",
) -> HTMLResponse:
    reader = reader_of(request)
    words, after = _words(search), _words(after)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = next((each for each in sites if each.key == site), None) or (sites[0] if sites else None)
        if site and (chosen is None or chosen.key != site):
            raise UnknownSite(site)
        found = (
            roll_link.list_owners(
                session,
                chosen,
                words=words,
                is_linked={"yes": True, "no": False}.get(linked),
                after=after,
                limit=OWNERS_SHOWN + 1,
            )
            if chosen is not None
            else []
        )
        return render(
            request,
            "roll_accounts.html",
            reader,
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            owners=found[:OWNERS_SHOWN],
            next_after=found[OWNERS_SHOWN - 1].key if len(found) > OWNERS_SHOWN else "",
            has_roll=chosen is not None and count_roll(session, chosen).parts > 0,
            search=words,
            linked=linked if linked in ("yes", "no") else "",
        )


def _words(text: str) -> str:
    return text.replace("\0", "").strip()[:LONGEST_WORDS]


@router.get("/roll/accounts/{owner_id}")
def show_owner(
    request: Request, actor: PageActor, held: Held, owner_id: int, site: str = "", search: str = ""
) -> HTMLResponse:
    check_site(request, actor, site, unknown=UnknownSite(site))
    return _owner_page(request, held, owner_id, site, search=search)


def _owner_page(
    request: Request,
    held: Resources,
    owner_id: int,
    site_key: str,
    *,
    search: str = "",
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader, words = reader_of(request), _words(search)
    with held.database.reading() as session:
        site = get_site(session, site_key)
        owners = roll_link.list_owners(session, site, owner_id=owner_id) if 0 < owner_id < MAX_ID else []
        if not owners:
            raise UnknownOwner(owner_id)
        owner = owners[0]
        return render(
            request,
            "roll_account.html",
            reader,
            status_code=status_code,
            site=site.key,
            site_name=site.name,
            owner=owner,
            search=words,
            accounts=[] if owner.account else roll_link.find_accounts(session, site, words=words),
            history=[
                (
                    reader.moment(row.at_ms, site.timezone),
                    row.before,
                    row.after,
                    row.by,
                    row.reason,
                )
                for row in roll_link.link_changes(session, site, owner.key)
            ],
            problem=problem,
        )


@router.post("/roll/accounts/{owner_id}/link", dependencies=FORM)
def link(
    request: Request,
    actor: PageActor,
    held: Held,
    owner_id: int,
    site: Text = "",
    account: Text = "",
    reason: Text = "",
) -> Response:
    def act(session: Session, found: Site) -> None:
        name, why, now_ms = _words(account), reason.replace("\0", ""), held.clock()
        roll_link.link_account(session, found, owner_id, name, reason=why, actor=actor, now_ms=now_ms)

    return _done(request, actor, held, owner_id, site, act)


@router.post("/roll/accounts/{owner_id}/unlink", dependencies=FORM)
def unlink(
    request: Request, actor: PageActor, held: Held, owner_id: int, site: Text = "", reason: Text = ""
) -> Response:
    def act(session: Session, found: Site) -> None:
        why, now_ms = reason.replace("\0", ""), held.clock()
        roll_link.unlink_account(session, found, owner_id, reason=why, actor=actor, now_ms=now_ms)

    return _done(request, actor, held, owner_id, site, act)


def _done(
    request: Request,
    actor: Actor,
    held: Resources,
    owner_id: int,
    site: str,
    act: Callable[[Session, Site], None],
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    if not 0 < owner_id < MAX_ID:
        raise UnknownOwner(owner_id)
    try:
        with held.database.writing() as session:
            act(session, get_site(session, site))
    except LinkRefused as refused:
        problem = reader_of(request)._(LINK_FAULTS[refused.reason])
        return _owner_page(request, held, owner_id, site, problem=problem, status_code=422)
    return RedirectResponse(f"/roll/accounts/{owner_id}?site={site}", status_code=303)
