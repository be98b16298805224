"""The desk of a vote on paper: letters with personal codes, ballot papers to print, and sheets that are read twice."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from api.pages.notices import base_of
from api.pages.rendering import reader_of, render
from api.pages.report_codes import drawn
from api.pages.vote_words import CHOICE_TITLES, PAPER_STATE_TITLES, REFUSAL_WORDS
from api.resources import Held, Resources
from api.routes.proposals import proposal_seen
from api.security import PageActor, check_csrf
from api.voting_desk import counting_refusals, draw_link_code, draw_receipt, grouped
from governance import ballot, paper
from governance.area import area_m2
from governance.ballot import Proxy
from governance.paper import Entered, PaperState
from governance.roll_file import PHONE_END
from governance.tally import Choice
from governance.vote import get_vote, is_over, parts_of_voters
from governance.vote_errors import BallotRefused
from registry.natural_order import natural_key
from registry.role import Actor

MOST_LETTERS = 500

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/proposals/{proposal_id}/papers")
def show_desk(request: Request, actor: PageActor, held: Held, proposal_id: int) -> HTMLResponse:
    return _desk(request, actor, held, proposal_id)


def _desk(
    request: Request,
    actor: Actor,
    held: Resources,
    proposal_id: int,
    *,
    problem: str = "",
    done: str = "",
    receipt: str = "",
    entered: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        waiting = paper.unsettled_papers(session, vote)
        parts = parts_of_voters(session, [voter.id for _, voter in waiting])
        return render(
            request,
            "paper_desk.html",
            reader,
            status_code=status_code,
            proposal_id=proposal.id,
            title=proposal.title,
            over=is_over(session, vote, now_ms=reader.now_ms),
            closes=reader.end(vote.closes_ms, vote.site.timezone),
            problem=problem,
            done=done,
            receipt=receipt,
            entered=entered,
            most_proxies=vote.most_proxies,
            choices=[(each.value, reader._(words)) for each, words in CHOICE_TITLES.items()],
            # What was read is not shown: the second reading would be no reading of its own.
            waiting=[
                {
                    "id": sheet.id,
                    "parts": [part.part for part in parts[voter.id]],
                    "owner": voter.owner_key,
                    "state": reader._(PAPER_STATE_TITLES[PaperState(sheet.state)]),
                    "differs": sheet.state == PaperState.DIFFERS.value,
                    "by": reader._(", ").join(reader.who(name) for name in (sheet.first_by, sheet.second_by) if name),
                    "is_mine": actor.name in (sheet.first_by, sheet.second_by),
                    "at": reader.moment(sheet.first_ms, vote.site.timezone),
                }
                for sheet, voter in waiting
            ],
        )


@router.post("/proposals/{proposal_id}/papers", dependencies=FORM)
def enter(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    part: Text = "",
    choice: Text = "",
    proxy_name: Text = "",
    proxy_phone_end: Text = "",
    proxy_authorisation: Text = "",
) -> Response:
    reader = reader_of(request)
    chosen = next((each for each in Choice if each.value == choice), None)
    part, proxy_name = part.replace("\0", "").strip()[:64], proxy_name.replace("\0", "").strip()
    proxy = Proxy(proxy_name, proxy_phone_end.strip(), proxy_authorisation.replace("\0", "")) if proxy_name else None
    if chosen is None or not part:
        problem = reader._("Say which part the sheet is of, and what is marked on it.")
        return _desk(request, actor, held, proposal_id, problem=problem, entered=part, status_code=422)
    if proxy is not None and not (PHONE_END.fullmatch(proxy.phone_end) and proxy.authorisation.strip()):
        problem = reader._("Of who votes for the owner, give the last four digits and where the authorisation is kept.")
        return _desk(request, actor, held, proposal_id, problem=problem, entered=part, status_code=422)
    receipt = draw_receipt()
    try:
        with counting_refusals(held.database), held.database.writing() as session:
            proposal_seen(request, session, actor, proposal_id)
            vote = get_vote(session, proposal_id)
            voter = ballot.find_by_part(session, vote, part)
            found = paper.enter_paper(
                session, vote.id, voter, chosen, proxy=proxy, actor=actor, receipt=receipt, now_ms=held.clock()
            )
    except BallotRefused as refused:
        problem = reader._(REFUSAL_WORDS[refused.reason])
        return _desk(request, actor, held, proposal_id, problem=problem, entered=part, status_code=409)
    return _told(request, actor, held, proposal_id, part, found, receipt)


@router.post("/proposals/{proposal_id}/papers/{paper_id}", dependencies=FORM)
def settle(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    paper_id: int,
    choice: Text = "",
    note: Text = "",
) -> Response:
    """A third look; without a choice the sheet is set aside."""
    chosen = next((each for each in Choice if each.value == choice), None)
    receipt = draw_receipt()
    try:
        with counting_refusals(held.database), held.database.writing() as session:
            proposal_seen(request, session, actor, proposal_id)
            vote = get_vote(session, proposal_id)
            found = paper.settle_paper(
                session,
                vote.id,
                min(paper_id, 2**62),
                chosen,
                note=note.replace("\0", ""),
                actor=actor,
                receipt=receipt,
                now_ms=held.clock(),
            )
    except BallotRefused as refused:
        problem = reader_of(request)._(REFUSAL_WORDS[refused.reason])
        return _desk(request, actor, held, proposal_id, problem=problem, status_code=409)
    return _told(request, actor, held, proposal_id, f"{paper_id}", found, receipt)


def _told(
    request: Request, actor: Actor, held: Resources, proposal_id: int, sheet: str, found: Entered, receipt: str
) -> HTMLResponse:
    _ = reader_of(request)._
    done = _("The sheet of %(sheet)s %(state)s.", sheet=sheet, state=_(PAPER_STATE_TITLES[found.state]))
    shown = receipt if found.ballot is not None else ""
    return _desk(request, actor, held, proposal_id, done=done, receipt=shown)


@router.get("/proposals/{proposal_id}/ballot-papers")
def ballot_papers(request: Request, actor: PageActor, held: Held, proposal_id: int, building: str = "") -> HTMLResponse:
    """Sheets to be printed, one for each owner of a building."""
    return _letters(request, actor, held, proposal_id, building, template="ballot_papers.html")


@router.get("/proposals/{proposal_id}/letters")
def show_letters(request: Request, actor: PageActor, held: Held, proposal_id: int, building: str = "") -> HTMLResponse:
    return _letters(request, actor, held, proposal_id, building, template="vote_letters.html")


@router.post("/proposals/{proposal_id}/letters", dependencies=FORM)
def draw_letters(
    request: Request, actor: PageActor, held: Held, proposal_id: int, building: Text = "", owner: Text = ""
) -> HTMLResponse:
    """Draws new codes and shows the letters, this once: only hashes are kept."""
    with held.database.writing() as session:
        proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        voters = ballot.voters_in(session, vote, building[:64], only=owner.strip()[:64], limit=MOST_LETTERS)
        codes = {voter.id: draw_link_code() for voter in voters}
        if codes:
            ballot.draw_links(session, vote, codes, actor=actor, now_ms=held.clock())
    return _letters(
        request, actor, held, proposal_id, building, template="vote_letters.html", only=owner.strip(), codes=codes
    )


def _letters(
    request: Request,
    actor: Actor,
    held: Resources,
    proposal_id: int,
    building: str,
    *,
    template: str,
    only: str = "",
    codes: dict[int, str] | None = None,
) -> HTMLResponse:
    reader = reader_of(request)
    base = base_of(request, held.settings)
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        buildings = sorted(ballot.buildings_of_vote(session, vote), key=natural_key)
        building = building if building in buildings else ""
        voters = ballot.voters_in(session, vote, building, only=only[:64], limit=MOST_LETTERS + 1)
        parts = parts_of_voters(session, [voter.id for voter in voters])
        sheets = [
            {
                "owner": voter.owner_key,
                "name": voter.representative or voter.name,
                "parts": [part.part for part in parts[voter.id]],
                "area": str(area_m2(voter.area_mm2)),
                "code": grouped(codes[voter.id]) if codes and voter.id in codes else "",
                "address": f"{base}/ballot/{codes[voter.id]}" if codes and voter.id in codes else "",
                "drawing": drawn(f"{base}/ballot/{codes[voter.id]}") if codes and voter.id in codes else "",
            }
            for voter in voters[:MOST_LETTERS]
        ]
        return render(
            request,
            template,
            reader,
            proposal_id=proposal.id,
            number=proposal.number,
            title=proposal.title,
            site_name=proposal.site.name,
            closes=reader.end(vote.closes_ms, vote.site.timezone),
            base=base,
            buildings=[(each, each == building) for each in buildings],
            building=building,
            sheets=sheets,
            is_drawn=codes is not None,
            more=len(voters) > MOST_LETTERS,
            drawn_before=sum(voter.link_hash is not None for voter in voters),
            choices=[reader._(words) for words in CHOICE_TITLES.values()],
        )
