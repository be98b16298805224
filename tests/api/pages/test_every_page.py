"""What holds for every page: nothing inline, nothing from outside, usable without eyes, and readable for weak ones."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from api.edge import CONTENT_SECURITY_POLICY
from api.pages import assets
from api.route_roles import PUBLIC, ROUTE_ROLES
from registry.role import Role
from registry.unit import get_unit
from tests.api.appraised import start_appraisal
from tests.api.kit import HERE, LIFT, NOON_MS, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page
from tests.api.patrolled import plan_rounds
from tests.api.polling_kit import open_vote
from tests.api.polling_kit import post as post_notice_of
from tests.api.proposed import draft_proposal
from tests.api.summoned import add_person, start_call_out

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}%(x)s'


def joint_work(world: World) -> dict[str, str]:
    """A meeting with an item, an owner received, a task and a team, all of hostile words; addresses by template."""
    admin = world.bearer((Role.ADMIN, None))

    def post(path: str, **body: object) -> dict[str, int]:
        answer = world.client.post(f"/api/v1{path}", json={**body}, headers=admin)
        assert answer.is_success, answer.text
        found: dict[str, int] = answer.json()
        return found

    meeting = post("/meetings", site=HERE, title=HOSTILE, starts_at=NOON_MS + 3_600_000, place=HOSTILE)["id"]
    entry = post(f"/meetings/{meeting}/reception", matter=HOSTILE, name=HOSTILE[:40], unit=LIFT.path)["id"]
    post(f"/meetings/{meeting}/reception/{entry}/agenda")
    post(f"/meetings/{meeting}/prepare")
    post(f"/meetings/{meeting}/attendance", party="owners", name=HOSTILE[:60])
    task = post("/tasks", site=HERE, title=HOSTILE, party="property", description=HOSTILE)["id"]
    post(f"/tasks/{task}/comments", text=HOSTILE)
    team = post("/action-teams", site=HERE, goal=HOSTILE, due_on="2027-01-31", units=[LIFT.path], reason=HOSTILE)["id"]
    post(f"/action-teams/{team}/steps", text=HOSTILE)
    return {
        "/meetings": f"/meetings?site={HERE}",
        "/meetings/rules": f"/meetings/rules?site={HERE}",
        "/meetings/{meeting_id}": f"/meetings/{meeting}",
        "/meetings/{meeting_id}/reception": f"/meetings/{meeting}/reception",
        "/tasks": f"/tasks?site={HERE}",
        "/tasks/{task_id}": f"/tasks/{task}",
        "/action-teams": f"/action-teams?site={HERE}",
        "/action-teams/{team_id}": f"/action-teams/{team}",
    }


WALKED: dict[str, dict[str, Page]] = {}


@pytest.fixture
def pages(world: World, admin: Browser) -> dict[str, Page]:
    """Every page, full of what somebody wrote who means us no good; walked once on each database."""
    engine = world.database.url.get_backend_name()
    if engine not in WALKED:
        WALKED[engine] = walk(world, admin)
    return WALKED[engine]


def walk(world: World, admin: Browser) -> dict[str, Page]:
    with world.database.writing() as session:
        for key in (LIFT, PUMP):
            unit = get_unit(session, key.path)
            unit.name = unit.building = unit.make = unit.maintainer = HOSTILE
            unit.site.name = HOSTILE
    world.measure(PUMP, {"level_m": [0.5] * 60, HOSTILE: [1.0] * 60}, start_ms=NOON_MS - 60_000, step_ms=1_000)
    hook = {"url": "https://example.com/x", "secret": "of sixteen letters", "label": HOSTILE[:60]}
    assert world.client.post("/api/v1/webhooks", json=hook, headers=world.bearer((Role.ADMIN, None))).is_success
    evidence = {"contributions": [[HOSTILE, 0.8], ["level_m", 0.2]], "anomaly_score": 9.0, "threshold": 5.0}
    alarm_id = world.signal(PUMP, "anomaly", evidence=evidence)  # type: ignore[arg-type]
    world.signal(LIFT, "entrapment", evidence={"event": HOSTILE, "points": [HOSTILE]})  # type: ignore[arg-type, dict-item, list-item]
    ticket_id = world.ticket_of(alarm_id)
    admin.post(f"/tickets/{ticket_id}/moves", to="triaged", note=HOSTILE)
    admin.post(f"/alarms/{alarm_id}/shelve", hours="4", reason=HOSTILE)
    admin.post("/tickets/new", where=HERE, title=HOSTILE, kind="fault", severity="minor", description=HOSTILE)
    admin.post("/report-codes/make", site=HERE)
    window = {"starts": "2026-11-23T12:00", "until": "2026-11-23T13:00", "reason": HOSTILE}
    admin.post("/suppressions", site=HERE, where=LIFT.path, kind="maintenance", **window)
    admin.post(f"/alarms/{alarm_id}/false-alarm", cause="sensor", note=HOSTILE)
    service = {"kind": "overhaul", "done_on": "2026-11-20", "done_by": HOSTILE, "note": HOSTILE}
    admin.post(f"/units/{LIFT.path}/service-records", **service)
    admin.post("/call-outs/stock", site=HERE, name=HOSTILE, measure=HOSTILE, place=HOSTILE, amount="5")
    add_person(world, HOSTILE, Role.PROPERTY_MANAGER)
    call_out_id = start_call_out(world, reason=HOSTILE)
    appraisal_id = start_appraisal(world, company=HOSTILE[:100], note=HOSTILE)
    number = draft_proposal(world, HOSTILE)
    hazards = plan_rounds(world, places=(HOSTILE, HOSTILE), name=HOSTILE)
    answers = {"checkpoint": str(hazards.checkpoints[0]), "at": hazards.codes[0], "ok-rubbish": "no"}
    admin.post(f"/patrols/{hazards.patrol_id}/results", **answers, **{"note-rubbish": HOSTILE})
    resting = plan_rounds(world, places=(HOSTILE,), name="rests")
    habit = {"interval_days": "7", "window_days": "1", "start": "08:00", "end": "21:00"}
    admin.post(f"/patrol-plans/{resting.plan_id}", **habit)
    admin.post(f"/patrols/{resting.patrol_id}/cancel", note=HOSTILE)
    joint = joint_work(world)
    voted, notice = open_vote(world, words=HOSTILE), post_notice_of(world, HOSTILE, HOSTILE)
    addresses = {
        "/": "/",
        "/roll": f"/roll?site={HERE}",
        "/roll/parts/{part_id}": f"/roll/parts/1?site={HERE}",
        "/roll/accounts": f"/roll/accounts?site={HERE}",
        "/roll/accounts/{owner_id}": f"/roll/accounts/1?site={HERE}",
        "/vote-rules": f"/vote-rules?site={HERE}",
        "/notices/new": f"/notices/new?site={HERE}",
        "/proposals/{proposal_id}/vote": f"/proposals/{voted}/vote",
        "/proposals/{proposal_id}/papers": f"/proposals/{voted}/papers",
        "/proposals/{proposal_id}/letters": f"/proposals/{voted}/letters",
        "/proposals/{proposal_id}/ballot-papers": f"/proposals/{voted}/ballot-papers",
        "/notices": "/notices",
        "/notices/{notice_id}": f"/notices/{notice}",
        **joint,
        "/proposals": "/proposals",
        "/proposals/new": f"/proposals/new?site={HERE}&title=%22%3E%3Cscript%3E",
        "/proposals/{proposal_id}": f"/proposals/{number}",
        "/proposals/{proposal_id}/edit": f"/proposals/{number}/edit",
        "/proposals/{proposal_id}/evidence": f"/proposals/{number}/evidence",
        "/fund": "/fund",
        "/call-outs": "/call-outs",
        "/appraisals": "/appraisals",
        "/appraisals/{appraisal_id}": f"/appraisals/{appraisal_id}",
        "/call-outs/stock": f"/call-outs/stock?site={HERE}",
        "/call-outs/plan": f"/call-outs/plan?site={HERE}",
        "/call-outs/{call_out_id}": f"/call-outs/{call_out_id}",
        "/call-outs/{call_out_id}/report": f"/call-outs/{call_out_id}/report",
        "/call-outs/{call_out_id}/answer": f"/call-outs/{call_out_id}/answer",
        "/units": "/units?search=%22%3E%3Cscript%3E",
        "/units/{unit}": f"/units/{PUMP.path}",
        "/alarms": "/alarms?state=all",
        "/alarms/{alarm_id}": f"/alarms/{alarm_id}",
        "/tickets": "/tickets?state=all",
        "/tickets/new": f"/tickets/new?unit={LIFT.path}",
        "/tickets/{ticket_id}": f"/tickets/{ticket_id + 2}",
        "/data-quality": "/data-quality",
        "/messages": "/messages",
        "/due": "/due",
        "/duty": f"/duty?site={HERE}",
        "/alarm-figures": "/alarm-figures",
        "/suppressions": f"/suppressions?site={HERE}",
        "/units/{unit}/service-records": f"/units/{LIFT.path}/service-records",
        "/watch-list": "/watch-list",
        "/patrol-risk": f"/patrol-risk?site={HERE}",
        "/district": "/district",
        "/statistics": f"/statistics?site={HERE}",
        "/models": "/models",
        "/webhooks": "/webhooks",
        "/models/{unit}": f"/models/{PUMP.path}",
        "/report-codes": f"/report-codes?unit={PUMP.path}",
        "/patrols": "/patrols",
        "/patrols/{patrol_id}": f"/patrols/{hazards.patrol_id}?at={hazards.codes[0]}&scanned=1",
        "/patrols/{patrol_id}/record": f"/patrols/{hazards.patrol_id}/record",
        "/c/{code}": f"/c/{resting.codes[0]}",
        "/patrol-plans": f"/patrol-plans?site={HERE}",
        "/patrol-plans/{plan_id}/codes": f"/patrol-plans/{hazards.plan_id}/codes",
        "/statutory": f"/statutory?site={HERE}",
    }
    found = {template: admin.get(address) for template, address in addresses.items()}
    found["/tickets/{ticket_id} of an alarm"] = admin.get(f"/tickets/{ticket_id}")
    found["the hostile metric"] = admin.get(
        f"/units/{PUMP.path}?metric={HOSTILE.replace('%', '%25').replace('&', '%26')}"
    )
    found["/sign-in"] = Page(world.client.get("/sign-in?next=/%22%3E%3Cscript%3E"))
    found["not found"] = admin.get("/%3Cscript%3E")
    return found


def test_the_walk_misses_no_page(pages: dict[str, Page]) -> None:
    templates = {
        path
        for (method, path), access in ROUTE_ROLES.items()
        if method == "GET"
        and not path.startswith(("/api/", "/fragments/", "/static/"))
        and not path.endswith(".json")
        and access is not PUBLIC
    }
    assert templates <= set(pages)
    assert {page.status for name, page in pages.items() if name != "not found"} == {200}


def test_words_from_outside_stay_words(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert "<script>alert" not in page.html, name
        assert "<img" not in page.html, name
    for name in (
        "/",
        "/units",
        "/units/{unit}",
        "/suppressions",
        "/alarms/{alarm_id}",
        "/tickets/{ticket_id}",
        "the hostile metric",
    ):
        assert HOSTILE in pages[name].text, f"{name} tells it as it was written"


def test_no_page_has_anything_inline(pages: dict[str, Page]) -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    for name, page in pages.items():
        for tag, attributes in page.elements:
            assert tag != "style", name
            assert tag != "script" or attributes.get("src", "").startswith("/static/"), name
            assert not any(key == "style" or key.startswith("on") for key in attributes), f"{name}: {tag} {attributes}"


def test_no_page_asks_for_anything_outside(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        for tag, attributes in page.elements:
            for key in ("src", "href", "action"):
                address = attributes.get(key, "/")
                assert address.startswith(("/", "#")), f"{name}: {tag} {address}"
                assert not address.startswith("//"), name


def test_every_page_can_be_walked_without_eyes(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert next(page.all("html"))["lang"] in ("en", "zh-CN"), name
        assert len(list(page.all("h1"))) == 1, name
        assert len(list(page.all("main"))) == 1, name
        assert next(page.all("a", **{"class": "skip"}))["href"] == "#main", name
        titles = re.findall("<title>(.*?)</title>", page.html, re.DOTALL)
        assert titles, name
        assert titles[0].strip() != "· Liandong", name


def test_ids_are_unique_and_what_is_named_exists(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
        assert [each for each, count in ids.items() if count > 1] == [], name
        named = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
        assert [each for each in named if each not in ids] == [], name


def test_headings_leave_no_step_out(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert all(after - before <= 1 for before, after in pairwise(levels)), f"{name}: {levels}"


def test_every_control_has_a_label(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        # Ours stand within their labels.
        for match in re.finditer(r"<(input|select|textarea)\b[^>]*>", page.html):
            if 'type="hidden"' in match.group():
                continue
            before = page.html[: match.start()]
            assert before.count("<label") > before.count("</label>"), f"{name}: {match.group()}"


def test_every_form_that_changes_something_proves_where_it_comes_from(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        forms = re.findall(r'<form method="post".*?</form>', page.html, re.DOTALL)
        assert all('name="csrf_token"' in form or 'action="/sign-in"' in form for form in forms), name


def test_every_page_speaks_chinese_throughout(world: World, admin: Browser) -> None:
    """No English is left over: what is not Chinese are names, codes and numbers."""
    world.signal(PUMP, "anomaly")
    alarm_id = world.signal(PUMP, "dry_run")
    admin.headers["Accept-Language"] = "zh-CN"
    allowed = {"p1", "f1", "b3-l1", "xiaohe", "pinganju", "Xiaohe", "Garden", "Ping'an", "Ju", "admin-1", "English"}
    allowed |= {"MB", "PDF", "Asia/Shanghai", "mqtt://127.0.0.1:1883", PUMP.path}
    ticket_id = world.ticket_of(alarm_id)
    of_units = ("/units", f"/units/{PUMP.path}", "/data-quality")
    of_cases = ("/alarms", f"/alarms/{alarm_id}", "/tickets", "/tickets/new", f"/tickets/{ticket_id}")
    for path in ("/", *of_units, *of_cases, "/nothing"):
        words = set(re.findall(r"[A-Za-z][\w./:'~-]*", admin.get(path).text, re.ASCII))
        assert words - allowed == set(), path


# Colours


def colours(sheet: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(scheme, variables) of the light and the dark theme."""
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[:2]
    for scheme, block in (("light", light), ("dark", dark)):
        yield scheme, dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_can_be_read(scheme: str) -> None:
    variables = dict(colours((assets.FOLDER / "site.css").read_text(encoding="utf-8")))[scheme]
    written = [
        ("text", "ground"),
        ("text", "sheet"),
        ("text-soft", "ground"),
        ("text-soft", "sheet"),
        ("link", "sheet"),
    ]
    written += [
        ("link", "ground"),
        ("accent-text", "accent"),
        ("text", "chip"),
        ("good", "ground"),
        ("chart-text", "sheet"),
    ]
    for severity in ("critical", "major", "minor", "advisory"):
        written += [(severity, "sheet"), (severity, "ground"), ("text", f"{severity}-ground")]
    written += [("critical", "critical-ground"), ("link", "critical-ground"), ("text-soft", "critical-ground")]
    for text, ground in written:
        assert contrast(variables[text], variables[ground]) >= 4.5, f"{scheme}: {text} on {ground}"
    assert contrast(variables["focus"], variables["ground"]) >= 3, "the focus is seen"


