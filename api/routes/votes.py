"""Votes over HTTP: a ballot is cast, the count is asked for, and whoever doubts it takes the files home."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.ballot_desk import ballot_desk
from api.commands.tally import as_json
from api.pages.rendering import chosen_language
from api.resources import Held
from api.routes.parameters import Id, Text
from api.routes.proposals import proposal_seen
from api.routes.shapes import Page
from api.security import ApiActor, check_site
from api.translations import translator
from api.voting_desk import counting_refusals, draw_receipt
from governance import ballot, paper
from governance.ballot import MAX_PROXY_LENGTH, NewBallot, Proxy
from governance.ballot_box import AskedBallot
from governance.errors import UnknownProposal
from governance.proposal import site_of_proposal
from governance.tally import Choice
from governance.vote import Vote, Voter, get_vote, is_over, turnout_of
from governance.vote_errors import BallotRefused, Refusal
from governance.vote_export import ballots_csv, chain_document, roll_csv
from governance.vote_result import result
from registry.database import compact_json
from registry.role import Actor

CSV_TYPE = "text/csv; charset=utf-8"

router = APIRouter(prefix="/proposals", tags=["votes"])


class NewBallotShape(BaseModel):
    """A ballot of the caller's own part. `owner` is needed of who owns as several; a person's link needs no account."""

    choice: Choice
    owner: Annotated[Text, Field(max_length=64)] | None = None
    link: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None, description="the code of a personal letter"
    )
    identity: Annotated[Text, Field(max_length=16)] = Field(default="", description="the last signs that are asked for")


class ProxyShape(BaseModel):
    """Who votes for an owner in writing; `authorisation` says where the owner's written word is kept."""

    name: Annotated[Text, Field(min_length=1, max_length=MAX_PROXY_LENGTH)]
    phone_end: Annotated[Text, Field(pattern="^[0-9]{4}$")]
    authorisation: Annotated[Text, Field(min_length=1, max_length=200)]


class NewPaper(BaseModel):
    owner: Annotated[Text, Field(min_length=1, max_length=64)]
    choice: Choice
    proxy: ProxyShape | None = None


class SettledPaper(BaseModel):
    """What a third person reads on a sheet; without a choice it is set aside, for the reason that the note gives."""

    choice: Choice | None = None
    note: Annotated[Text, Field(max_length=paper.MAX_NOTE_LENGTH)] = ""


class WaitingPaper(BaseModel):
    """A sheet that waits for its second reading or for a third look; what was read on it is not told."""

    paper_id: int
    owner: str
    state: str


class CastBallot(BaseModel):
    receipt: str = Field(description="shows its holder that the ballot counts as it was cast; told this once")
    seq: int
    replaces: int
    hash: str


class EnteredPaper(BaseModel):
    state: str
    paper_id: int
    seq: int | None


class CountShape(BaseModel):
    owners: int
    area_m2: str


class TallyShape(BaseModel):
    ruleset: str
    matter: str
    roll: CountShape
    participating: CountShape
    consenting: CountShape
    quorum_met: bool
    approved: bool
    reasons: list[str]


@router.post("/{proposal_id}/ballots", status_code=201)
def cast(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewBallotShape) -> CastBallot:
    """Casts, or changes, a ballot of the caller. Times that a client might say are not heard: the server's clock is."""
    receipt = draw_receipt()
    with counting_refusals(held.database):
        with held.database.reading() as session:
            site = site_of_proposal(session, proposal_id)
            check_site(request, actor, site, unknown=UnknownProposal(proposal_id))
            vote_id, voter_id = _voter(session, actor, proposal_id, new)
        link = ballot.link_hash(new.link) if new.link is not None else None
        asked = AskedBallot(vote_id, voter_id, NewBallot(new.choice), receipt, link=link, answer=new.identity)
        made = ballot_desk(request).cast(asked)
    return CastBallot(receipt=receipt, seq=made.seq, replaces=made.replaces, hash=made.hash)


def _voter(session: Session, actor: Actor, proposal_id: int, new: NewBallotShape) -> tuple[int, int]:
    """The vote and the entry of its roll that a ballot is for. Raises UnknownVote, BallotRefused."""
    if new.link is None:
        vote = get_vote(session, proposal_id)
        return vote.id, own_voter(session, vote, actor, new.owner).id
    linked = ballot.find_linked(session, new.link)
    if linked.proposal_id != proposal_id:
        raise BallotRefused(Refusal.FORGED_LINK, vote_id=get_vote(session, proposal_id).id)
    return linked.vote_id, linked.voter_id


def own_voter(session: Session, vote: Vote, actor: Actor, owner: str | None) -> Voter:
    """The entry of the frozen roll that a person votes as. Raises BallotRefused for a stranger and another's part."""
    own = ballot.voters_of_person(session, vote, actor.person_id) if actor.person_id is not None else []
    if owner is not None and owner not in {voter.owner_key for voter in own}:
        known = ballot.find_by_key(session, vote, owner)
        assert known is not None
        raise BallotRefused(Refusal.OTHERS_PART, vote_id=vote.id)
    found = next((voter for voter in own if owner in (None, voter.owner_key)), None)
    if found is None:
        raise BallotRefused(Refusal.STRANGER, vote_id=vote.id)
    return found


