"""The maintenance fund: what is in it, the line below which it is replenished, and every movement."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.proposal_forms import read_choice, read_day, read_fen
from api.pages.proposal_words import MOVEMENT_TITLES, problem_text
from api.pages.rendering import reader_of, render
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, permitted_sites
from governance import fund
from governance.errors import GovernanceError
from governance.execution import yuan
from governance.fund import FundMovement, MovementKind, UnknownAccount
from governance.statutory_days import day_of
from registry.errors import UnknownSite
from registry.replay import KeyReused
from registry.role import Actor
from registry.site import get_site, list_sites

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]
BOOKED = (MovementKind.CONTRIBUTION, MovementKind.INTEREST, MovementKind.CORRECTION)


@dataclass(frozen=True, slots=True)
class AccountCard:
    """An account as it stands; `share` is the balance of the initial amount in per cent, 100 at most for the bar."""

    id: int
    site: str
    site_name: str
    building: str
    balance: str
    initial: str
    line: str
    share: int
    is_below: bool
    movements: list[tuple[FundMovement, str, str]]


@router.get("/fund")
def show_fund(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return fund_page(request, actor, held, site=site)


def fund_page(
    request: Request, actor: Actor, held: Resources, *, site: str = "", problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        visible = permitted_sites(request, actor)
        sites = list_sites(session, visible=visible)
        cards = []
        for account in fund.accounts(session, visible=visible, site=site.replace("\0", "") or None):
            standing = fund.standing_of(session, account)
            cards.append(
                AccountCard(
                    id=account.id,
                    site=account.site.key,
                    site_name=account.site.name,
                    building=account.building,
                    balance=yuan(standing.balance_fen),
                    initial=yuan(account.initial_fen),
                    line=yuan(standing.line_fen),
                    share=max(0, min(100, 100 * standing.balance_fen // account.initial_fen)),
                    is_below=standing.is_below_line,
                    movements=[
                        (row, _(MOVEMENT_TITLES[MovementKind(row.kind)]), yuan(row.amount_fen))
                        for row in fund.movements_of(session, account.id)
                    ],
                )
            )
        return render(
            request,
            "fund.html",
            reader,
            status_code=status_code,
            problem=problem,
            cards=cards,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
            kinds=[(each, _(MOVEMENT_TITLES[each])) for each in BOOKED],
            may_book=reader.may("POST", "/fund"),
            today=day_of(reader.now_ms, sites[0].timezone).isoformat() if sites else "",
            form_key=secrets.token_urlsafe(16),
        )


@router.post("/fund", dependencies=FORM)
def open_account(
    request: Request,
    actor: PageActor,
    held: Held,
    site: Text = "",
    building: Text = "",
    initial: Text = "",
    opened_on: Text = "",
) -> Response:
    reader = reader_of(request)
    try:
        with held.database.writing() as session:
            check_site(request, actor, site, unknown=UnknownSite(site))
            fund.open_account(
                session,
                get_site(session, site),
                building=building.replace("\0", "").strip()[:100],
                initial_fen=read_fen("initial_fen", initial),
                opened_on=read_day("day", opened_on),
                actor=actor,
                now_ms=held.clock(),
            )
        return RedirectResponse("/fund", status_code=303)
    except GovernanceError as error:
        return fund_page(request, actor, held, problem=problem_text(error, _=reader._), status_code=422)


@router.post("/fund/{account_id}/movements", dependencies=FORM)
def book(
    request: Request,
    actor: PageActor,
    held: Held,
    account_id: int,
    kind: Text = "",
    amount: Text = "",
    moved_on: Text = "",
    note: Text = "",
    form_key: Text = "",
) -> Response:
    reader = reader_of(request)
    try:
        with held.database.writing() as session:
            if not 0 < account_id < 2**62:
                raise UnknownAccount(account_id)
            account = fund.get_account(session, account_id)
            check_site(request, actor, account.site.key, unknown=UnknownAccount(account_id))
            asked = ["book", account_id, kind, amount, moved_on, note]
            claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=held.clock())
            if claim is None or claim.earlier is None:
                fund.book(
                    session,
                    account,
                    read_choice("kind", MovementKind, kind),
                    read_fen("amount", amount),
                    on=read_day("day", moved_on),
                    note=note.replace("\0", ""),
                    actor=actor,
                    now_ms=held.clock(),
                )
        return RedirectResponse("/fund", status_code=303)
    except UnknownAccount:
        raise
    except GovernanceError as error:
        problem = problem_text(error, _=reader._)
    except KeyReused:
        problem = reader._("This form was sent before with other words. Look at the account as it is now.")
    return fund_page(request, actor, held, problem=problem, status_code=422)