def test_an_address_of_ours_is_kept_for_long_and_a_new_content_has_a_new_address(world: World) -> None:
    answer = world.client.get(assets.address("site.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert world.client.get("/static/site.css?v=other").headers["cache-control"] == "no-cache"
    assert world.client.get("/static/../pages/assets.py").status_code == 404
    assert world.client.get("/static/secret.txt").status_code == 404


def test_every_file_that_is_served_exists() -> None:
    assert {path.name for path in assets.FOLDER.iterdir()} == set(assets.MEDIA_TYPES)


def test_an_error_of_our_own_is_told_in_the_readers_language(
    world: World, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("api.pages.board.count_by_stage", fail)
    admin.headers["Accept-Language"] = "zh-CN"
    page = admin.get("/")
    assert page.status == 500
    assert "出错了" in page.text
    assert "secret" not in page.html


def test_a_page_of_another_role_says_so(world: World) -> None:
    owner = Browser(world, world.session((Role.OWNER, HERE)))
    page = owner.get("/tickets/new")
    assert page.status == 403
    assert "This is not for your role" in page.text


def test_a_form_that_is_out_of_date_says_what_to_do(world: World, admin: Browser) -> None:
    page = admin.post(f"/alarms/{world.signal(PUMP, 'dry_run')}/acknowledge", csrf_token="of yesterday")
    assert page.status == 403
    assert "The form is out of date." in page.text
