"""Proposals over HTTP: drafted, signed, moved; refused with the steps and the dates that are possible."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from governance.notice import list_notices
from governance.owners_roll import replace_roll
from governance.proposal import get_proposal
from governance.roll_file import RollRow
from registry.role import SYSTEM, Role
from registry.site import get_site
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, LIFT, World

PROPOSALS = "/api/v1/proposals"
DAY_S = 86_400
DRAFT = {
    "site": HERE,
    "title": "Overhaul of the lifts",
    "amount_fen": 350_000_000,
    "reason": "People are trapped",
    "plan": "New controllers",
    "units": [LIFT.path],
}


@dataclass
class Town:
    world: World
    people: dict[Role, dict[str, str]] = field(default_factory=dict)
    ids: dict[Role, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in Role:
            self.ids[role] = self.world.person((role, None if role is Role.DISTRICT_OFFICER else HERE))
        self.pass_days(0)

    def pass_days(self, days: int) -> None:
        """Days go by, and everybody signs in anew."""
        self.world.clock.move_s(days * DAY_S)
        self.people = {role: self.world.bearer_of(person_id) for role, person_id in self.ids.items()}

    def post(self, path: str, role: Role, **body: Any) -> httpx.Response:
        return self.world.client.post(f"{PROPOSALS}{path}", json=body, headers=self.people[role])

    def get(self, path: str, role: Role = Role.COMMITTEE_MEMBER) -> dict[str, Any]:
        answer = self.world.client.get(f"{PROPOSALS}{path}", headers=self.people[role])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def draft(self, **other: Any) -> int:
        answer = self.post("", Role.COMMITTEE_MEMBER, **{**DRAFT, **other})
        assert answer.status_code == 201, answer.text
        assert answer.headers["Location"] == f"{PROPOSALS}/{answer.json()['id']}"
        number = answer.json()["id"]
        assert isinstance(number, int)
        return number

    def step(self, number: int, to: str, role: Role = Role.COMMITTEE_MEMBER, **other: Any) -> httpx.Response:
        return self.post(f"/{number}/transitions", role, to=to, **other)

    def pre_review(self) -> int:
        number = self.draft()
        option = {"kind": "overhaul", "title": "Overhaul", "quoted_fen": 350_000_000, "is_chosen": True}
        assert self.post(f"/{number}/options", Role.PROPERTY_MANAGER, **option).status_code == 201
        cover = {"kind": "warranty", "what": "None of them is under warranty"}
        assert self.post(f"/{number}/covers", Role.COMMITTEE_MEMBER, **cover).status_code == 201
        assert self.step(number, "proposed").status_code == 200
        for party, role in (
            ("committee", Role.COMMITTEE_MEMBER),
            ("property", Role.PROPERTY_MANAGER),
            ("community", Role.COMMUNITY_OFFICER),
        ):
            assert self.post(f"/{number}/signatures", role, party=party).status_code == 201
        assert self.step(number, "tabled").status_code == 200
        assert self.step(number, "pre_reviewed", Role.COMMUNITY_OFFICER, note="Fine").status_code == 200
        return number


@pytest.fixture
def town(world: World) -> Town:
    return Town(world)


def test_a_proposal_is_drafted_and_listed(town: Town) -> None:
    first, second = town.draft(), town.draft(title="Another")
    assert [each["id"] for each in town.get("")["items"]] == [second, first]
    page = town.get("?limit=1")
    assert [each["id"] for each in town.get(f"?cursor={page['next']}")["items"]] == [first]
    assert town.get("?stage=voting")["items"] == []
    assert [each["id"] for each in town.get(f"?stage=open&site={HERE}")["items"]] == [second, first]
    told = town.get(f"/{first}")
    assert (told["stage"], told["number"], told["units"]) == ("drafted", "2026-001", [LIFT.path])
    assert told["allowed"] == ["proposed", "withdrawn"]


def test_a_request_sent_twice_drafts_one(town: Town) -> None:
    headers = {**town.people[Role.COMMITTEE_MEMBER], "Idempotency-Key": "once"}
    answers = [town.world.client.post(PROPOSALS, json=DRAFT, headers=headers) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(town.get("")["items"]) == 1


def test_a_step_that_is_not_possible_tells_those_that_are(town: Town) -> None:
    answer = town.step(town.draft(), "voting")
    assert answer.status_code == 409
    assert answer.json()["allowed"] == ["proposed", "withdrawn"]
    assert answer.json()["type"] == "urn:liandong:problem:illegal-move"


def test_a_vote_too_early_is_refused_with_the_earliest_date(town: Town) -> None:
    number = town.pre_review()
    answer = town.step(number, "posted", meeting="ordinary", opens_on="2026-12-08", closes_on="2026-12-20")
    assert answer.status_code == 409
    assert answer.json()["lacking"][0]["facts"] == {"days": 15, "earliest": "2026-12-09"}
    answer = town.step(number, "posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-13")
    assert answer.json()["lacking"][0]["facts"]["earliest"] == "2026-12-14"
    answer = town.step(number, "posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-14")
    assert answer.status_code == 200, answer.text
    assert answer.json()["ruleset"] == "civil-code-2021"
    assert answer.json()["dates"]["disclosed_until"] == "2026-12-09"
    early = town.step(number, "voting")
    assert early.status_code == 409
    assert early.json()["dates"]["opens_on"] == "2026-12-09"
    assert early.json()["lacking"][0]["facts"] == {"earliest": "2026-12-09"}


def test_the_topic_hangs_as_a_public_notice_from_the_moment_it_is_posted(town: Town) -> None:
    number = town.pre_review()
    town.step(number, "posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-14")
    with town.world.database.writing() as session:
        rows = [RollRow("a", "1-101", 80_000_000), RollRow("b", "1-102", 70_000_000)]
        replace_roll(session, get_site(session, HERE), rows, reason="", actor=SYSTEM, now_ms=town.world.clock())
    town.pass_days(16)
    answer = town.step(number, "voting")
    assert answer.status_code == 200, answer.text
    with town.world.database.reading() as session:
        proposal = get_proposal(session, number)
        assert proposal.closes_ms is not None
        hangs = [list_notices(session, posted_at_ms=proposal.closes_ms + after_ms) for after_ms in (-1, 0)]
    assert [len(found) for found in hangs] == [1, 0], "it hangs to the very end of the vote"


def test_the_evidence_of_a_draft_is_gathered_anew_when_something_happened_and_not_for_every_reader(town: Town) -> None:
    number, other = town.draft(), town.draft()

    def gathered_ms() -> int:
        found: int = town.get(f"/{number}/evidence")["content"]["gathered_ms"]
        return found

    first = gathered_ms()
    town.world.clock.move_s(60)
    assert gathered_ms() == first
    town.post(f"/{other}/remarks", Role.OWNER, kind="comment", text="When?")
    second = gathered_ms()
    assert second == first + 60_000
    town.world.clock.move_s(60)
    with town.world.database.writing() as session:
        get_unit(session, LIFT.path).make = "Another maker"
    third = gathered_ms()
    assert third == second + 60_000
    assert town.get(f"/{number}/evidence")["content"]["sections"][0]["units"][0]["make"] == "Another maker"
    town.world.clock.move_s(600)
    assert gathered_ms() == third + 600_000


def test_the_evidence_is_frozen_when_it_is_posted(town: Town) -> None:
    number = town.pre_review()
    before = town.get(f"/{number}/evidence", Role.OWNER)
    assert before["is_frozen"] is False
    assert before["content"]["sections"][0]["units"][0]["unit"] == LIFT.path
    town.step(number, "posted", meeting="ordinary", opens_on="2026-12-09", closes_on="2026-12-14")
    town.pass_days(1)
    frozen = town.get(f"/{number}/evidence", Role.OWNER)
    assert (frozen["is_frozen"], frozen["is_intact"]) == (True, True)
    assert frozen["digest"] == town.get(f"/{number}")["evidence_digest"]
    assert frozen["content"]["gathered_ms"] == town.world.clock() - DAY_S * 1000


def test_a_draft_is_written_anew_and_nothing_else_is(town: Town) -> None:
    number = town.draft()
    headers = town.people[Role.PROPERTY_MANAGER]
    changed = {"title": "Better", "amount_fen": 5, "expected_version": 1}
    answer = town.world.client.put(f"{PROPOSALS}/{number}", json=changed, headers=headers)
    assert answer.json()["title"] == "Better"
    again = town.world.client.put(f"{PROPOSALS}/{number}", json=changed, headers=headers)
    assert again.json()["type"] == "urn:liandong:problem:moved-meanwhile"
    number = town.pre_review()
    answer = town.world.client.put(f"{PROPOSALS}/{number}", json={"title": "x", "amount_fen": 5}, headers=headers)
    assert answer.status_code == 422
    option = {"kind": "repair", "title": "Repair", "quoted_fen": 5}
    assert town.post(f"/{number}/options", Role.PROPERTY_MANAGER, **option).status_code == 422


def test_an_option_is_taken_back_and_one_alone_is_chosen(town: Town) -> None:
    number = town.draft()
    for title in ("Repair", "Overhaul"):
        option = {"kind": title.lower(), "title": title, "quoted_fen": 5, "is_chosen": True}
        told = town.post(f"/{number}/options", Role.COMMITTEE_MEMBER, **option).json()
    assert [each["is_chosen"] for each in told["options"]] == [False, True]
    gone = town.world.client.delete(
        f"{PROPOSALS}/{number}/options/{told['options'][0]['id']}", headers=town.people[Role.COMMITTEE_MEMBER]
    )
    assert [each["title"] for each in gone.json()["options"]] == ["Overhaul"]
    assert (
        town.world.client.delete(
            f"{PROPOSALS}/{number}/options/999", headers=town.people[Role.COMMITTEE_MEMBER]
        ).status_code
        == 422
    )


def test_an_owner_sees_the_whole_history_and_remarks_without_others_names(town: Town) -> None:
    number = town.pre_review()
    assert town.post(f"/{number}/remarks", Role.OWNER, kind="objection", text="Too dear").status_code == 201
    town.post(f"/{number}/remarks", Role.VOLUNTEER, text="I agree")
    told = town.get(f"/{number}", Role.OWNER)
    assert [each["to"] for each in told["history"]] == ["drafted", "proposed", "tabled", "pre_reviewed"]
    assert {each["by"].rpartition("-")[0] for each in told["signatures"]} == {
        *("committee_member", "property_manager", "community_officer")
    }
    assert [each["by"] is None for each in told["remarks"]] == [False, True]
    assert town.step(number, "posted", Role.OWNER).status_code == 403


def test_what_is_of_another_compound_does_not_exist(town: Town) -> None:
    number = town.draft()
    stranger = town.world.bearer((Role.COMMITTEE_MEMBER, ELSEWHERE))
    for path in (f"/{number}", f"/{number}/evidence"):
        assert town.world.client.get(PROPOSALS + path, headers=stranger).status_code == 404
    assert town.world.client.get(PROPOSALS, headers=stranger).json()["items"] == []
    assert town.world.client.post(PROPOSALS, json=DRAFT, headers=stranger).status_code == 404
    both = town.world.bearer((Role.COMMITTEE_MEMBER, HERE), (Role.COMMITTEE_MEMBER, ELSEWHERE))
    mixed = {**DRAFT, "units": [LIFT.path, FAR_PUMP.path]}
    assert town.world.client.post(PROPOSALS, json=mixed, headers=both).status_code == 422


def test_before_execution_there_is_no_money(town: Town) -> None:
    number = town.pre_review()
    days = {"signed_on": "2026-11-24", "starts_on": "2026-11-24", "ends_on": "2026-12-24"}
    refused = [
        town.post(f"/{number}/contract", Role.COMMITTEE_MEMBER, company="A", amount_fen=5, **days),
        town.post(f"/{number}/settlement", Role.COMMITTEE_MEMBER, final_fen=5),
        town.post(f"/{number}/filing", Role.COMMITTEE_MEMBER, authority="A", reference="1", filed_on="2026-11-24"),
        town.post(f"/{number}/payments", Role.COMMITTEE_MEMBER, amount_fen=5, paid_on="2026-11-24"),
        town.post(f"/{number}/publications", Role.COMMITTEE_MEMBER, kind="costs"),
    ]
    assert [answer.status_code for answer in refused] == [422] * 5
    assert town.post(f"/{number}/payments", Role.ADMIN, amount_fen=5, paid_on="2026-11-24").status_code == 403


def test_the_fund_shows_its_balance_and_its_line(town: Town) -> None:
    client, headers = town.world.client, town.people[Role.COMMITTEE_MEMBER]
    account = {"site": HERE, "initial_fen": 1000, "opened_on": "2017-01-01"}
    made = client.post("/api/v1/fund", json=account, headers=headers)
    assert made.status_code == 201, made.text
    path = f"/api/v1/fund/{made.json()['id']}/movements"
    booked = client.post(
        path, json={"kind": "correction", "amount_fen": -701, "moved_on": "2026-11-01"}, headers=headers
    )
    assert (booked.json()["balance_fen"], booked.json()["line_fen"], booked.json()["is_below_line"]) == (299, 300, True)
    shown = client.get("/api/v1/fund", headers=town.people[Role.OWNER]).json()["items"]
    assert [each["amount_fen"] for each in shown[0]["movements"]] == [-701, 1000]
    elsewhere = town.world.bearer((Role.COMMITTEE_MEMBER, ELSEWHERE))
    assert client.get("/api/v1/fund", headers=elsewhere).json()["items"] == []
    assert (
        client.post(
            path, json={"kind": "interest", "amount_fen": 5, "moved_on": "2026-11-01"}, headers=elsewhere
        ).status_code
        == 404
    )
    assert (
        client.post(path, json={"kind": "use", "amount_fen": 5, "moved_on": "2026-11-01"}, headers=headers).status_code
        == 422
    )
