"""A vote in the small world of the API's tests: a roll, a running vote, letters."""

from governance import ballot, owners_roll, roll_link, vote
from governance.notice import NoticeText, post_notice
from governance.notice_rules import NoticeKind
from governance.roll_file import RollRow
from registry.role import Actor, Role
from registry.site import get_site
from tests.api.kit import HERE, World
from tests.governance.polling import proposal_of, roll_of

KEEPER = Actor("keeper")


def open_vote(world: World, *, owners: int = 3, words: str = "") -> int:
    """The id of a proposal that is voted on for ten days from now; `words` stand wherever people write some."""
    with world.database.writing() as session:
        site = get_site(session, HERE)
        rows = roll_of(owners)
        if words:
            rows = [
                RollRow(f"{words[:40]}{n}", f"{words[:40]}{n}", 80_000_000, words[:60], name=words[:90]) for n in (1, 2)
            ]
        owners_roll.replace_roll(session, site, rows, reason=words, actor=KEEPER, now_ms=world.clock())
        proposal = proposal_of(session, site)
        proposal.closes_ms = world.clock() + 10 * 86_400_000
        if words:
            proposal.title = words[:200]
        vote.open_vote(session, proposal, actor=KEEPER, now_ms=world.clock())
        return proposal.id


def link_account(world: World, owner: str, *, site: str = HERE) -> int:
    """A new person of the site who is that owner."""
    person_id = world.person((Role.OWNER, site))
    with world.database.writing() as session:
        found = get_site(session, site)
        assert roll_link.link_person(session, found, owner, person_id, actor=KEEPER, now_ms=world.clock())
    return person_id


def letter_of(world: World, proposal_id: int, owner: str, code: str) -> None:
    """Makes `code` the code of an owner's letter."""
    with world.database.writing() as session:
        found = vote.get_vote(session, proposal_id)
        voter = ballot.find_by_key(session, found, owner)
        ballot.draw_links(session, found, {voter.id: code}, actor=KEEPER, now_ms=world.clock())


def post(world: World, title: str, body: str = "words") -> int:
    with world.database.writing() as session:
        site = get_site(session, HERE)
        text = NoticeText(title, body, [(title[:40], body[:40])])
        return post_notice(session, site, kind=NoticeKind.COSTS, text=text, actor=KEEPER, now_ms=world.clock()).id