@router.post("/{proposal_id}/papers", status_code=201)
def enter_paper(request: Request, actor: ApiActor, held: Held, proposal_id: Id, new: NewPaper) -> EnteredPaper:
    """One reading of a paper ballot; the second is for somebody else, and a third person settles what differs."""
    with counting_refusals(held.database), held.database.writing() as session:
        proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        voter = ballot.find_by_key(session, vote, new.owner)
        proxy = Proxy(new.proxy.name, new.proxy.phone_end, new.proxy.authorisation) if new.proxy is not None else None
        entered = paper.enter_paper(
            session, vote.id, voter, new.choice, proxy=proxy, actor=actor, receipt=draw_receipt(), now_ms=held.clock()
        )
        return _entered(entered)


def _entered(entered: paper.Entered) -> EnteredPaper:
    seq = entered.ballot.seq if entered.ballot is not None else None
    return EnteredPaper(state=entered.state.value, paper_id=entered.paper.id, seq=seq)


@router.get("/{proposal_id}/papers")
def list_papers(request: Request, actor: ApiActor, held: Held, proposal_id: Id) -> Page[WaitingPaper]:
    """The sheets for which the result waits, oldest first, 200 at most."""
    with held.database.reading() as session:
        proposal_seen(request, session, actor, proposal_id)
        waiting = paper.unsettled_papers(session, get_vote(session, proposal_id))
        items = [WaitingPaper(paper_id=sheet.id, owner=voter.owner_key, state=sheet.state) for sheet, voter in waiting]
        return Page(items=items, next=None)


@router.post("/{proposal_id}/papers/{paper_id}/settlement")
def settle_paper(
    request: Request, actor: ApiActor, held: Held, proposal_id: Id, paper_id: Id, settled: SettledPaper
) -> EnteredPaper:
    """A third person's look at a sheet that two people read in two ways; without a choice it is set aside."""
    with counting_refusals(held.database), held.database.writing() as session:
        proposal_seen(request, session, actor, proposal_id)
        entered = paper.settle_paper(
            session,
            get_vote(session, proposal_id).id,
            paper_id,
            settled.choice,
            note=settled.note,
            actor=actor,
            receipt=draw_receipt(),
            now_ms=held.clock(),
        )
        return _entered(entered)


@router.get("/{proposal_id}/tally")
def show_tally(request: Request, actor: ApiActor, held: Held, proposal_id: Id) -> TallyShape:
    """The exact count, after the end; before it 409 with the turnout and the end, and never how it stands."""
    with held.database.reading() as session:
        proposal_seen(request, session, actor, proposal_id)
        counted = result(session, get_vote(session, proposal_id), now_ms=held.clock())
    return TallyShape.model_validate(as_json(counted, translator(chosen_language(request, actor))))


@router.get("/{proposal_id}/turnout")
def show_turnout(request: Request, actor: ApiActor, held: Held, proposal_id: Id) -> dict[str, Any]:
    """Who may vote and how many did, at any time."""
    with held.database.reading() as session:
        proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        turnout = turnout_of(vote)
        over = is_over(session, vote, now_ms=held.clock())
        return {
            "roll": turnout.roll,
            "participating": turnout.participating,
            "is_over": over,
            "papers_waiting": paper.papers_waiting(session, vote),
        }


ExportName = Literal["roll.csv", "ballots.csv", "chain.json", "vote.zip"]


@router.get("/{proposal_id}/export/{name}", response_class=Response)
def export(request: Request, actor: ApiActor, held: Held, proposal_id: Id, name: ExportName) -> Response:
    """The frozen roll, the ballots that count, and the chain that proves them; after the end only."""
    with held.database.reading() as session:
        proposal = proposal_seen(request, session, actor, proposal_id)
        vote = get_vote(session, proposal_id)
        result(session, vote, now_ms=held.clock())
        content, media_type = _file(session, vote, name)
        filename = f"{proposal.site.key}-{proposal.number}-{name}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(content, media_type=media_type, headers=headers)


def _file(session: Session, vote: Vote, name: ExportName) -> tuple[bytes, str]:
    if name == "vote.zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, text in _texts(session, vote).items():
                archive.writestr(each, text)
        return packed.getvalue(), "application/zip"
    media_type = "application/json" if name == "chain.json" else CSV_TYPE
    return _texts(session, vote, name)[name].encode(), media_type


def _texts(session: Session, vote: Vote, only: str = "") -> Mapping[str, str]:
    made: Mapping[str, Callable[[], str]] = {
        "roll.csv": lambda: roll_csv(session, vote),
        "ballots.csv": lambda: ballots_csv(session, vote),
        "chain.json": lambda: compact_json(chain_document(session, vote)),
    }
    return {name: write() for name, write in made.items() if only in ("", name)}
