"""Pages of votes: by letter on a phone, on paper at the desk; the roll, and notices without an account."""

import io
import re

import pytest
from PIL import Image

from api.security import CSRF_FIELD, CSRF_HEADER
from registry.role import Role
from tests.api.kit import BASE_URL, HERE, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page
from tests.api.polling_kit import letter_of, open_vote, post

CODE = "23456789ABCDEFGHJKLM"
SAME_SITE = {"Origin": BASE_URL, "Accept-Language": "en", "Accept": "text/html"}


@pytest.fixture
def committee(world: World) -> Browser:
    return Browser(world, world.session((Role.COMMITTEE_MEMBER, HERE)))


def by_letter(world: World, **form: str) -> Page:
    return Page(world.client.post(f"/ballot/{CODE}", headers=SAME_SITE, data=form))


def test_an_owner_votes_by_letter_and_looks_the_ballot_up(world: World) -> None:
    proposal_id = open_vote(world)
    letter_of(world, proposal_id, "O2", CODE)
    shown = Page(world.client.get(f"/ballot/{CODE.lower()}", headers=SAME_SITE))
    assert "王**" in shown.text
    assert "王小明" not in shown.html
    assert by_letter(world, identity="0002").status == 422
    assert by_letter(world, choice="consent", identity="1111").status == 409
    cast = by_letter(world, choice="consent", identity="0002")
    receipt = re.findall(r'id="receipt">([0-9A-Z-]+)<', cast.html)[0]
    typed = receipt.lower().replace("-", " ")
    found = Page(world.client.post("/receipt", headers=SAME_SITE, data={"receipt": typed}))
    assert "This ballot is in the count, as it was cast." in found.text
    assert "I consent" in found.text
    assert Page(world.client.post("/receipt", headers=SAME_SITE, data={"receipt": "X"})).status == 404


def test_looking_at_a_letter_votes_for_nobody_and_a_forged_one_leads_nowhere(world: World) -> None:
    proposal_id = open_vote(world)
    letter_of(world, proposal_id, "O2", CODE)
    world.client.get(f"/ballot/{CODE}", headers=SAME_SITE)
    admin = world.bearer((Role.ADMIN, None))
    turnout = world.client.get(f"/api/v1/proposals/{proposal_id}/turnout", headers=admin).json()
    assert turnout["participating"]["owners"] == 0
    forged = Page(world.client.get("/ballot/FORGEDFORGED23", headers=SAME_SITE))
    assert (forged.status, "leads to no vote" in forged.text) == (404, True)


def test_a_ballot_that_another_site_sends_is_refused(world: World) -> None:
    proposal_id = open_vote(world)
    letter_of(world, proposal_id, "O2", CODE)
    answer = world.client.post(
        f"/ballot/{CODE}",
        headers={"Origin": "https://elsewhere.example"},
        data={"choice": "consent", "identity": "0002"},
    )
    assert answer.status_code == 403


def test_who_asks_too_often_waits(world: World) -> None:
    for _ in range(240):
        world.client.get("/notices/999")
    answer = world.client.get("/notices/999")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_letters_are_shown_once_and_only_to_those_who_keep_the_roll(world: World, committee: Browser) -> None:
    proposal_id = open_vote(world)
    page = committee.post(f"/proposals/{proposal_id}/letters")
    codes = re.findall(r'class="receipt">([0-9A-Z-]+)<', page.html)
    assert len(codes) == 3
    assert not re.findall(r'class="receipt">', committee.get(f"/proposals/{proposal_id}/letters").html)
    assert Page(world.client.get(f"/ballot/{codes[0].replace('-', '')}", headers=SAME_SITE)).status == 200
    owner = Browser(world, world.session((Role.OWNER, HERE)))
    assert owner.post(f"/proposals/{proposal_id}/letters").status == 403
    assert owner.get(f"/proposals/{proposal_id}/papers").status == 403


def test_the_desk_shows_nobody_what_the_other_read(world: World, committee: Browser) -> None:
    proposal_id = open_vote(world)
    entered = committee.post(f"/proposals/{proposal_id}/papers", part="1-1", choice="object")
    assert "waits for the second reading" in entered.text
    community = Browser(world, world.session((Role.COMMUNITY_OFFICER, HERE)))
    waiting = community.get(f"/proposals/{proposal_id}/papers").html
    assert "checked" not in waiting
    assert "is counted" in community.post(f"/proposals/{proposal_id}/papers", part="1-1", choice="object").text
    unread = committee.post(f"/proposals/{proposal_id}/papers", part="9-9", choice="object")
    assert (unread.status, "not on the roll" in unread.text) == (409, True)


def upload(world: World, person: Browser, path: str, content: bytes, **fields: str) -> Page:
    form = {CSRF_FIELD: person.headers[CSRF_HEADER], **fields}
    return Page(world.client.post(path, headers=person.headers, data=form, files={"file": ("x", content)}))


