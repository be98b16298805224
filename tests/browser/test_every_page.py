"""Every page on a phone and on a desk, in both languages, with hostile words in it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from registry.role import Role
from registry.unit import get_unit
from tests.api.kit import ELSEWHERE, HERE, LIFT, NOON_MS, PUMP, World
from tests.api.patrolled import plan_rounds
from tests.api.polling_kit import open_vote
from tests.api.polling_kit import post as post_notice_of
from tests.api.proposed import draft_proposal
from tests.browser.conftest import Enter

HOSTILE = (
    '"><script>window.wasHacked = true</script><img src=x onerror="window.wasHacked = true">' + "长" * 30 + "w" * 60
)


@pytest.fixture
def full_world(world: World) -> World:
    with world.database.writing() as session:
        for key in (LIFT, PUMP):
            unit = get_unit(session, key.path)
            unit.name, unit.building, unit.maintainer = HOSTILE, HOSTILE[:100], HOSTILE
    world.measure(
        PUMP,
        {"level_m": [0.5] * 120, "pump1_running": [1.0] * 120, HOSTILE[:90]: [1.0] * 120},
        start_ms=NOON_MS - 120_000,
        step_ms=1_000,
    )
    plan_rounds(world, places=(HOSTILE, "Gate"), name=HOSTILE)
    open_vote(world, words=HOSTILE)
    post_notice_of(world, HOSTILE[:200], HOSTILE)
    evidence = {"contributions": [[HOSTILE[:90], 0.8], ["level_m", 0.2]], "anomaly_score": 9.0, "threshold": 5.0}
    world.signal(PUMP, "anomaly", evidence=evidence)  # type: ignore[arg-type]
    world.signal(LIFT, "entrapment", evidence={"points": [HOSTILE] * 3, "occupied": 1.0})  # type: ignore[dict-item, list-item]
    draft_proposal(world, HOSTILE[:100])
    return world


def addresses(world: World) -> Iterator[str]:
    yield from ("/", "/units", f"/units/{PUMP.path}", f"/units/{LIFT.path}", "/alarms", "/alarms/1", "/alarms/2")
    yield f"/units/{PUMP.path}?metric={HOSTILE[:90].replace('%', '%25').replace('&', '%26')}"
    yield from (
        "/tickets",
        "/tickets/1",
        "/tickets/new",
        "/tickets/3",
        "/data-quality",
        "/report-codes",
        "/report",
        "/suppressions?site=xiaohe",
        "/alarm-figures",
        "/alarms?state=aside",
        "/models",
        "/webhooks",
        f"/models/{PUMP.path}",
        "/patrols",
        "/patrols/1",
        "/patrols/1/record",
        "/patrol-plans",
        "/patrol-plans/1/codes",
        "/statutory",
        "/roll",
        "/roll/parts/1?site=xiaohe",
        "/roll/accounts",
        "/roll/accounts/1?site=xiaohe",
        "/vote-rules?site=xiaohe",
        "/notices/new?site=xiaohe",
        "/proposals/1/vote",
        "/proposals/1/papers",
        "/proposals/1/letters",
        "/proposals/1/ballot-papers",
        "/notices",
        "/notices/1",
        "/ballot",
        "/receipt",
        "/statistics",
        "/meetings",
        "/tasks",
        "/action-teams",
        f"/statistics?unit={LIFT.path}",
        f"/units/{LIFT.path}/service-records",
        "/watch-list",
        "/patrol-risk",
        "/district",
        "/proposals",
        "/proposals/new?site=xiaohe",
        "/proposals/1",
        "/proposals/1/evidence",
        "/fund",
        "/nothing-here",
    )


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("device", ["page", "phone_page"])
def test_no_page_is_wider_than_its_screen_or_has_an_error(
    full_world: World, enter: Enter, site: str, request: pytest.FixtureRequest, device: str, language: str
) -> None:
    page: Page = request.getfixturevalue(device)
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("dialog", lambda dialog: (complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))  # type: ignore[func-returns-value]
    enter(page)
    if language == "en":
        page.get_by_role("button", name="English").click()
    page.goto(f"{site}/tickets/new?unit={LIFT.path}")
    page.locator("[name=title]").fill(HOSTILE)
    page.locator("[name=description]").fill(HOSTILE)
    page.locator("form.stacked button").click()
    too_wide: dict[str, int] = {}
    for address in addresses(full_world):
        response = page.goto(site + address)
        assert response is not None
        assert response.status == (404 if "nothing" in address else 200), address
        page.wait_for_load_state("load")
        excess_px = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if excess_px > 0:
            too_wide[address] = excess_px
        assert page.evaluate("window.wasHacked") is None, address
        assert page.locator("html").get_attribute("lang") == ("en" if language == "en" else "zh-CN")
    assert too_wide == {}
    # The page that does not exist is itself told as an error of loading.
    assert [each for each in complaints if "404" not in each] == []


def test_what_is_to_be_tapped_on_a_phone_is_large_enough(
    phone_page: Page, full_world: World, enter: Enter, site: str
) -> None:
    enter(phone_page)
    for address in ("/", "/units", f"/units/{PUMP.path}", "/tickets", "/tickets/1", "/alarms/1", "/statistics"):
        phone_page.goto(site + address)
        small = phone_page.evaluate(
            """[...document.querySelectorAll("button, .button, select, input, .site-nav a")]
               .filter((e) => !["hidden", "checkbox", "radio"].includes(e.type))
               .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 43)
               .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert small == [], address


def test_a_wall_screen_shows_larger_letters(page: Page, full_world: World, enter: Enter) -> None:
    enter(page)
    page.set_viewport_size({"width": 2560, "height": 1440})
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") >= 20


def test_a_ticket_and_a_unit_are_printed_without_what_paper_cannot_do(
    page: Page, full_world: World, enter: Enter, site: str
) -> None:
    enter(page, "/tickets/1")
    page.emulate_media(media="print")
    for selector in (".site-nav", ".moves", ".who"):
        assert not page.locator(selector).first.is_visible(), selector
    assert page.locator(".print-only").is_visible()
    assert page.locator(".timeline").is_visible()
    page.goto(f"{site}/units/{PUMP.path}")
    assert page.locator(".chart-wide svg").is_visible()
    assert not page.locator(".chart-filters").is_visible()


def test_a_resident_sees_a_page_that_fits(phone_page: Page, full_world: World, enter: Enter) -> None:
    enter(phone_page, "/", (Role.OWNER, HERE))
    assert phone_page.locator(".alarm-critical").count() == 1
    assert phone_page.get_by_role("button", name="确认").count() == 0
    assert ELSEWHERE not in phone_page.content()
