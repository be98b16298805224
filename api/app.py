"""The web application, put together from the resources of its process."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from api import pages, problems
from api.activity_feed import ActivityFeed
from api.answer_desk import AnswerDesk
from api.ballot_desk import BallotDesk
from api.edge import (
    AddressWithoutNul,
    BodyLimit,
    HeadersOfEveryAnswer,
    LastCatch,
    LoopbackNamesOnly,
    Measured,
    Named,
)
from api.gathered_evidence import GatheredEvidence
from api.metrics import ScrapedFacts, new_duration_histogram
from api.people_names import PeopleNames
from api.report_desk import ReportDesk
from api.resources import Resources
from api.routes import (
    action_teams,
    activity,
    alarm_figures,
    alarms,
    appraisals,
    call_out_stock,
    call_outs,
    data_quality,
    deadlines,
    district,
    handover,
    meetings,
    model_versions,
    operations,
    patrol_risk,
    patrols,
    proposals,
    quiet_hours,
    reception,
    register,
    reliability,
    service_records,
    suppressions,
    tasks,
    ticket_case,
    tickets,
    token,
    votes,
    watch_list,
    webhooks,
)
from api.routes.shapes import ProblemShape
from api.security import SignInDesk
from api.voting_desk import VotingDesk

API_PREFIX = "/api/v1"
API_VERSION = "1"
_PROBLEM_STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 503)
_PROBLEM_SCHEMA = "#/components/schemas/Problem"


class App(FastAPI):
    """Says in its OpenAPI document what errors really look like."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            _tell_problems(super().openapi())
        return super().openapi()


def create_app(resources: Resources) -> FastAPI:
    """The application with all its routes; nothing is opened here but what a closed `resources` closes."""
    feed = ActivityFeed(resources.database)
    metrics = CollectorRegistry()
    metrics.register(ScrapedFacts(resources, feed))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        feed.close()

    middleware = [
        Middleware(Named, draw_id=lambda: secrets.token_hex(8)),
        Middleware(HeadersOfEveryAnswer),
        Middleware(Measured, duration=new_duration_histogram(metrics)),
        Middleware(LastCatch),
        *([Middleware(LoopbackNamesOnly)] if resources.demo_accounts else []),
        Middleware(AddressWithoutNul),
        Middleware(BodyLimit),
    ]
    app = App(
        routes=list(_routes()),
        title="liandong",
        version=API_VERSION,
        description="Lifts, basement pumps and fire systems of residential compounds, and what is done about them.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # Both pages load their scripts from a content delivery network, which our policy forbids.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
        middleware=middleware,
    )
    app.state.resources = resources
    app.state.activity_feed = feed
    app.state.people_names = PeopleNames(resources.database)
    app.state.metrics = metrics
    app.state.sign_in_desk = SignInDesk()
    app.state.report_desk = ReportDesk()
    app.state.answer_desk = AnswerDesk()
    app.state.voting_desk = VotingDesk()
    app.state.gathered_evidence = GatheredEvidence()
    app.state.ballot_desk = BallotDesk(resources.database, clock=resources.clock)
    problems.install(app)
    app.state.error_page = pages.error_page
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Of every application of this process the same: to build them takes a second, and they know none of them."""
    router = APIRouter()
    for part in (
        quiet_hours,
        token,
        register,
        alarms,
        tickets,
        ticket_case,
        activity,
        data_quality,
        deadlines,
        district,
        proposals,
        model_versions,
        patrol_risk,
        reliability,
        service_records,
        call_outs,
        call_out_stock,
        appraisals,
        suppressions,
        votes,
        watch_list,
        handover,
        meetings,
        reception,
        tasks,
        action_teams,
        patrols,
        alarm_figures,
        webhooks,
    ):
        router.include_router(part.router, prefix=API_PREFIX)
    router.include_router(proposals.fund_router, prefix=API_PREFIX)
    return (*router.routes, *operations.router.routes, *pages.router.routes)


def _tell_problems(schema: dict[str, Any]) -> None:
    """Writes the problems into every operation of the API at once; to declare them by route costs start-up time."""
    schemas = schema["components"]["schemas"]
    schemas["Problem"] = ProblemShape.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, operations_there in schema["paths"].items():
        if path.startswith(API_PREFIX):
            for operation in operations_there.values():
                for status in _PROBLEM_STATUSES:
                    operation["responses"][str(status)] = {
                        "description": HTTPStatus(status).phrase,
                        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": _PROBLEM_SCHEMA}}},
                    }
