"""Debian's Chromium, driven by Playwright, and what every page must keep to while a test looks at it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect, sync_playwright

from tests.left_out import program

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
DESKTOP = (1280, 900)
PHONE = (390, 844)
SWITCHES = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PATIENCE_MS = 30_000
LOCAL_SCHEMES = frozenset({"about", "blob", "data"})


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """As long as it runs, `asyncio.run` cannot be called in the same thread."""
    executable = program("chromium")
    # A page that is slow is no failure of what it shows: two processes of tests and their servers share the cores.
    expect.set_options(timeout=PATIENCE_MS)
    switches = [*SWITCHES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=switches, headless=True)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_page(
    browser: Browser, *, size: tuple[int, int], locale: str = "zh-CN", name: str, has_failed: Callable[[], bool]
) -> Iterator[Page]:
    """A page in a context of its own.

    AssertionError at the end if a page asked for something outside this machine, broke its own Content-Security-Policy
    or had an error in a script. If the test has failed, `test-artifacts/NAME.png` and `.html` show what it looked at.
    """
    faults: list[str] = []
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=locale,
        timezone_id="Asia/Shanghai",
        has_touch=size == PHONE,
        is_mobile=size == PHONE,
    )
    context.set_default_timeout(PATIENCE_MS)
    context.on("request", lambda request: _note_foreign(request, faults))
    context.on("weberror", lambda error: faults.append(f"script error: {error.error}"))
    context.on("console", lambda message: _note_policy(message, faults))
    page = context.new_page()
    try:
        yield page
        if has_failed():
            _keep_artifacts(context, name)
    finally:
        context.close()
    assert not faults, "; ".join(faults)


def _note_foreign(request: Request, faults: list[str]) -> None:
    parts = urlsplit(request.url)
    if parts.scheme not in LOCAL_SCHEMES and parts.hostname not in {"127.0.0.1", "localhost"}:
        faults.append(f"asked for {request.url}")


def _note_policy(message: ConsoleMessage, faults: list[str]) -> None:
    if message.type == "error" and "Content Security Policy" in message.text:
        faults.append(message.text)


def _keep_artifacts(context: BrowserContext, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "_", name)
    for page in context.pages:
        try:
            page.screenshot(path=ARTIFACTS / f"{stem}.png", full_page=True)
            (ARTIFACTS / f"{stem}.html").write_text(page.content(), encoding="utf-8")
        except Error:
            continue  # a page that has crashed shows nothing
