"""The vote that the demonstration shows as over: counted, published, begun, and proven."""

from api.commands.demo_vote import BUILDING, CHOICES, add_finished_vote
from api.translations import translator
from governance import owners_roll
from governance.notice import list_notices
from governance.proposal import list_proposals
from governance.roll_file import RollRow
from governance.tally import Choice
from governance.vote import get_vote
from governance.vote_proof import verify_vote
from registry import activity
from registry.activity import Entry
from registry.site import get_site
from tests.api.kit import HERE, World
from tests.governance.council import GUO, LIN, MEI

CAST = {"committee": GUO, "manager": MEI, "community": LIN}


def test_the_finished_vote_of_the_demonstration_is_proven_and_opens_execution(world: World) -> None:
    with world.database.writing() as session:
        site = get_site(session, HERE)
        rows = [RollRow(f"Y{n:02d}", f"{BUILDING}-{n:02d}", 80_000_000, building=BUILDING) for n in range(15)]
        owners_roll.replace_roll(session, site, rows, reason="", actor=LIN, now_ms=world.clock())
        # What others recorded a moment ago must not end a vote of last month before its first ballot.
        activity.append(session, [Entry("site.seen", "site:1")], now_ms=world.clock())
    add_finished_vote(world.database, HERE, cast=CAST, _=translator("en"), now_ms=world.clock())
    with world.database.reading() as session:
        proposal = list_proposals(session)[0]
        assert (proposal.stage, proposal.building) == ("executing", BUILDING)
        assert proposal.result is not None
        assert proposal.result["approved"]
        assert proposal.result["participating"]["owners"] == len(CHOICES)
        assert proposal.result["consenting"]["owners"] == CHOICES.count(Choice.CONSENT)
        assert not list(verify_vote(session, get_vote(session, proposal.id)))
        assert not list(activity.verify_chain(session))
        kinds = {notice.kind: notice.building for notice, _ in list_notices(session, subject=proposal.subject)}
        assert kinds == {"vote": BUILDING, "result": BUILDING}


def test_a_compound_without_that_building_has_no_such_vote(world: World) -> None:
    add_finished_vote(world.database, HERE, cast=CAST, _=translator("en"), now_ms=world.clock())
    with world.database.reading() as session:
        assert list_proposals(session) == []
