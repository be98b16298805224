"""A resident with a telephone before a lift: no account, no script, a photo."""

import io

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from registry.role import Role
from tests.api.kit import HERE, LIFT, World
from tests.browser.conftest import Enter


def photo() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (640, 480), "orange").save(made, "JPEG")
    return made.getvalue()


def test_what_a_resident_scans_and_sends_is_on_the_managers_desk(
    browser: Browser, page: Page, world: World, site: str, enter: Enter
) -> None:
    enter(page, f"/report-codes?unit={LIFT.path}", (Role.PROPERTY_MANAGER, HERE))
    page.get_by_role("button", name="生成缺少的报修码").click()
    page.goto(f"{site}/report-codes?unit={LIFT.path}")
    address = page.locator(".code-address").inner_text()
    expect(page.locator(".code-card svg")).to_be_visible()
    context = browser.new_context(
        java_script_enabled=False, locale="zh-CN", viewport={"width": 360, "height": 740}, is_mobile=True
    )
    try:
        telephone = context.new_page()
        telephone.goto(address)
        small = [each for each in telephone.locator(".choice").all() if (each.bounding_box() or {})["height"] < 43]
        assert small == []
        telephone.get_by_label("异响或抖动").check()
        telephone.get_by_label("简单说明").fill("三楼有异响")
        telephone.get_by_label("照片").set_input_files(
            files=[{"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": photo()}]
        )
        world.clock.move_s(30)
        telephone.get_by_role("button", name="提交").click()
        expect(telephone.locator("#now")).to_contain_text("已收到")
        status = telephone.url
        page.goto(f"{site}/tickets")
        page.get_by_role("link", name="居民反映：异响或抖动").click()
        expect(page.locator("main")).to_contain_text("三楼有异响")
        picture = page.locator(".files img")
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("image => image.naturalWidth") == 640
        page.get_by_role("button", name="受理", exact=True).click()
        expect(page.locator("#stage")).to_have_text("已受理")
        telephone.goto(status)
        expect(telephone.locator("#now")).to_contain_text("已查看")
    finally:
        context.close()
