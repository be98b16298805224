"""Proposals as people use them: from the form to the settlement, in pages."""

import re

import pytest

from governance.owners_roll import replace_roll
from governance.roll_file import RollRow
from registry.role import SYSTEM, Role
from registry.site import get_site
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.pages.conftest import Browser

DAY_S = 86_400


@pytest.fixture
def town(world: World) -> dict[Role, Browser]:
    return {
        role: Browser(world, world.session((role, None if role is Role.DISTRICT_OFFICER else HERE))) for role in Role
    }


FORM = {
    "site": HERE,
    "title": "Overhaul of 41 lifts",
    "matter": "use",
    "procedure": "ordinary",
    "amount": "3,500,000",
    "reason": "People are trapped",
    "plan": "New controllers",
    "units": LIFT.path,
}


def drafted(browser: Browser, **other: str) -> str:
    browser.post("/proposals/new", **{**FORM, **other})
    page = browser.get("/proposals")
    return max(re.findall(r'href="(/proposals/\d+)"', page.html))


def test_a_draft_is_written_proposed_and_signed_by_three_people(town: dict[Role, Browser]) -> None:
    committee = town[Role.COMMITTEE_MEMBER]
    assert "There is no proposal here yet" in committee.get("/proposals").text
    address = drafted(committee)
    page = committee.get(address)
    assert "3,500,000.00 yuan" in page.text
    assert "Propose" in page.text
    committee.post(f"{address}/options", kind="overhaul", title="Overhaul", quoted="3500000", chosen="1")
    committee.post(f"{address}/covers", kind="warranty", what="None is under warranty")
    committee.post(f"{address}/steps", to="proposed")
    page = committee.get(address)
    assert "The property company has not signed" in page.text
    for role, party in (
        (Role.COMMITTEE_MEMBER, "committee"),
        (Role.PROPERTY_MANAGER, "property"),
        (Role.COMMUNITY_OFFICER, "community"),
    ):
        assert "Sign for this party" in town[role].get(address).text
        town[role].post(f"{address}/signatures", party=party)
    committee.post(f"{address}/steps", to="tabled")
    community = town[Role.COMMUNITY_OFFICER]
    assert "Opinion (required)" in community.get(address).text
    community.post(f"{address}/steps", to="pre_reviewed", note="Fine")
    early = committee.post(
        f"{address}/steps", to="posted", meeting="ordinary", opens_on="2026-12-01", closes_on="2026-12-20"
    )
    assert early.status == 409
    assert "it may open on 2026-12-09 at the earliest" in early.text
    committee.post(f"{address}/steps", to="posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-20")
    page = town[Role.OWNER].get(address)
    assert "SHA-256" in page.text
    assert "Posted" in page.text
    assert 'href="/notices/' in page.html


def test_a_form_that_cannot_be_taken_comes_back_as_it_was_typed(town: dict[Role, Browser]) -> None:
    page = town[Role.COMMITTEE_MEMBER].post("/proposals/new", **{**FORM, "amount": "a lot"})
    assert page.status == 422
    assert "Amount: must be an amount in yuan" in page.text
    assert "Overhaul of 41 lifts" in page.html
    page = town[Role.COMMITTEE_MEMBER].post("/proposals/new", **{**FORM, "procedure": "urgent"})
    assert "Cause: must be one of those offered" in page.text


def test_urgent_use_tells_that_a_machine_alone_is_not_enough(world: World, town: dict[Role, Browser]) -> None:
    ticket_id = world.ticket_of(world.signal(LIFT, "entrapment"))
    manager = town[Role.PROPERTY_MANAGER]
    address = drafted(manager, procedure="urgent", cause="lift", ticket=str(ticket_id))
    assert "what only a machine reported opens no urgent use" in manager.get(address).text
    refused = manager.post(f"{address}/steps", to="proposed")
    assert refused.status == 409
    manager.post(f"/tickets/{ticket_id}/moves", to="triaged", note="seen on site")
    manager.post(f"{address}/steps", to="proposed")
    assert "Reported by the manager" in manager.get(address).text


