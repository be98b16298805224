"""Call-outs as people use them: one tap, no login, and a preview that answers for nobody."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from alerts.call_out import Summons
from api.answer_desk import WRONG_LINKS_OF_ADDRESS
from api.call_out_links import PATH, CallOutLinks, hash_of_secret
from registry.role import Role
from tests.api.kit import HERE, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page
from tests.api.summoned import add_person, secret_of, start_call_out

Asked = tuple[int, str]


@pytest.fixture
def asked(world: World) -> Asked:
    """A call-out, and the address of a technician's question."""
    person_id = add_person(world, "王师傅", Role.TECHNICIAN, language="zh")
    call_out_id = start_call_out(world)
    return call_out_id, f"{PATH}/{secret_of(call_out_id, person_id)}"


def open_link(world: World, address: str) -> Page:
    return Page(world.client.get(address, headers={"Accept": "text/html"}))


def tap(world: World, address: str, say: str) -> Page:
    return Page(world.client.post(address, data={"say": say}, headers={"Accept": "text/html"}))


def said(world: World, call_out_id: int) -> list[tuple[str | None, int | None, bool]]:
    with world.database.reading() as session:
        query = select(Summons).where(Summons.call_out_id == call_out_id).order_by(Summons.id)
        return [(each.answer, each.minutes, each.arrived_ms is not None) for each in session.scalars(query)]


def test_one_tap_answers_without_a_login_and_may_be_changed(world: World, asked: Asked) -> None:
    call_out_id, address = asked
    page = open_link(world, address)
    assert page.status == 200
    assert "王师傅" in page.text
    assert "Gate 2" in page.text
    assert len([form for form in page.all("form", method="post") if form["action"] == address]) == 4
    assert tap(world, address, "15").location == address
    assert said(world, call_out_id) == [("coming", 15, False)]
    assert "12:15" in open_link(world, address).text
    tap(world, address, "cannot")
    assert said(world, call_out_id) == [("cannot", None, False)]
    tap(world, address, "5")
    tap(world, address, "arrived")
    assert said(world, call_out_id) == [("coming", 5, True)]


def test_looking_at_a_link_answers_for_nobody(world: World, asked: Asked) -> None:
    call_out_id, address = asked
    for method in ("GET", "HEAD"):
        for query in ("", "?say=15", "?say=arrived"):
            world.client.request(method, address + query)
    assert said(world, call_out_id) == [(None, None, False)]


def test_the_page_speaks_the_language_of_the_person_until_they_choose(world: World, asked: Asked) -> None:
    _, address = asked
    english = {"Accept": "text/html", "Accept-Language": "en"}
    assert "您能来吗" in Page(world.client.get(address, headers=english)).text
    chosen = {**english, "Cookie": "liandong_language=en"}
    assert "can you come?" in Page(world.client.get(address, headers=chosen)).text


def test_after_the_stand_down_the_page_says_so_and_takes_no_answer(
    world: World, asked: Asked, browser_of: Callable[..., Browser]
) -> None:
    call_out_id, address = asked
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.post(f"/call-outs/{call_out_id}/moves", to="stood_down", note="Pressed by mistake").status == 303
    page = open_link(world, address)
    assert "召集已解除" in page.text
    assert "Pressed by mistake" in page.text
    assert address not in page.actions()
    tap(world, address, "5")
    assert said(world, call_out_id) == [(None, None, False)]


@pytest.mark.parametrize("secret", ["x", "0" * 24, "长" * 24, "000001-000001-abcdefghijk"])
def test_a_link_that_nobody_got_leads_nowhere(world: World, asked: Asked, secret: str) -> None:
    assert open_link(world, f"{PATH}/{secret}").status == 404
    assert tap(world, f"{PATH}/{secret}", "5").status == 404


def test_who_guesses_links_is_held_back_and_who_has_one_is_not(world: World, asked: Asked) -> None:
    _, address = asked
    for number in range(WRONG_LINKS_OF_ADDRESS):
        assert open_link(world, f"{PATH}/{number:024}").status == 404
    assert open_link(world, f"{PATH}/{'9' * 24}").status == 429
    assert open_link(world, address).status == 200


@pytest.mark.parametrize("say", ["", "7", "yes", "-5", "٥"])
def test_what_no_button_says_is_refused(world: World, asked: Asked, say: str) -> None:
    call_out_id, address = asked
    assert tap(world, address, say).status == 422
    assert said(world, call_out_id) == [(None, None, False)]


