"""The page of a vote: how many took part, how to vote, objections, and after the end the result with its reasons."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.ballot_desk import ballot_desk
from api.pages.moments import duration_text
from api.pages.rendering import Reader, reader_of, render
from api.pages.vote_words import CHOICE_TITLES, OBJECTION_FAULTS, OBJECTION_TITLES, REFUSAL_WORDS
from api.resources import Held, Resources
from api.routes.proposals import proposal_seen
from api.routes.votes import own_voter
from api.security import PageActor, check_csrf, names_people
from api.voting_desk import counting_refusals, draw_receipt
from governance import ballot, objection, paper, vote_result
from governance.area import area_m2
from governance.ballot import NewBallot
from governance.ballot_box import AskedBallot
from governance.notice import list_notices
from governance.objection import Objection, ObjectionRefused, ObjectionState
from governance.ruleset import RULESETS, Limit
from governance.tally import Choice, Reason, Tally
from governance.vote import Turnout, Vote, find_vote, get_vote, is_over, parts_of_voters, ruleset_of, turnout_of
from governance.vote_errors import BallotRefused, ResultNotYet
from registry.role import Actor

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/proposals/{proposal_id}/vote")
def show_vote(request: Request, actor: PageActor, held: Held, proposal_id: int) -> HTMLResponse:
    return vote_page(request, actor, held, proposal_id)


def vote_page(
    request: Request, actor: Actor, held: Resources, proposal_id: int, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        vote = find_vote(session, proposal_id)
        return render(
            request,
            "vote.html" if vote is not None else "vote_none.html",
            reader,
            status_code=status_code,
            proposal_id=proposal.id,
            number=proposal.number,
            title=proposal.title,
            site=proposal.site.key,
            site_name=proposal.site.name,
            problem=problem,
            **(_facts(session, vote, actor, reader) if vote is not None else {}),
        )


def _facts(session: Session, vote: Vote, actor: Actor, reader: Reader) -> dict[str, Any]:
    zone, law = vote.site.timezone, ruleset_of(vote.terms)
    over = is_over(session, vote, now_ms=reader.now_ms)
    turnout, names = turnout_of(vote), names_people(actor, vote.site.key)
    own = ballot.voters_of_person(session, vote, actor.person_id) if actor.person_id is not None else []
    parts = parts_of_voters(session, [voter.id for voter in own])
    is_keeper = reader.may("POST", "/proposals/{proposal_id}/papers", site=vote.site.key)
    try:
        counted: Tally | None = vote_result.result(session, vote, now_ms=reader.now_ms)
    except ResultNotYet:
        counted = None
    return {
        "over": over,
        "opens": reader.appointment(vote.opens_ms, zone),
        "closes": reader.end(vote.closes_ms, zone),
        "left": duration_text(max(0, vote.closes_ms - reader.now_ms), _=reader._),
        "bars": _bars(turnout, law.quorum, reader),
        "needed": _needed(law.quorum),
        "consent_needed": _needed(law.consent[vote.matter]),
        "consent_of_all": law.consent[vote.matter].base.value == "all",
        "building": vote.building,
        "ruleset": law.key,
        "matter": vote.matter.value,
        "has_own_rules": law != RULESETS[law.key],
        "is_secret": vote.is_secret,
        "may_change": vote.may_change,
        "papers_waiting": paper.papers_waiting(session, vote),
        "is_keeper": is_keeper,
        "refusals": [(reader._(REFUSAL_WORDS[reason]), n) for reason, n in ballot.refusals_of(session, vote).items()]
        if is_keeper
        else [],
        "own": [
            (voter.owner_key, [part.part for part in parts[voter.id]], voter.ballot_id is not None) for voter in own
        ],
        "choices": [(choice.value, reader._(title)) for choice, title in CHOICE_TITLES.items()],
        "result": _result(counted, reader) if counted is not None else None,
        "head": vote.last_hash,
        "ballots": vote.last_seq,
        "notices": [
            (notice.id, title) for notice, title in list_notices(session, subject=f"proposal:{vote.proposal_id}")
        ],
        "objections": _objections(objection.objections_to(session, vote.subject), reader, zone, names=names),
    }


def _bars(turnout: Turnout, quorum: Limit, reader: Reader) -> list[Mapping[str, Any]]:
    """Both counts with their place on the way to the quorum."""
    needed = round(float(quorum.share) * 100, 1)
    counts = (
        (reader._("Owners"), str(turnout.voted_owners), str(turnout.owners), turnout.voted_owners, turnout.owners),
        (
            reader._("Area in m²"),
            str(area_m2(turnout.voted_area_mm2)),
            str(area_m2(turnout.area_mm2)),
            turnout.voted_area_mm2,
            turnout.area_mm2,
        ),
    )
    return [
        {
            "title": title,
            "count": count,
            "base": base,
            # Rounded down: a bar never says that something is reached which is not.
            "percent": (voted * 1000 // everybody) / 10 if everybody else 0.0,
            "needed": needed,
        }
        for title, count, base, voted, everybody in counts
    ]


def _needed(limit: Limit) -> str:
    return f"{'>' if limit.is_exceeded else '≥'} {limit.share}"


def _result(counted: Tally, reader: Reader) -> dict[str, Any]:
    return {
        "approved": counted.is_approved,
        "quorum_met": counted.is_quorum_met,
        "rows": [
            (reader._("On the roll"), counted.roll.owners, f"{counted.roll.area_m2:f}"),
            (reader._("Took part"), counted.participating.owners, f"{counted.participating.area_m2:f}"),
            (reader._("Consented"), counted.consenting.owners, f"{counted.consenting.area_m2:f}"),
        ],
        "reasons": [_reason(reason, reader) for reason in counted.reasons],
    }


def _reason(reason: Reason, reader: Reader) -> str:
    return reader._(reason.message, **reason.facts)


def _objections(rows: Any, reader: Reader, zone: str, *, names: bool) -> list[dict[str, Any]]:
    found: list[Objection] = list(rows)
    return [
        {
            "id": each.id,
            "about": each.about,
            "text": each.text,
            "by": each.by if names else "",
            "at": reader.moment(each.at_ms, zone),
            "state": reader._(OBJECTION_TITLES[ObjectionState(each.state)]),
            "is_open": each.state == ObjectionState.OPEN.value,
            "answer": each.answer,
        }
        for each in found
    ]


objection_rows = _objections


@router.post("/proposals/{proposal_id}/vote/ballot", dependencies=FORM)
def cast(
    request: Request, actor: PageActor, held: Held, proposal_id: int, choice: Text = "", owner: Text = ""
) -> Response:
    """A ballot by account: the person's own parts, by the link of the roll with the account."""
    reader = reader_of(request)
    chosen = next((each for each in Choice if each.value == choice), None)
    if chosen is None:
        problem = reader._("Choose one of the three.")
        return vote_page(request, actor, held, proposal_id, problem=problem, status_code=422)
    try:
        with counting_refusals(held.database):
            with held.database.reading() as session:
                proposal_seen(request, session, actor, proposal_id)
                vote = get_vote(session, proposal_id)
                voter = own_voter(session, vote, actor, owner or None)
                asked = AskedBallot(vote.id, voter.id, NewBallot(chosen), draw_receipt())
            made = ballot_desk(request).cast(asked)
        with held.database.reading() as session:
            return receipt_page(request, session.get_one(Vote, asked.vote_id), made.replaces, asked.receipt, chosen)
    except BallotRefused as refused:
        problem = reader._(REFUSAL_WORDS[refused.reason])
        return vote_page(request, actor, held, proposal_id, problem=problem, status_code=409)


