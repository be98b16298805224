"""What people do with the pages, in a browser with and without scripts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from api.security import SESSION_COOKIE
from registry.login import Purpose
from registry.person import add_person
from registry.role import Role
from tests.api.kit import HERE, LIFT, PUMP, World
from tests.browser.conftest import Enter

STEPS = (
    ("受理", "已受理"),
    ("派单", "已派单"),
    ("接单", "已接单"),
    ("我已到场", "已到场"),
    ("开始处理", "处理中"),
    ("处理完毕，已恢复", "已恢复"),
    ("核验通过", "已核验"),
    ("办结", "已办结"),
)


def test_somebody_signs_in_chooses_a_language_and_signs_out(page: Page, world: World, site: str) -> None:
    with world.database.writing() as session:
        add_person(
            session, name="wang", password="wang's secret", role=Role.PROPERTY_MANAGER, site=HERE, now_ms=world.clock()
        )
    page.goto(f"{site}/tickets")
    expect(page).to_have_url(f"{site}/sign-in?next=%2Ftickets")
    page.get_by_label("用户名").fill("wang")
    page.get_by_label("密码").fill("guessed")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_have_text("用户名或密码错误。")
    page.get_by_label("密码").fill("wang's secret")
    page.get_by_role("button", name="登录").click()
    expect(page).to_have_url(f"{site}/tickets")
    page.get_by_role("button", name="English").click()
    expect(page).to_have_url(f"{site}/tickets")
    expect(page.get_by_role("heading", name="Tickets")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{site}/tickets")
    expect(page).to_have_url(f"{site}/sign-in?next=%2Ftickets")


def test_two_parties_carry_a_ticket_to_its_end(page: Page, world: World, enter: Enter) -> None:
    world.signal(LIFT, "entrapment")
    enter(page, "/", (Role.PROPERTY_MANAGER, HERE))
    page.locator(".alarm-critical").get_by_role("link", name="工单").click()
    for button, stage in STEPS:
        if button == "核验通过":
            expect(page.get_by_role("button", name=button, exact=True)).to_have_count(0)
            expect(page.locator(".advice", has_text="须由另一方核验：业委会、社区")).to_be_visible()
            expect(page.locator("#still-holds")).to_contain_text("电梯困人")
            enter(page, "/tickets/1", (Role.COMMITTEE_MEMBER, HERE))
        expect(page.locator("#stage")).not_to_have_text(stage)
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator("#stage")).to_have_text(stage)
    expect(page.locator(".step-done")).to_have_count(9)
    expect(page.locator(".moves")).to_have_count(0)


def test_a_move_back_asks_for_its_reason(page: Page, world: World, enter: Enter) -> None:
    ticket_id = world.ticket_of(world.signal(PUMP, "dry_run"))
    enter(page, f"/tickets/{ticket_id}", (Role.PROPERTY_MANAGER, HERE))
    page.get_by_text("取消工单").first.click()
    page.get_by_role("button", name="取消工单").click()
    expect(page.locator("#stage")).to_have_text("已上报")  # the browser itself asks for the reason
    page.get_by_label("原因（必填）").fill("传感器测试")
    page.get_by_role("button", name="取消工单").click()
    expect(page.locator("#stage")).to_have_text("已取消")
    expect(page.locator(".timeline")).to_contain_text("传感器测试")


def test_everything_can_be_reached_by_the_keyboard_and_seen_where_it_is(page: Page, world: World, enter: Enter) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    enter(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    expect(page.locator(".skip")).to_be_in_viewport()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == f"acknowledge-{alarm_id}":
            break
    else:
        pytest.fail("the button cannot be reached")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    expect(page.locator(f"#alarm-{alarm_id}")).to_contain_text("已确认")


def test_everything_works_without_a_script(browser: Browser, world: World, site: str) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    try:
        secret, _ = world.login(world.person((Role.PROPERTY_MANAGER, HERE)), Purpose.WEB)
        context.add_cookies([{"name": SESSION_COOKIE, "value": secret, "url": site}])
        page = context.new_page()
        page.goto(site)
        expect(page.locator("#connection")).to_contain_text("截至 12:00:00 的状态")
        expect(page.locator("#connection").get_by_role("link", name="重新加载")).to_be_visible()
        page.locator(f"#acknowledge-{alarm_id}").click()
        expect(page.locator(f"#alarm-{alarm_id}")).to_contain_text("已确认")
        page.get_by_role("link", name="工单 1").click()
        page.get_by_role("button", name="受理", exact=True).click()
        expect(page.locator("#stage")).to_have_text("已受理")
        page.goto(f"{site}/units?search=p1")
        page.locator(".row-title").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("p1")
        page.goto(f"{site}/alarms/{alarm_id}")
        page.get_by_text("暂时搁置该报警").click()
        page.get_by_label("原因", exact=True).fill("今天更换止回阀")
        page.get_by_role("button", name="搁置报警").click()
        expect(page.locator(".state").first).to_have_text("已搁置")
    finally:
        context.close()


def test_a_chart_can_be_looked_at_in_another_window(page: Page, world: World, enter: Enter) -> None:
    world.measure(
        PUMP, {"level_m": [0.5, 0.6] * 300, "flow_m3_h": [30.0] * 600}, start_ms=world.clock() - 600_000, step_ms=1_000
    )
    enter(page, f"/units/{PUMP.path}")
    expect(page.locator(".chart-wide svg")).to_be_visible()
    expect(page.locator(".chart-narrow")).to_be_hidden()
    page.get_by_label("测点").select_option("flow_m3_h")
    page.get_by_role("button", name="查看").click()
    expect(page.get_by_role("heading", name="读数：流量")).to_be_visible()
    page.get_by_role("link", name="6小时").click()
    expect(page.locator(".segments [aria-current]")).to_have_text("6小时")
    page.get_by_text("数值表").click()
    expect(page.locator(".chart table")).to_be_visible()
