"""小河佳苑 in a browser: the evidence, the ballot, the result and the notice of costs, as people see them.

What no page shows differently is done through the core (`tests.stories.xiaohe`); the steps that the story turns on are
clicks. With LIANDONG_TEST_SCREENSHOTS the four pages are kept in both languages.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect

from alerts.limits import Limits
from api.app import create_app
from api.proposal_desk import settle_votes
from api.security import SESSION_COOKIE
from api.settings import Settings
from api.translations import translator
from governance import ballot
from governance.ballot import NewBallot
from governance.ballot_box import cast_ballot
from governance.notice import list_notices
from governance.notice_rules import NoticeKind
from governance.roll_link import link_person
from governance.tally import Choice
from governance.vote import get_vote
from ingest.stores.duckdb import DuckDBStore
from registry.database import Database
from registry.login import Purpose
from registry.role import Role
from registry.site import get_site
from tests.api.kit import BASE_URL, Clock, World, resources_of, served
from tests.governance.council import GUO, HERE
from tests.stories.xiaohe import BAD, LIFTS, OWNERS, TOLD, Compound, choices_of

DOCS = Path(__file__).parents[2] / "docs"
PATIENCE_MS = 60_000
WORDS = {
    "title": "41台电梯大修",
    "reason": "小区已列入电梯故障最多的小区名单，多次发生困人。",
    "plan": "更换控制柜、门机和制动器。",
}


class Story:
    """The compound behind a real server, and whoever reads its pages at the story's own time."""

    def __init__(self, compound: Compound, world: World, address: str) -> None:
        self.compound, self.world, self.address = compound, world, address

    def enter(self, page: Page, path: str, role: Role, *, person_id: int | None = None) -> None:
        # Evidence of 124 lifts is gathered while the button is pressed: seconds, on a machine that does other work.
        page.set_default_timeout(PATIENCE_MS)
        self.world.clock.now_ms = self.compound.now_ms
        found = self.world.person((role, HERE)) if person_id is None else person_id
        secret, _ = self.world.login(found, Purpose.WEB)
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": secret, "url": self.address, "httpOnly": True}])
        page.goto(self.address + path)

    def keep(self, page: Page, name: str) -> None:
        """The page in both languages, for the documentation; the browser asks for Chinese first."""
        if not os.environ.get("LIANDONG_TEST_SCREENSHOTS"):
            return
        for language, button in (("zh", None), ("en", "English"), (None, "中文")):
            if button is not None:
                page.get_by_role("button", name=button).click()
                page.wait_for_load_state()
            if language is not None:
                page.screenshot(path=DOCS / f"story-{name}-{language}.png")


@contextmanager
def story_of(migrated: Path, folder: Path, **facts: object) -> Iterator[Story]:
    database = Database(f"sqlite:///{shutil.copy(migrated, folder / 'story.sqlite')}")
    store = DuckDBStore(folder / "telemetry.duckdb")
    store.prepare()
    clock = Clock()
    compound = Compound(database, **WORDS, **facts)  # type: ignore[arg-type]
    settings = Settings(_env_file=None, data_dir=folder)  # type: ignore[call-arg]
    app = create_app(resources_of(database, store, clock, settings=settings))
    world = World(app, TestClient(app, base_url=BASE_URL), database, store, clock, Limits())
    try:
        with served(app) as address:
            yield Story(compound, world, address)
    finally:
        store.close()
        database.close()


def cast_all_but_the_first(compound: Compound, choices: list[Choice | None]) -> None:
    with compound.database.writing() as session:
        vote = get_vote(session, compound.proposal_id)
        for number, choice in enumerate(choices):
            if choice is not None and number:
                voter = ballot.find_by_key(session, vote, f"y{number:03d}")
                cast_ballot(
                    session, vote.id, voter.id, NewBallot(choice=choice), receipt=f"r{number}", now_ms=compound.now_ms
                )


def post_and_open(story: Story, page: Page) -> None:
    """The committee posts the topic for fifteen days and opens the vote, by the buttons of its page."""
    compound = story.compound
    opens_on = compound.day + timedelta(days=16)
    path = f"/proposals/{compound.proposal_id}"
    story.enter(page, path, Role.COMMITTEE_MEMBER)
    page.locator("[name=opens_on]").fill(opens_on.isoformat())
    page.locator("[name=closes_on]").fill((opens_on + timedelta(days=14)).isoformat())
    page.locator("button[name=to][value=posted]").click()
    expect(page.locator("main")).to_contain_text("已公示")
    expect(page.locator("button[name=to][value=voting]")).to_have_count(0)
    compound.day = opens_on
    story.enter(page, path, Role.COMMITTEE_MEMBER)
    page.locator("button[name=to][value=voting]").click()
    expect(page.locator("main")).to_contain_text("表决中")


