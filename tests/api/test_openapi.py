"""The OpenAPI document tells the truth: whatever is sent, the answer is one it names, and never our own fault."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from registry.role import Role
from tests.api.kit import LIFT, PUMP, World, served

EXAMPLES = 15


@pytest.fixture
def things(world: World) -> dict[str, object]:
    """Addresses of things that exist."""
    alarm_id = world.signal(PUMP, "dry_run")
    world.signal(LIFT, "entrapment")
    return {
        "unit": PUMP.path,
        "alarm_id": alarm_id,
        "ticket_id": world.ticket_of(alarm_id),
        "message_id": 1,
        "attachment_id": 1,
    }


def probe(
    operation: Any, session: requests.Session, *, mode: GenerationMode, known: dict[str, object] | None, address: str
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        # A parameter that is empty is taken as absent, which no schema can say; of one told twice the last counts.
        told = list((case.query or {}).values())
        # A query cannot say an object: one without members would be written as an empty parameter.
        told = [each for value in told for each in (value if isinstance(value, list) else [value])]
        assume(not any(value == "" or isinstance(value, dict) for value in told))
        # Not every rule can be said in a schema: that a shelving ends within the week, or that a unit exists.
        case.call_and_validate(address, session, excluded_checks=[positive_data_acceptance])

    check()


@pytest.mark.timeout(1_200)  # a minute of drawing on a quiet machine; a busy one shall not make it red
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["meant", "not-meant"])
def test_whatever_is_sent_the_answer_is_one_that_is_documented(
    world: World, things: dict[str, object], mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    # A closed feed ends its streams at once; otherwise an answer would never be whole.
    world.app.state.activity_feed.close()
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    person_id = world.person((Role.ADMIN, None))
    tried = 0
    with served(world.app) as address, requests.Session() as session:
        for result in schema.get_all_operations():
            operation = result.ok()
            known = {name: value for name, value in things.items() if f"{{{name}}}" in operation.path}
            says = bool(operation.query or operation.body or operation.headers)
            places = [None, known] if known and (says or mode is GenerationMode.POSITIVE) else [None]
            if mode is GenerationMode.NEGATIVE and not (says or known):
                # It takes nothing that could be wrong.
                continue
            for path_parameters in places:
                tried += 1
                session.headers.update(world.bearer_of(person_id))
                with subtests.test(operation.label, path_parameters=path_parameters):
                    probe(operation, session, mode=mode, known=path_parameters, address=address)
    assert tried > 20


def test_no_page_loads_scripts_from_elsewhere(world: World) -> None:
    for path in ("/docs", "/redoc"):
        assert world.client.get(path).status_code == 404
