"""Votes over HTTP: a ballot of one's own, no result before the end, and files that anybody recounts."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from api.commands.tally import tally_files
from api.translations import translator
from governance.ballot import BallotProxy
from governance.ruleset import Matter
from governance.vote_export import read_export
from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, World
from tests.api.polling_kit import letter_of, link_account, open_vote

TEN_DAYS_S = 10 * 86_400


@pytest.fixture
def proposal_id(world: World) -> int:
    return open_vote(world)


def cast(world: World, proposal_id: int, headers: dict[str, str], **body: str) -> tuple[int, dict[str, object]]:
    answer = world.client.post(f"/api/v1/proposals/{proposal_id}/ballots", headers=headers, json=body)
    return answer.status_code, answer.json()


def test_an_owner_votes_for_their_own_part_and_changes_it(world: World, proposal_id: int) -> None:
    owner = world.bearer_of(link_account(world, "O1"))
    status, first = cast(world, proposal_id, owner, choice="object")
    assert (status, first["seq"], first["replaces"]) == (201, 1, 0)
    status, second = cast(world, proposal_id, owner, choice="consent", owner="O1")
    assert (status, second["replaces"]) == (201, 1)
    assert first["receipt"] != second["receipt"]


def test_strangers_others_parts_forged_links_and_late_ballots_are_refused_and_counted(
    world: World, proposal_id: int
) -> None:
    person_id = link_account(world, "O1")
    owner, stranger = world.bearer_of(person_id), world.bearer((Role.OWNER, HERE))

    def reason(headers: dict[str, str], **body: str) -> object:
        status, told = cast(world, proposal_id, headers, choice="consent", **body)
        assert status == 409
        return told["reason"]

    assert reason(stranger) == "stranger"
    assert reason(owner, owner="O2") == "others_part"
    assert reason(owner, owner="nobody") == "stranger"
    assert reason(owner, link="FORGED") == "forged_link"
    letter_of(world, proposal_id, "O2", "CODE")
    assert reason(stranger, link="CODE", identity="9999") == "wrong_identity"
    assert cast(world, proposal_id, stranger, choice="consent", link="CODE", identity="0002")[0] == 201
    world.clock.move_s(TEN_DAYS_S)
    assert reason(world.bearer_of(person_id)) == "over"
    page = world.client.get(f"/proposals/{proposal_id}/vote", headers=world.session((Role.COMMITTEE_MEMBER, HERE)))
    assert page.status_code == 200


def test_times_that_a_client_tells_are_not_heard(world: World, proposal_id: int) -> None:
    person_id = link_account(world, "O1")
    world.clock.move_s(TEN_DAYS_S)
    owner = world.bearer_of(person_id)
    assert cast(world, proposal_id, owner, choice="consent", received_ms="1795406400001", at="2026-11-23")[0] == 409


def test_a_vote_of_another_compound_is_not_there(world: World, proposal_id: int) -> None:
    far = world.bearer((Role.OWNER, ELSEWHERE))
    assert cast(world, proposal_id, far, choice="consent")[0] == 404
    assert world.client.get(f"/api/v1/proposals/{proposal_id}/tally", headers=far).status_code == 404


def test_before_the_end_the_tally_tells_turnout_and_end_and_nothing_else(world: World, proposal_id: int) -> None:
    cast(world, proposal_id, world.bearer_of(link_account(world, "O1")), choice="object")
    admin = world.bearer((Role.ADMIN, None))
    answer = world.client.get(f"/api/v1/proposals/{proposal_id}/tally", headers=admin)
    assert answer.status_code == 409
    told = answer.json()
    assert told["participating"] == {"owners": 1, "area_m2": "80.00"}
    assert told["closes_at"] == "2026-12-03T04:00:00.000+00:00"
    assert "consenting" not in told
    assert "approved" not in told
    for name in ("roll.csv", "ballots.csv", "chain.json", "vote.zip"):
        assert world.client.get(f"/api/v1/proposals/{proposal_id}/export/{name}", headers=admin).status_code == 409
    turnout = world.client.get(f"/api/v1/proposals/{proposal_id}/turnout", headers=admin).json()
    assert (turnout["is_over"], turnout["participating"]["owners"]) == (False, 1)


def test_the_activity_tells_that_somebody_voted_and_neither_who_nor_how(world: World, proposal_id: int) -> None:
    cast(world, proposal_id, world.bearer_of(link_account(world, "O1")), choice="object")
    keeper = world.session((Role.COMMITTEE_MEMBER, HERE))
    rows = world.client.get("/api/v1/activity", headers=keeper).json()["items"]
    told = str([row for row in rows if str(row["verb"]).startswith("vote.")])
    for word in ("choice", "object", "O1"):
        assert f"'{word}'" not in told
    assert "vote.ballot" in told


def test_after_the_end_anybody_of_the_compound_recounts_the_files(
    world: World, proposal_id: int, tmp_path: Path
) -> None:
    for owner, choice in (("O1", "consent"), ("O2", "consent"), ("O3", "object")):
        assert cast(world, proposal_id, world.bearer_of(link_account(world, owner)), choice=choice)[0] == 201
    world.clock.move_s(TEN_DAYS_S)
    owner = world.bearer((Role.OWNER, HERE))
    counted = world.client.get(f"/api/v1/proposals/{proposal_id}/tally", headers=owner).json()
    assert (counted["approved"], counted["quorum_met"]) == (True, True)
    assert counted["consenting"] == {"owners": 2, "area_m2": "160.00"}
    packed = world.client.get(f"/api/v1/proposals/{proposal_id}/export/vote.zip", headers=owner)
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        archive.extractall(tmp_path)
    told = tally_files(
        ruleset="civil-code-2021",
        matter=Matter.USE,
        roll=tmp_path / "roll.csv",
        ballots=tmp_path / "ballots.csv",
        _=translator("en"),
    )
    english = {**owner, "Accept-Language": "en"}
    assert json.loads(told) == world.client.get(f"/api/v1/proposals/{proposal_id}/tally", headers=english).json()
    assert read_export(json.loads((tmp_path / "chain.json").read_text(encoding="utf-8"))).faults == ()


def test_paper_is_read_by_two_people(world: World, proposal_id: int) -> None:
    path, body = f"/api/v1/proposals/{proposal_id}/papers", {"owner": "O1", "choice": "consent"}
    first, second = (world.bearer((role, HERE)) for role in (Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER))
    assert world.client.post(path, headers=first, json=body).json()["state"] == "waiting"
    assert world.client.post(path, headers=first, json=body).json()["reason"] == "same_person"
    assert world.client.post(path, headers=second, json=body).json()["state"] == "taken"
    assert world.client.post(path, headers=world.bearer((Role.OWNER, HERE)), json=body).status_code == 403


def test_a_sheet_that_was_read_in_two_ways_is_settled_by_a_third_person(world: World, proposal_id: int) -> None:
    path = f"/api/v1/proposals/{proposal_id}/papers"
    first, second, third = (world.bearer((Role.COMMUNITY_OFFICER, HERE)) for _ in range(3))
    proxy = {"name": "Li Mei", "phone_end": "0002", "authorisation": "folder 3"}
    body = {"owner": "O1", "choice": "consent", "proxy": proxy}
    entered = world.client.post(path, headers=first, json=body).json()
    differs = world.client.post(path, headers=second, json={**body, "choice": "object"}).json()
    assert (entered["state"], differs["state"]) == ("waiting", "differs")
    waiting = world.client.get(path, headers=third).json()["items"]
    assert waiting == [{"paper_id": entered["paper_id"], "owner": "O1", "state": "differs"}]
    settlement = f"{path}/{entered['paper_id']}/settlement"
    assert world.client.post(settlement, headers=second, json={"choice": "object"}).json()["reason"] == "same_person"
    settled = world.client.post(settlement, headers=third, json={"choice": "object"})
    assert (settled.status_code, settled.json()["state"], settled.json()["seq"]) == (200, "taken", 1)
    assert world.client.get(path, headers=third).json()["items"] == []
    assert world.client.post(settlement, headers=third, json={}).json()["reason"] == "no_entry"
    with world.database.reading() as session:
        [row] = session.scalars(select(BallotProxy))
        assert (row.name, row.phone_end, row.authorisation) == ("Li Mei", "0002", "folder 3")
    bad = {**body, "owner": "O2", "proxy": {**proxy, "phone_end": "12"}}
    assert world.client.post(path, headers=first, json=bad).status_code == 422


def test_a_proposal_without_a_vote_says_so(world: World) -> None:
    admin = world.bearer((Role.ADMIN, None))
    answer = world.client.get("/api/v1/proposals/999/tally", headers=admin)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:liandong:problem:unknown-proposal")
