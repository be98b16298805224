"""What a stranger sees who types `make demo`."""

import os

from playwright.sync_api import Page, expect

from tests.servers.liandong import ROOT, StartLiandong

FIRST_ALARM_MS = 90_000
ENTRAPMENT_MS = 200_000


def test_the_demo_shows_a_compound_with_its_first_fault_and_its_ticket(
    page: Page, liandong_process: StartLiandong
) -> None:
    demo = liandong_process("demo")
    page.goto(demo.http_url)
    page.get_by_role("button", name="manager").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=10_000)
    # The board moves on while it is looked at: one whose ticket nobody has taken in hand yet.
    alarm = page.locator(".alarm").filter(has_text="已上报").first
    expect(alarm).to_be_visible(timeout=FIRST_ALARM_MS)
    expect(page.locator("main")).to_contain_text("94")
    if os.environ.get("LIANDONG_TEST_SCREENSHOTS"):
        expect(page.locator(".alarm-critical").first).to_be_visible(timeout=ENTRAPMENT_MS)
        while page.get_by_text("演示数据仍在写入").is_visible():
            page.wait_for_timeout(2_000)
            page.reload()
        expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=10_000)
        page.screenshot(path=ROOT / "docs" / "screenshot-board.png")
    alarm.get_by_role("link", name="工单").click()
    page.get_by_role("button", name="受理").click()
    expect(page.locator("main")).to_contain_text("已受理")
    demo.stop()
    # What the demo tells of the weeks before was missed by nobody.
    assert '"level": "error"' not in demo.stderr_text()
