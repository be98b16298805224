"""What an owner does without an account: vote by the code of a personal letter, and look a ballot up by its receipt.

Looking changes nothing: a messenger that opens links beforehand votes for nobody. The code tells no name.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.ballot_desk import ballot_desk
from api.pages.notices import desk_of, too_often, wait_for
from api.pages.rendering import reader_of, render
from api.pages.vote_page import receipt_page
from api.pages.vote_words import CHANNEL_TITLES, CHOICE_TITLES, IDENTITY_QUESTIONS, REFUSAL_WORDS
from api.resources import Held, Resources
from api.security import check_same_origin
from api.voting_desk import as_code, as_receipt, counting_refusals, draw_receipt
from governance import ballot
from governance.ballot import NewBallot
from governance.ballot_box import AskedBallot
from governance.identity import CHECKS
from governance.masking import mask_name
from governance.tally import Channel, Choice
from governance.vote import Vote, Voter, is_over, parts_of_voters
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_rules import Identity

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/ballot")
def ask_for_code(request: Request, held: Held) -> Response:
    """Where the code is typed in that stands on a letter."""
    code = as_code(request.query_params.get("code", ""))
    if code:
        return RedirectResponse(f"/ballot/{code}", status_code=303)
    return render(request, "ballot_find.html", reader_of(request), problem="", entered="")


@router.get("/ballot/{code}")
def show_ballot(request: Request, held: Held, code: str) -> Response:
    if wait_ms := wait_for(request, held, desk_of(request).looks):
        return too_often(request, wait_ms)
    try:
        with counting_refusals(held.database), held.database.reading() as session:
            vote, voter = ballot.find_by_link(session, as_code(code))
            return _form(request, session, vote, voter, as_code(code))
    except BallotRefused as refused:
        return _unknown(request, refused, code)


@router.post("/ballot/{code}")
def cast(request: Request, held: Held, code: str, choice: Text = "", identity: Text = "") -> Response:
    """Takes a ballot. The code is the key; what is asked for beside it is checked first, wrong answers are counted."""
    check_same_origin(request)
    if wait_ms := wait_for(request, held, desk_of(request).ballots):
        return too_often(request, wait_ms)
    try:
        with counting_refusals(held.database):
            return _cast(request, held, as_code(code), choice, identity[:16])
    except BallotRefused as refused:
        if refused.reason is Refusal.FORGED_LINK:
            return _unknown(request, refused, code)
        with held.database.reading() as session:
            vote, voter = ballot.find_by_link(session, as_code(code))
            return _form(request, session, vote, voter, as_code(code), refused=refused, chosen=choice)


def _cast(request: Request, held: Resources, code: str, choice: str, identity: str) -> Response:
    chosen = next((each for each in Choice if each.value == choice), None)
    with held.database.reading() as session:
        vote, voter = ballot.find_by_link(session, code)
        if chosen is None:
            return _form(request, session, vote, voter, code, nothing_chosen=True)
        asked = AskedBallot(
            vote.id, voter.id, NewBallot(chosen), draw_receipt(), link=ballot.link_hash(code), answer=identity
        )
    made = ballot_desk(request).cast(asked)
    with held.database.reading() as session:
        return receipt_page(request, session.get_one(Vote, asked.vote_id), made.replaces, asked.receipt, chosen)


def _form(
    request: Request,
    session: Session,
    vote: Vote,
    voter: Voter,
    code: str,
    *,
    refused: BallotRefused | None = None,
    nothing_chosen: bool = False,
    chosen: str = "",
) -> HTMLResponse:
    reader = reader_of(request)
    problem = reader._(REFUSAL_WORDS[refused.reason]) if refused is not None else ""
    if nothing_chosen:
        problem = reader._("Choose one of the three.")
    identity = Identity(vote.identity)
    asks = CHECKS[identity].is_asked(voter)
    over = is_over(session, vote, now_ms=reader.now_ms)
    return render(
        request,
        "ballot.html",
        reader,
        status_code=409 if refused is not None else 422 if nothing_chosen else 200,
        code=code,
        title=vote.terms["title"],
        site_name=vote.site.name,
        owner=mask_name(voter.representative or voter.name),
        parts=[(each.part, each.area_mm2 / 1_000_000) for each in parts_of_voters(session, [voter.id])[voter.id]],
        question=reader._(IDENTITY_QUESTIONS[identity]) if asks else "",
        choices=[(each.value, reader._(words)) for each, words in CHOICE_TITLES.items()],
        chosen=chosen,
        closes=reader.end(vote.closes_ms, vote.site.timezone),
        over=over,
        has_voted=voter.ballot_id is not None,
        may_change=vote.may_change,
        is_secret=vote.is_secret,
        proposal_id=vote.proposal_id,
        problem=problem,
    )


def _unknown(request: Request, refused: BallotRefused, code: str) -> HTMLResponse:
    reader = reader_of(request)
    problem = reader._(REFUSAL_WORDS[refused.reason])
    return render(request, "ballot_find.html", reader, problem=problem, entered=as_code(code), status_code=404)


@router.get("/receipt")
def ask_for_receipt(request: Request, held: Held) -> Response:
    return render(request, "receipt.html", reader_of(request), problem="", found=None, entered="")


@router.post("/receipt")
def show_receipt(request: Request, held: Held, receipt: Text = "") -> Response:
    """By POST: a receipt opens a ballot, and addresses are kept by browsers and proxies."""
    check_same_origin(request)
    if wait_ms := wait_for(request, held, desk_of(request).looks):
        return too_often(request, wait_ms)
    reader, typed = reader_of(request), as_receipt(receipt)
    with held.database.reading() as session:
        found = ballot.find_receipt(session, typed)
        if found is None:
            problem = reader._("No ballot has this receipt. Look again at how it is written.")
            return render(request, "receipt.html", reader, problem=problem, found=None, entered=typed, status_code=404)
        shown = {
            "title": found.vote.terms["title"],
            "choice": reader._(CHOICE_TITLES[found.choice]),
            "channel": reader._(CHANNEL_TITLES[Channel(found.ballot.channel)]),
            "at": reader.moment(found.ballot.received_ms, found.vote.site.timezone),
            "seq": found.ballot.seq,
            "hash": found.ballot.hash,
            "counts": found.counts,
            "is_sound": found.is_sound,
        }
        return render(request, "receipt.html", reader, problem="", found=shown, entered=typed)