def test_the_database_knows_a_hash_of_the_link_and_no_person_stands_in_it(world: World, asked: Asked) -> None:
    call_out_id, address = asked
    secret = address.rpartition("/")[2]
    with world.database.reading() as session:
        (kept,) = session.scalars(select(Summons.link_hash).where(Summons.call_out_id == call_out_id))
    assert kept == hash_of_secret(secret)
    links = CallOutLinks(b"a key", base_url="https://example.com/")
    assert links.address(1, 2) != links.address(1, 3) != links.address(2, 3)
    assert links.address(1, 2) != CallOutLinks(b"another", base_url="https://example.com/").address(1, 2)
    assert links.address(1, 2).startswith("https://example.com/call-outs/answer/")


def test_whoever_is_signed_in_answers_on_a_page_of_their_own(world: World, browser_of: Callable[..., Browser]) -> None:
    technician = browser_of((Role.TECHNICIAN, HERE))
    call_out_id = start_call_out(world, asks_everybody=False)
    page = technician.get(f"/call-outs/{call_out_id}/answer")
    assert page.status == 200
    assert technician.post(f"/call-outs/{call_out_id}/answer", say="30").status == 303
    assert said(world, call_out_id) == [("coming", 30, False)]
    stranger = browser_of((Role.TECHNICIAN, HERE))
    assert stranger.get(f"/call-outs/{call_out_id}/answer").status == 404


def test_a_person_confirms_what_an_alarm_proposed(world: World, browser_of: Callable[..., Browser]) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    world.signal(PUMP, "inflow_exceeds_capacity", evidence={"overflow_in_min": 12.4})
    assert "Proposed, nobody called yet" in manager.get("/call-outs").text
    page = manager.get("/call-outs/1")
    assert "overflows in about 12 min" in page.text
    assert manager.post("/call-outs/1/moves", to="called").status == 303
    page = manager.get("/call-outs/1")
    assert "Muster list" in page.text
    assert "Stand down" in page.text
    fragment = manager.get("/fragments/call-outs/1")
    assert "Call the next stage now" in fragment.text
    assert manager.post("/call-outs/1/next-stage").status == 303


def test_an_arrival_is_noted_at_the_meeting_point_and_taken_back(
    world: World, asked: Asked, browser_of: Callable[..., Browser]
) -> None:
    call_out_id, _ = asked
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    for arrived, state in (("1", True), ("0", False)):
        assert manager.post(f"/call-outs/{call_out_id}/arrivals", summons="1", arrived=arrived).status == 303
        assert said(world, call_out_id)[0][2] is state


def test_nobody_is_called_by_a_form_without_its_check_mark(world: World, browser_of: Callable[..., Browser]) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    refused = manager.post("/call-outs", site=HERE, reason="Water")
    assert refused.status == 422
    assert "they are to be called now" in refused.text
    started = manager.post("/call-outs", site=HERE, reason="Water", sure="1", form_key="k1")
    assert started.location == manager.post("/call-outs", site=HERE, reason="Water", sure="1", form_key="k1").location


def test_barriers_are_taken_on_the_page_of_the_call_out(
    world: World, asked: Asked, browser_of: Callable[..., Browser]
) -> None:
    call_out_id, _ = asked
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    manager.post("/call-outs/stock", site=HERE, name="Sandbags", amount="50")
    assert manager.post("/call-outs/stock/1/moves", move="taken", number="20", call_out=str(call_out_id)).status == 303
    assert "taken for this: 20" in manager.get(f"/call-outs/{call_out_id}").text
    refused = manager.post("/call-outs/stock/1/moves", move="taken", number="31")
    assert refused.status == 409
    assert "30 at most" in refused.text


def test_a_plan_is_changed_on_its_page(world: World, browser_of: Callable[..., Browser]) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    fields = {"uses_on_duty": "1", "wanted_on_duty": "9", "wait_min_on_duty": "4", "meeting_point": "Gate 7"}
    assert manager.post("/call-outs/plan", site=HERE, automatic_from="critical", **fields).status == 303
    page = manager.get(f"/call-outs/plan?site={HERE}&saved=1")
    assert 'value="9"' in page.html
    assert 'value="Gate 7"' in page.html
    refused = manager.post("/call-outs/plan", site=HERE, uses_on_duty="1", wanted_on_duty="x", wait_min_on_duty="4")
    assert refused.status == 422
