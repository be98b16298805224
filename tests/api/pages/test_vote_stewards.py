"""Pages of those who keep a vote in order: its rules, whose account is which owner's, and notices of their own."""

import re

import pytest

from governance.owners_roll import owners_of_person
from governance.ruleset import Base, Matter
from governance.vote_rules import Identity, rules_of, words_of
from registry.role import Role
from registry.site import get_site
from tests.api.kit import HERE, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page
from tests.api.polling_kit import open_vote

RULES = {
    "site": HERE,
    "seen": "0",
    "quorum_share": "",
    "quorum_sign": ">=",
    "use_share": "",
    "use_sign": ">",
    "use_base": "participating",
    "raise_share": "",
    "raise_sign": ">=",
    "raise_base": "participating",
    "rebuild_share": "",
    "rebuild_sign": ">=",
    "rebuild_base": "participating",
    "may_change": "1",
    "most_proxies": "3",
    "identity": "phone",
    "basis": "Resolution 3 of 2026",
}


@pytest.fixture
def committee(world: World) -> Browser:
    return Browser(world, world.session((Role.COMMITTEE_MEMBER, HERE)))


def test_a_compound_sets_rules_that_are_stricter_than_the_law(world: World, committee: Browser) -> None:
    shown = committee.get(f"/vote-rules?site={HERE}")
    assert "at least 2/3 of all" in shown.text, "the law's floor stands beside the compound's own rule"
    wanted = {**RULES, "use_share": "２／３", "use_sign": ">=", "use_base": "all", "identity": "certificate"}
    looked = committee.post("/vote-rules", **wanted)
    assert looked.status == 200
    assert "as the law says → at least 2/3 of all" in looked.text
    with world.database.reading() as session:
        assert rules_of(session, get_site(session, HERE)).own_consent == {}, "looking changes nothing"
    hidden = {
        each["name"]: each["value"] for each in looked.all("input", type="hidden") if each["name"] != "csrf_token"
    }
    assert hidden["confirmed"] == "1"
    assert committee.post("/vote-rules", **hidden).status == 303
    assert committee.post("/vote-rules", **hidden).status == 303, "a double click is one change"
    with world.database.reading() as session:
        rules = rules_of(session, get_site(session, HERE))
        assert words_of(rules.own_consent[Matter.USE]) == ">= 2/3 of all"
        assert rules.own_consent[Matter.USE].base is Base.ALL
        assert rules.identity is Identity.CERTIFICATE
    kept = committee.get(f"/vote-rules?site={HERE}").text
    assert kept.count("Resolution 3 of 2026") == 1
    assert "as the law says → at least 2/3 of all" in kept
    owner = Browser(world, world.session((Role.OWNER, HERE))).get(f"/vote-rules?site={HERE}")
    assert "Resolution 3 of 2026" in owner.text
    assert "committee_member" not in owner.html
    assert not any("name" in each and each["name"] == "basis" for each in owner.all("input"))


def test_a_rule_laxer_than_the_law_is_refused_in_words(world: World, committee: Browser) -> None:
    for field, share, sign, base, own, law in (
        ("use", "1/2", ">=", "participating", "at least 1/2 of those", "more than 1/2 of those"),
        ("raise", "74.99%", ">=", "participating", "at least 7499/10000 of those", "at least 3/4 of those"),
        ("quorum", "1/2", ">", "all", "more than 1/2 of all", "at least 2/3 of all"),
    ):
        wanted = {**RULES, f"{field}_share": share, f"{field}_sign": sign, f"{field}_base": base, "confirmed": "1"}
        told = committee.post("/vote-rules", **wanted)
        assert (told.status, own in told.text, law in told.text) == (422, True, True), field
    with world.database.reading() as session:
        rules = rules_of(session, get_site(session, HERE))
        assert (rules.own_quorum, rules.own_consent) == (None, {})


def test_what_makes_no_rule_is_told_and_changes_nothing(world: World, committee: Browser) -> None:
    wrongs: tuple[dict[str, str], ...] = (
        {"use_share": "5/3"},
        {"use_share": "1/0"},
        {"use_share": "1e999999999"},
        {"use_share": "1/1", "use_sign": ">"},
        {"use_share": "3/4", "use_base": "everybody"},
        {"most_proxies": "-1"},
        {"most_proxies": "999999999999"},
        {"identity": "blood"},
        {"basis": " "},
        {"confirmed": ""},
    )
    for wrong in wrongs:
        assert committee.post("/vote-rules", **{**RULES, "confirmed": "1", **wrong}).status == 422, wrong
    assert "never changed" in committee.get(f"/vote-rules?site={HERE}").text


def test_rules_that_changed_meanwhile_are_not_overwritten(world: World, committee: Browser) -> None:
    secret = {**RULES, "is_secret": "1", "confirmed": "1"}
    assert committee.post("/vote-rules", **secret).status == 303
    late = committee.post("/vote-rules", **{**RULES, "most_proxies": "1", "confirmed": "1"})
    assert (late.status, "changed the rules meanwhile" in late.text) == (409, True)
    manager = Browser(world, world.session((Role.PROPERTY_MANAGER, HERE)))
    assert manager.post("/vote-rules", **secret).status == 403