def test_a_roll_is_looked_through_before_it_is_taken(world: World, committee: Browser) -> None:
    bad = b"owner,part,area_m2\nA,1-1,0\n,1-2,80\nB,1-1,80\n"
    told = upload(world, committee, "/roll/look", bad, site=HERE)
    assert told.status == 422
    for line in ("line 2", "line 3", "line 4"):
        assert line in told.text
    good = "owner,part,area_m2,name,source\nA,1-1,89.53,王小明,登记\nA,1-2,80,王小明,测绘\n".encode("gb18030")
    seen = upload(world, committee, "/roll/look", good, site=HERE)
    assert (seen.status, "1 owners, 2 parts, 169.53 m²" in seen.text) == (200, True)
    assert "王小明" not in committee.get(f"/roll?site={HERE}").text
    digest = next(seen.all("input", name="digest"))["value"]
    assert committee.post("/roll/take", site=HERE, digest="0" * 64).status == 409
    assert committee.post("/roll/take", site=HERE, digest=digest).status == 303
    assert "王小明" in committee.get(f"/roll?site={HERE}").text
    owner = Browser(world, world.session((Role.OWNER, HERE)))
    assert "王小明" not in owner.get(f"/roll?site={HERE}").html
    posted = committee.post("/roll/post", site=HERE)
    notice = Page(world.client.get(posted.location, headers={"Accept-Language": "en"}))
    assert "王**" in notice.text
    assert "王小明" not in notice.html
    part = next(a["href"] for a in committee.get(f"/roll?site={HERE}").all("a") if "/roll/parts/" in a["href"])
    entered = {"site": HERE, "owner": "A", "name": "王小明", "area_m2": "90", "source": "register"}
    path = part.partition("?")[0]
    assert committee.post(path, **entered).status == 422
    assert committee.post(path, **entered, reason="by the register").status == 303
    assert "89.53 → 90.00" in committee.get(f"/roll?site={HERE}").text


def test_an_objection_to_the_roll_is_answered(world: World, committee: Browser) -> None:
    open_vote(world)
    owner = Browser(world, world.session((Role.OWNER, HERE)))
    assert owner.post("/roll/objections", site=HERE, about="1-1", text="too small").status == 303
    assert "too small" in owner.get(f"/roll?site={HERE}").text
    assert committee.post("/roll/objections/1", site=HERE, answer="corrected", upheld="1").status == 303
    assert "corrected" in owner.get(f"/roll?site={HERE}").text


def test_anybody_reads_notices_and_their_corrections(world: World, committee: Browser) -> None:
    number = post(world, "Costs of the lifts", "41 lifts, call 13812345678")
    public = {"Accept-Language": "en"}
    assert "Costs of the lifts" in Page(world.client.get("/notices", headers=public)).text
    shown = Page(world.client.get(f"/notices/{number}", headers=public))
    assert "138****5678" in shown.text
    assert "<svg" in shown.html
    assert 'href="/proposals/' not in shown.html
    assert all(f'href="{way}"' in world.client.get("/sign-in").text for way in ("/notices", "/ballot", "/report"))
    assert committee.post(f"/notices/{number}/corrections", title="Costs", body="40 lifts", reason="").status == 422
    assert committee.post(f"/notices/{number}/corrections", title="Costs", body="40 lifts", reason="sum").status == 303
    assert "40 lifts" in Page(world.client.get(f"/notices/{number}", headers=public)).text
    old = Page(world.client.get(f"/notices/{number}?version=1", headers=public))
    assert ("41 lifts" in old.text, "which was corrected" in old.text) == (True, True)
    for path in ("/notices/999", f"/notices/{number}?version=7", f"/notices/{2**63}"):
        assert world.client.get(path).status_code == 404
    assert world.client.post(f"/notices/{number}/corrections").status_code in (303, 401)


def test_a_photo_proves_that_a_notice_hung(world: World, committee: Browser) -> None:
    number = post(world, "Costs of the lifts")
    photo = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(photo, "JPEG")
    assert upload(world, committee, f"/notices/{number}/proofs", b"no photo", place="Gate").status == 422
    assert upload(world, committee, f"/notices/{number}/proofs", photo.getvalue(), place="Gate").status == 303
    public = Page(world.client.get(f"/notices/{number}", headers={"Accept-Language": "en"}))
    assert "Gate" in public.text
    assert "committee_member-1" not in public.text
    path = f"/api/v1/notices/{number}/proofs/1"
    assert world.client.get(path).status_code == 401
    assert world.client.get(path, headers=committee.headers).headers["content-type"] == "image/jpeg"


def test_the_page_of_a_vote_that_is_over_shows_its_result_with_reasons(world: World, committee: Browser) -> None:
    proposal_id = open_vote(world)
    assert "How it stands nobody learns before its end" in committee.get(f"/proposals/{proposal_id}/vote").text
    world.clock.move_s(10 * 86_400)
    page = Browser(world, world.session((Role.COMMITTEE_MEMBER, HERE))).get(f"/proposals/{proposal_id}/vote")
    assert "Not approved by the owners" in page.text
    assert "Taking part: 0 of 3 owners; needed: ≥ 2/3" in page.text