def test_the_evidence_is_read_printed_in_the_other_language_and_downloaded(town: dict[Role, Browser]) -> None:
    committee = town[Role.COMMITTEE_MEMBER]
    address = drafted(committee)
    page = committee.get(f"{address}/evidence")
    assert "What these figures cannot say" in page.text
    assert "<svg" in page.html
    chinese = committee.get(f"{address}/evidence?language=zh")
    assert 'lang="zh-CN"' in chinese.html
    assert "这些数字不能说明什么" in chinese.text or "依据材料" in chinese.text
    answer = committee.get(f"{address}/evidence.json")
    assert answer.status == 200
    assert '"format":"liandong-evidence/1"' in answer.html


def test_an_owner_objects_and_is_answered(town: dict[Role, Browser]) -> None:
    address = drafted(town[Role.COMMITTEE_MEMBER])
    owner = town[Role.OWNER]
    owner.post(f"{address}/remarks", kind="objection", text="Too dear")
    page = town[Role.COMMITTEE_MEMBER].get(address)
    assert "Too dear" in page.text
    number = re.findall(r'name="answers" value="(\d+)"', page.html)[0]
    town[Role.COMMITTEE_MEMBER].post(f"{address}/remarks", answers=number, text="A second quote was asked for")
    assert "A second quote was asked for" in owner.get(address).text
    assert "Draft a proposal" not in owner.get("/proposals").text


def test_a_proposal_of_another_compound_is_not_there(world: World, town: dict[Role, Browser]) -> None:
    address = drafted(town[Role.COMMITTEE_MEMBER])
    stranger = Browser(world, world.session((Role.COMMITTEE_MEMBER, ELSEWHERE)))
    for path in (address, f"{address}/edit", f"{address}/evidence", f"{address}/evidence.json"):
        assert stranger.get(path).status == 404
    assert stranger.post(f"{address}/steps", to="proposed").status == 404
    assert address not in stranger.get("/proposals").html


def test_the_fund_is_opened_and_booked(town: dict[Role, Browser]) -> None:
    committee = town[Role.COMMITTEE_MEMBER]
    assert "There is no account yet" in committee.get("/fund").text
    committee.post("/fund", site=HERE, initial="1000000", opened_on="2017-01-01")
    committee.post(
        "/fund/1/movements", kind="correction", amount="-750000", moved_on="2026-11-01", note="counted twice"
    )
    page = town[Role.OWNER].get("/fund")
    assert "250,000.00 yuan" in page.text
    assert "Below the line of 30 %" in page.text
    refused = committee.post("/fund/1/movements", kind="correction", amount="-750000", moved_on="2026-11-01")
    assert "The account holds 250,000.00 yuan" in refused.text


def test_the_vote_opens_from_the_page(world: World, town: dict[Role, Browser]) -> None:
    with world.database.writing() as session:
        rows = [RollRow("a", "1-101", 80_000_000), RollRow("b", "1-102", 70_000_000)]
        replace_roll(session, get_site(session, HERE), rows, reason="", actor=SYSTEM, now_ms=world.clock())
    committee = town[Role.COMMITTEE_MEMBER]
    address = drafted(committee)
    committee.post(f"{address}/options", kind="overhaul", title="Overhaul", quoted="3500000", chosen="1")
    committee.post(f"{address}/steps", to="proposed")
    for role, party in (
        (Role.COMMITTEE_MEMBER, "committee"),
        (Role.PROPERTY_MANAGER, "property"),
        (Role.COMMUNITY_OFFICER, "community"),
    ):
        town[role].post(f"{address}/signatures", party=party)
    committee.post(f"{address}/steps", to="tabled")
    town[Role.COMMUNITY_OFFICER].post(f"{address}/steps", to="pre_reviewed", note="Fine")
    committee.post(f"{address}/steps", to="posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-20")
    world.clock.move_s(16 * DAY_S)
    again = Browser(world, world.session((Role.COMMITTEE_MEMBER, HERE)))
    again.post(f"{address}/steps", to="voting")
    assert "Owners are voting" in again.get(address).text
    assert "there is no result before" in again.get(address).text
