"""The board keeps itself up to date, loses nothing over a pause, and says honestly when it is old."""

from playwright.sync_api import Page, Route, expect

from tests.api.kit import FIRE, LIFT, PUMP, World
from tests.browser.conftest import Enter

LIVE, LOST = "实时", "连接中断"
SOON_MS = 8_000


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=SOON_MS)


def test_a_new_alarm_appears_without_reload_and_is_announced(page: Page, world: World, enter: Enter) -> None:
    enter(page)
    is_live(page)
    page.evaluate("document.body.dataset.loadedOnce = 'yes'")
    world.signal(LIFT, "entrapment")
    card = page.locator(".alarm-critical")
    expect(card).to_contain_text("电梯困人", timeout=SOON_MS)
    expect(card).to_contain_text("未确认")
    expect(page.locator("#announcer")).to_contain_text("新报警： 紧急: 电梯困人")
    assert page.title().startswith("(1) 实时看板")
    assert page.evaluate("document.body.dataset.loadedOnce") == "yes", "the page was not loaded again"


def test_an_alarm_that_returns_leaves_the_board_by_itself(page: Page, world: World, enter: Enter) -> None:
    world.signal(PUMP, "dry_run")
    enter(page)
    is_live(page)
    page.locator(".alarm").get_by_role("button", name="确认").click()
    expect(page.locator(".alarm")).to_contain_text("已确认", timeout=SOON_MS)
    world.signal(PUMP, "dry_run", is_active=False)
    expect(page.locator(".alarm")).to_have_count(0, timeout=SOON_MS)
    expect(page.locator(".empty")).to_contain_text("当前没有报警。")


def test_acknowledging_keeps_the_place_and_moves_the_focus_to_the_alarm(page: Page, world: World, enter: Enter) -> None:
    for code in ("dry_run", "phase_loss", "trip", "no_current", "short_cycling", "float_disagrees", "lift_pit_water"):
        world.signal(PUMP, code)
    lowest = world.signal(PUMP, "heavy_rain")
    enter(page)
    is_live(page)
    page.set_viewport_size({"width": 1280, "height": 500})
    button = page.locator(f"#acknowledge-{lowest}")
    button.scroll_into_view_if_needed()
    before = page.evaluate("window.scrollY")
    assert before > 0
    button.click()
    expect(page.locator(f"#alarm-{lowest}")).to_contain_text("已确认", timeout=SOON_MS)
    assert abs(page.evaluate("window.scrollY") - before) < 80
    assert page.evaluate("document.activeElement.closest('[data-alarm]')?.id") == f"alarm-{lowest}"


def test_what_one_is_looking_at_does_not_jump_when_an_alarm_comes_in_above(
    page: Page, world: World, enter: Enter
) -> None:
    for code in ("dry_run", "phase_loss", "trip", "no_current", "short_cycling", "float_disagrees", "heavy_rain"):
        world.signal(PUMP, code)
    enter(page)
    is_live(page)
    page.set_viewport_size({"width": 1280, "height": 500})
    page.evaluate("window.scrollTo(0, 400)")
    first = page.evaluate(
        "[...document.querySelectorAll('[data-alarm]')].find((a) => a.getBoundingClientRect().top >= 0).id"
    )
    top = page.evaluate("(id) => document.getElementById(id).getBoundingClientRect().top", first)
    world.signal(FIRE, "fire")
    expect(page.locator(".alarm-critical")).to_have_count(1, timeout=SOON_MS)
    assert abs(page.evaluate("(id) => document.getElementById(id).getBoundingClientRect().top", first) - top) < 3


def test_a_broken_connection_is_told_with_the_time_of_what_is_shown(page: Page, world: World, enter: Enter) -> None:
    enter(page)
    is_live(page)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text(LOST, timeout=SOON_MS)
    expect(page.locator("#connection")).to_contain_text("12:00:00")
    world.signal(FIRE, "fire")
    page.context.set_offline(False)
    expect(page.locator(".alarm-critical")).to_contain_text("火警", timeout=15_000)
    is_live(page)


def test_a_stream_that_is_refused_is_tried_again(page: Page, world: World, enter: Enter) -> None:
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=503, body="")

    page.route("**/activity/stream*", refuse)
    enter(page)
    expect(page.locator("#connection")).to_contain_text(LOST, timeout=SOON_MS)
    world.signal(FIRE, "fire")
    page.unroute("**/activity/stream*")
    is_live(page)
    expect(page.locator(".alarm-critical")).to_contain_text("火警", timeout=SOON_MS)
    assert refused


def test_a_session_that_has_ended_is_told(page: Page, world: World, enter: Enter) -> None:
    enter(page)
    is_live(page)
    page.context.clear_cookies()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#connection")).to_contain_text("您已退出登录", timeout=SOON_MS)


def test_the_sound_is_off_until_somebody_wants_it(page: Page, world: World, enter: Enter) -> None:
    enter(page)
    is_live(page)
    box = page.get_by_label("紧急报警时发出提示音")
    expect(box).not_to_be_checked()
    box.check()
    world.signal(FIRE, "fire")
    expect(page.locator(".alarm-critical")).to_have_count(1, timeout=SOON_MS)


def test_a_unit_page_keeps_its_state_up_to_date(page: Page, world: World, enter: Enter) -> None:
    world.measure(PUMP, {"level_m": [0.5]}, start_ms=world.clock() - 1_000, step_ms=1)
    enter(page, f"/units/{PUMP.path}")
    expect(page.locator("#state")).to_contain_text("0.5 m")
    world.measure(PUMP, {"level_m": [0.75]}, start_ms=world.clock() - 500, step_ms=1)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#state")).to_contain_text("0.75 m", timeout=SOON_MS)


def test_a_ticket_that_somebody_else_moves_says_so(page: Page, world: World, enter: Enter) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    enter(page, f"/tickets/{ticket_id}")
    page.locator(".moves").get_by_label("备注（选填）").fill("我写到一半")
    expect(page.locator(".changed")).to_be_hidden()
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="受理").click()
    expect(page.locator(".changed")).to_be_visible(timeout=SOON_MS)
    expect(page.locator(".moves").get_by_label("备注（选填）")).to_have_value("我写到一半")
