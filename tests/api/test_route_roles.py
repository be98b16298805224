"""The table of roles × routes is total, and what it says is what happens."""

from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from api.route_roles import PUBLIC, ROUTE_ROLES
from api.security import CSRF_FIELD, CSRF_HEADER
from registry.role import Role
from tests.api.kit import HERE, PUMP, World
from tests.api.patrolled import plan_rounds

PAGE_OF_SIGN_IN = "/sign-in"


def routes(world: World) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(world.app.routes):
        if isinstance(route.original_route, Mount):
            continue
        assert route.path is not None
        for method in route.methods or ():
            if method != "HEAD":
                yield method, route.path


@pytest.fixture
def places(world: World) -> dict[str, str]:
    alarm_id = world.signal(PUMP, "dry_run")
    patrolled = plan_rounds(world)
    return {
        "unit": PUMP.path,
        "alarm_id": str(alarm_id),
        "ticket_id": str(world.ticket_of(alarm_id)),
        "message_id": "1",
        "channel_id": "1",
        "shift_id": "1",
        "call_out_id": "1",
        "appraisal_id": "1",
        "item_id": "1",
        "attachment_id": "1",
        "record_id": "1",
        "site": HERE,
        "suppression_id": "1",
        "webhook_id": "1",
        "proposal_id": "1",
        "option_id": "1",
        "notice_id": "1",
        "proof_id": "1",
        "part_id": "1",
        "owner_id": "1",
        "objection_id": "1",
        "paper_id": "1",
        "name": "roll.csv",
        "account_id": "1",
        "meeting_id": "1",
        "row_id": "1",
        "entry_id": "1",
        "task_id": "1",
        "team_id": "1",
        "step_id": "1",
        "patrol_id": str(patrolled.patrol_id),
        "plan_id": str(patrolled.plan_id),
        "checkpoint_id": str(patrolled.checkpoints[0]),
        "code": patrolled.codes[1],
        "photo_id": "1",
        "version": "1",
    }


def test_every_route_has_a_row_and_every_row_a_route(world: World) -> None:
    assert set(routes(world)) == set(ROUTE_ROLES)


def test_only_what_must_be_is_public() -> None:
    public = {path for (_, path), access in ROUTE_ROLES.items() if access is PUBLIC}
    assert {path for path in public if path.startswith("/api/")} == {"/api/v1/token"}


def test_every_row_is_enforced_for_every_role_and_for_nobody(world: World, places: dict[str, str]) -> None:
    # A closed feed ends its streams at once; otherwise the walk would stay in the first.
    world.app.state.activity_feed.close()
    people = {role: world.person((role, HERE)) for role in Role}
    logins: dict[tuple[Role, bool], dict[str, str]] = {}
    failures = []
    for (method, template), access in ROUTE_ROLES.items():
        if access is PUBLIC:
            continue
        path = template.format(**places)
        is_page = not template.startswith("/api/")
        answer = world.client.request(method, path)
        refused = answer.status_code == 303 and answer.headers["location"].startswith(PAGE_OF_SIGN_IN)
        if not (refused if is_page else answer.status_code == 401):
            failures.append(f"nobody: {method} {template} gives {answer.status_code}")
        for role, person_id in people.items():
            headers = logins.get((role, is_page))
            if headers is None or method != "GET":
                # What changes nothing ends no login either, so that one serves for all of it.
                headers = world.session_of(person_id) if is_page else world.bearer_of(person_id)
            if method == "GET":
                logins[role, is_page] = headers
            form = {CSRF_FIELD: headers[CSRF_HEADER]} if is_page and method == "POST" else None
            status = world.client.request(method, path, headers=headers, data=form).status_code
            if status >= 500 or (status in (401, 403)) == (role in access):
                failures.append(f"{role.value}: {method} {template} gives {status}")
    assert failures == []


def test_every_unsafe_route_refuses_a_session_without_its_token(world: World, places: dict[str, str]) -> None:
    person_id = world.person((Role.ADMIN, None))
    failures = []
    for (method, template), access in ROUTE_ROLES.items():
        if method == "GET" or access is PUBLIC:
            continue
        headers = world.session_of(person_id)
        del headers[CSRF_HEADER]
        status = world.client.request(method, template.format(**places), headers=headers).status_code
        if status != 403:
            failures.append(f"{method} {template} gives {status}")
    assert failures == []


def test_a_route_without_a_row_is_refused_to_everybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row: access for row, access in ROUTE_ROLES.items() if row != ("GET", "/api/v1/sites")}
    monkeypatch.setattr("api.security.ROUTE_ROLES", rows)
    answer = world.client.get("/api/v1/sites", headers=world.bearer((Role.ADMIN, None)))
    assert answer.status_code == 500
    assert "items" not in answer.json()