def receipt_page(request: Request, vote: Vote, replaces: int, receipt: str, choice: Choice) -> HTMLResponse:
    """What an owner is shown once: that the ballot is in, and the receipt by which it can be looked up."""
    reader = reader_of(request)
    return render(
        request,
        "ballot_cast.html",
        reader,
        receipt=receipt,
        choice=reader._(CHOICE_TITLES[choice]),
        title=vote.terms["title"],
        proposal_id=vote.proposal_id,
        closes=reader.end(vote.closes_ms, vote.site.timezone),
        may_change=vote.may_change,
        replaces=bool(replaces),
    )


@router.post("/proposals/{proposal_id}/vote/objections", dependencies=FORM)
def object_to(
    request: Request, actor: PageActor, held: Held, proposal_id: int, text: Text = "", about: Text = ""
) -> Response:
    try:
        with held.database.writing() as session:
            proposal = proposal_seen(request, session, actor, proposal_id)
            vote, words = get_vote(session, proposal_id), text.replace("\0", "")
            about = about.replace("\0", "")
            now_ms = held.clock()
            objection.object_to(
                session, proposal.site, vote.subject, about=about, text=words, actor=actor, now_ms=now_ms
            )
    except ObjectionRefused as refused:
        problem = reader_of(request)._(OBJECTION_FAULTS[refused.reason])
        return vote_page(request, actor, held, proposal_id, problem=problem, status_code=422)
    return RedirectResponse(f"/proposals/{proposal_id}/vote#objections", status_code=303)


@router.post("/proposals/{proposal_id}/vote/objections/{objection_id}", dependencies=FORM)
def answer(
    request: Request,
    actor: PageActor,
    held: Held,
    proposal_id: int,
    objection_id: int,
    answer: Text = "",
    upheld: Text = "",
) -> Response:
    try:
        with held.database.writing() as session:
            proposal = proposal_seen(request, session, actor, proposal_id)
            objection.answer_objection(
                session,
                proposal.site,
                objection_id,
                upheld=upheld == "1",
                answer=answer.replace("\0", ""),
                actor=actor,
                now_ms=held.clock(),
            )
    except ObjectionRefused as refused:
        problem = reader_of(request)._(OBJECTION_FAULTS[refused.reason])
        return vote_page(request, actor, held, proposal_id, problem=problem, status_code=422)
    return RedirectResponse(f"/proposals/{proposal_id}/vote#objections", status_code=303)