def test_an_account_is_linked_with_an_owner_and_taken_back(world: World, committee: Browser) -> None:
    open_vote(world)
    person_id = world.person((Role.OWNER, HERE))
    owner_page = committee.get(next(a["href"] for a in _owners(committee, "O2")))
    names = [each["value"] for each in owner_page.all("input", name="account")]
    assert len(names) == 1, "the owner's account that is linked with nobody is offered"
    path = next(form["action"] for form in owner_page.all("form") if form["action"].endswith("/link"))
    assert committee.post(path, site=HERE, account="nobody-of-here").status == 422
    assert committee.post(path, site=HERE, account=names[0], reason="came with the deed").status == 303
    again = committee.post(path, site=HERE, account=names[0])
    assert (again.status, "take that link back first" in again.text) == (422, True)
    with world.database.reading() as session:
        site = get_site(session, HERE)
        assert [owner.key for owner in owners_of_person(session, site, person_id)] == ["O2"]
    assert _owners(committee, names[0], linked="yes"), "it is found by its account"
    back = path.replace("/link", "/unlink")
    assert committee.post(back, site=HERE, reason=" ").status == 422
    assert committee.post(back, site=HERE, reason="sold the flat").status == 303
    kept = committee.get(f"{path.removesuffix('/link')}?site={HERE}").text
    assert kept.index("sold the flat") < kept.index("came with the deed")
    with world.database.reading() as session:
        assert owners_of_person(session, get_site(session, HERE), person_id) == []
    assert committee.get(f"/roll/accounts/999999?site={HERE}").status == 404
    assert Browser(world, world.session_of(person_id)).get(f"/roll/accounts?site={HERE}").status == 403


def _owners(person: Browser, search: str, linked: str = "") -> list[dict[str, str]]:
    page = person.get(f"/roll/accounts?site={HERE}&search={search}&linked={linked}")
    return [a for a in page.all("a") if re.match(r"/roll/accounts/\d+", a["href"])]


def test_nobody_links_an_account_of_their_own(world: World) -> None:
    open_vote(world)
    person_id = world.person((Role.COMMITTEE_MEMBER, HERE))
    member = Browser(world, world.session_of(person_id))
    owner_page = member.get(_owners(member, "O2")[0]["href"].partition("&")[0] + "&search=committee")
    own = next(each["value"] for each in owner_page.all("input", name="account"))
    path = next(form["action"] for form in owner_page.all("form") if form["action"].endswith("/link"))
    told = member.post(path, site=HERE, account=own)
    assert (told.status, "your own account" in told.text) == (422, True)


def test_a_notice_of_ones_own_words_is_posted_from_day_to_day(world: World, committee: Browser) -> None:
    open_vote(world)
    form = committee.get(f"/notices/new?site={HERE}")
    assert any(each.get("value") == "2026-11-23" for each in form.all("input"))
    words = {
        "site": HERE,
        "title": "No water on Friday",
        "body": "From 9 to 11.\n\nCall 13812345678.",
        "form_key": "k1",
    }
    days = {"starts_on": "2026-11-25", "ends_on": "2026-11-27"}
    posted = committee.post("/notices/new", **words, **days)
    assert posted.status == 303
    assert committee.post("/notices/new", **words, **days).location == posted.location, "a double click posts once"
    assert "No water on Friday" in committee.get(posted.location).text
    public = {"Accept-Language": "en"}
    assert world.client.get(posted.location, headers=public).status_code == 404, "it is not posted yet"
    for past in ("", "1"):
        assert "No water" not in Page(world.client.get(f"/notices?past={past}", headers=public)).text
    world.clock.move_s(2 * 86_400)
    shown = Page(world.client.get(posted.location, headers=public))
    assert "Posted from 2026-11-25 to 2026-11-27" in shown.text
    assert "138****5678" in shown.text
    world.clock.move_s(3 * 86_400)
    assert "no longer posted" in Page(world.client.get(posted.location, headers=public)).text


def test_a_notice_that_cannot_be_posted_is_told_and_its_words_are_kept(world: World, committee: Browser) -> None:
    form = {"site": HERE, "title": "Title", "body": "Words of mine", "starts_on": "2026-11-23", "ends_on": "2026-11-30"}
    wrongs: tuple[dict[str, str], ...] = (
        {"title": ""},
        {"body": "  "},
        {"ends_on": "2026-11-23"},
        {"ends_on": "2026-11-22"},
        {"starts_on": "2026-11-22"},
        {"starts_on": "2099-01-01", "ends_on": "2099-02-01"},
        {"starts_on": "yesterday"},
        {"ends_on": "9999-12-31"},
        {"building": "a house of somebody else"},
    )
    for wrong in wrongs:
        told = committee.post("/notices/new", **{**form, **wrong})
        assert (told.status, "body" in wrong or "Words of mine" in told.html) == (422, True), wrong
    assert "Title" not in Page(world.client.get("/notices")).text
    assert Browser(world, world.session((Role.OWNER, HERE))).get("/notices/new").status == 403


def test_rules_without_a_compound_in_the_address_are_those_of_ones_own(world: World) -> None:
    manager = Browser(world, world.session((Role.PROPERTY_MANAGER, HERE)))
    for path in ("/meetings/rules", "/vote-rules", "/roll/accounts", "/notices/new"):
        assert "小河佳苑" in manager.get(path).text or HERE in manager.get(path).html, path
