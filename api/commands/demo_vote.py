"""A vote of one building that is over in the demonstration: its result, the notice of it, and the signed export."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.orm import Session

from api.proposal_desk import make_step, settle_votes
from api.translations import Translator, msgid
from governance import ballot, evidence_desk, procedure
from governance.ballot import NewBallot
from governance.ballot_box import cast_ballot
from governance.evidence_entries import OptionKind
from governance.owners_roll import list_parts
from governance.procedure import Brought, Draft
from governance.proposal import get_proposal
from governance.proposal_needs import VoteDates
from governance.proposal_stages import ProposalStage
from governance.ruleset import Matter
from governance.statutory_days import Meeting, day_of, end_of, start_of
from governance.tally import Channel, Choice
from governance.vote import get_vote
from registry.database import Database
from registry.role import Actor, Party
from registry.site import Site, get_site

BUILDING = "7幢"
AMOUNT_FEN = 4_800_000
POSTED_DAYS_AGO, VOTE_DAYS = 34, 7
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
CHOICES = (*[Choice.CONSENT] * 9, *[Choice.OBJECT] * 3, Choice.ABSTAIN)

People = Mapping[str, Actor]


def add_finished_vote(database: Database, site_key: str, *, cast: People, _: Translator, now_ms: int) -> None:
    """The stairwells of one building get new lights: voted on under the law of today, approved, published, begun."""
    with database.writing() as session:
        proposal_id = _posted(session, get_site(session, site_key), cast, _, now_ms)
    if proposal_id is None:
        return
    with database.writing() as session:
        # In one transaction: the newest row of the log is a witness of the time, and would end the vote otherwise.
        _voted(session, proposal_id, cast, _)
        closes_ms = get_vote(session, proposal_id).closes_ms
    settle_votes(database, _=_, now_ms=closes_ms + HOUR_MS)
    with database.writing() as session:
        committee, at_ms = cast["committee"], closes_ms + DAY_MS
        make_step(session, proposal_id, ProposalStage.EXECUTING, actor=committee, _=_, now_ms=at_ms + HOUR_MS)


def _posted(session: Session, site: Site, cast: People, _: Translator, now_ms: int) -> int | None:
    if len({part.owner_id for part in list_parts(session, site, building=BUILDING)}) < len(CHOICES):
        return None
    committee, posted_ms = cast["committee"], now_ms - POSTED_DAYS_AGO * DAY_MS
    began_ms = posted_ms - 12 * DAY_MS
    draft = Draft(
        title=_(msgid("New lights in the stairwells of building 7")),
        matter=Matter.USE,
        amount_fen=AMOUNT_FEN,
        reason=_(msgid("A third of the lights are dark, and old people fall. The lamps are not made any more.")),
        plan=_(msgid("Sixty lamps with motion sensors, two years of warranty, five days of work.")),
        building=BUILDING,
    )
    proposal = procedure.draft_proposal(session, site, draft, actor=committee, now_ms=began_ms)
    evidence_desk.add_option(
        session,
        proposal.id,
        kind=OptionKind.REPLACE,
        title=_(msgid("Lamps with motion sensors")),
        quoted_fen=AMOUNT_FEN,
        quoted_on=day_of(began_ms, site.timezone),
        is_chosen=True,
        actor=committee,
        now_ms=began_ms,
    )
    make_step(session, proposal.id, ProposalStage.PROPOSED, actor=committee, _=_, now_ms=began_ms + DAY_MS)
    for place, (party, name) in enumerate(
        ((Party.COMMITTEE, "committee"), (Party.PROPERTY, "manager"), (Party.COMMUNITY, "community"))
    ):
        signed_ms = began_ms + 3 * DAY_MS + place * HOUR_MS
        procedure.sign(session, proposal.id, party, actor=cast[name], now_ms=signed_ms)
    make_step(session, proposal.id, ProposalStage.TABLED, actor=committee, _=_, now_ms=began_ms + 4 * DAY_MS)
    opinion = _(msgid("Seen on site in the evening: it is needed. To be put to the owners of the building."))
    make_step(
        session,
        proposal.id,
        ProposalStage.PRE_REVIEWED,
        actor=cast["community"],
        note=opinion,
        _=_,
        now_ms=began_ms + 8 * DAY_MS,
    )
    opens_on = day_of(posted_ms, site.timezone) + timedelta(days=16)
    dates = VoteDates(Meeting.ORDINARY, opens_on, opens_on + timedelta(days=VOTE_DAYS))
    brought = Brought(vote_dates=dates)
    make_step(session, proposal.id, ProposalStage.POSTED, actor=committee, brought=brought, _=_, now_ms=posted_ms)
    return proposal.id


def _voted(session: Session, proposal_id: int, cast: People, _: Translator) -> None:
    proposal = get_proposal(session, proposal_id)
    assert proposal.opens_on is not None
    assert proposal.closes_on is not None
    site = proposal.site
    opens_ms = start_of(proposal.opens_on, site.timezone) + 9 * HOUR_MS
    make_step(session, proposal.id, ProposalStage.VOTING, actor=cast["committee"], _=_, now_ms=opens_ms)
    vote = get_vote(session, proposal.id)
    owners = dict.fromkeys(part.owner.key for part in list_parts(session, site, building=BUILDING))
    every_ms = (end_of(proposal.closes_on, site.timezone) - opens_ms) // (len(CHOICES) + 1)
    for number, (key, choice) in enumerate(zip(owners, CHOICES, strict=False), start=1):
        voter = ballot.find_by_key(session, vote, key)
        new = NewBallot(choice=choice, channel=Channel.ELECTRONIC)
        cast_ballot(
            session, vote.id, voter.id, new, receipt=f"demo-lights-{number}", now_ms=opens_ms + number * every_ms
        )