def vote_as_an_owner(story: Story, page: Page) -> None:
    compound = story.compound
    owner = story.world.person((Role.OWNER, HERE))
    with compound.database.writing() as session:
        link_person(session, get_site(session, HERE), "y000", owner, actor=GUO, now_ms=compound.now_ms)
    story.enter(page, f"/proposals/{compound.proposal_id}/vote", Role.OWNER, person_id=owner)
    story.keep(page, "ballot")
    expect(page.locator("main")).not_to_contain_text("业主大会通过")
    page.locator("input[name=choice][value=consent]").check()
    page.locator("form.ballot button").click()
    expect(page.locator("#receipt")).not_to_be_empty()


def close_the_vote(story: Story) -> None:
    compound = story.compound
    compound.day += timedelta(days=15)
    assert settle_votes(compound.database, _=translator("zh"), now_ms=compound.now_ms) == [compound.proposal_id]


def test_the_story_as_people_saw_it(page: Page, migrated_sqlite: Path, tmp_path: Path) -> None:
    with story_of(migrated_sqlite, tmp_path) as story:
        compound = story.compound
        compound.look()
        story.enter(page, "/watch-list", Role.DISTRICT_OFFICER)
        expect(page.locator("main")).to_contain_text("小河佳苑")

        compound.propose()
        story.enter(page, f"/statistics?site={HERE}", Role.COMMITTEE_MEMBER)
        expect(page.locator("main")).to_contain_text(str(LIFTS))
        post_and_open(story, page)
        page.goto(f"{story.address}/proposals/{compound.proposal_id}/evidence")
        expect(page.locator(".in-words").first).to_contain_text(f"{LIFTS} 台设备中的 {BAD} 台")
        expect(page.locator("main")).to_contain_text("SHA-256")
        story.keep(page, "pack")

        cast_all_but_the_first(compound, choices_of(consent=105, object_=20))
        vote_as_an_owner(story, page)
        close_the_vote(story)
        story.enter(page, f"/proposals/{compound.proposal_id}/vote", Role.OWNER)
        expect(page.locator(".verdict")).to_contain_text("通过")
        rows = page.locator("table.numbers tbody tr")
        for place, count in enumerate((OWNERS, 125, 105)):
            expect(rows.nth(place)).to_contain_text(str(count))
        expect(page.locator("main")).to_contain_text("property-law-2007")
        expect(page.get_by_role("link", name="vote.zip")).to_be_visible()

        compound.carry_out()
        with compound.database.reading() as session:
            costs = list_notices(session, kind=NoticeKind.COSTS)[0][0].id
        page.context.clear_cookies()
        story.world.clock.now_ms = compound.now_ms
        page.goto(f"{story.address}/notices/{costs}")
        expect(page.locator("article")).to_contain_text("4,087,654.33")
        expect(page.locator("article .notice-code svg")).to_be_visible()

        compound.day = TOLD
        compound.look()
        story.enter(page, f"/statistics?site={HERE}", Role.COMMITTEE_MEMBER)
        expect(page.locator("main")).to_contain_text(f"{BAD} 台")
        expect(page.locator("main")).to_contain_text("大修前")
        story.enter(page, "/watch-list", Role.DISTRICT_OFFICER)
        expect(page.locator("main")).to_contain_text("2018-10-01")


def test_the_same_vote_under_the_law_of_today(page: Page, migrated_sqlite: Path, tmp_path: Path) -> None:
    with story_of(migrated_sqlite, tmp_path, day=date(2023, 4, 3), is_watched=False) as story:
        compound = story.compound
        compound.propose()
        post_and_open(story, page)
        # Exactly two thirds take part, one more than half of them consents; the old law would have refused.
        cast_all_but_the_first(compound, choices_of(consent=51, object_=49))
        vote_as_an_owner(story, page)
        close_the_vote(story)
        story.enter(page, f"/proposals/{compound.proposal_id}/vote", Role.OWNER)
        expect(page.locator(".verdict")).to_contain_text("通过")
        expect(page.locator("main")).to_contain_text("civil-code-2021")
        rows = page.locator("table.numbers tbody tr")
        expect(rows.nth(2)).to_contain_text("51")
        story.keep(page, "result")
        with compound.database.reading() as session:
            topic = list_notices(session, kind=NoticeKind.VOTE)[0][0].id
        page.goto(f"{story.address}/notices/{topic}")
        expect(page.locator("article h1")).to_contain_text(WORDS["title"])
        story.keep(page, "notice")
