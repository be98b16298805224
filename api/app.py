"""The web application, put together from the resources of its process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware

from api import pages, problems
from api.activity_feed import ActivityFeed
from api.edge import BodyLimit, HeadersOfEveryAnswer, LastCatch, LoopbackNamesOnly, Measured
from api.resources import Resources
from api.routes import activity, alarms, data_quality, operations, register, tickets, token
from api.routes.operations import ScrapedFacts, new_duration_histogram
from api.routes.shapes import ProblemShape
from api.security import SignInDesk

API_PREFIX = "/api/v1"
API_VERSION = "1"
_OPERATION_KEYS = frozenset({"get", "put", "post", "delete", "patch"})

_PROBLEM_STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 503)
_API_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemShape, "description": HTTPStatus(status).phrase} for status in _PROBLEM_STATUSES
}


class App(FastAPI):
    """Says in its OpenAPI document what errors really look like."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            _tell_problems_as_such(super().openapi())
        return super().openapi()


def create_app(resources: Resources) -> FastAPI:
    """The application with all its routes; nothing is opened here but what a closed `resources` closes."""
    feed = ActivityFeed(resources.database)
    metrics = CollectorRegistry()
    metrics.register(ScrapedFacts(resources.database, feed))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        feed.close()

    middleware = [
        Middleware(HeadersOfEveryAnswer),
        Middleware(Measured, duration=new_duration_histogram(metrics)),
        Middleware(LastCatch),
        *([Middleware(LoopbackNamesOnly)] if resources.demo_accounts else []),
        Middleware(BodyLimit),
    ]
    app = App(
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
    app.state.metrics = metrics
    app.state.sign_in_desk = SignInDesk()
    problems.install(app)
    api = APIRouter(prefix=API_PREFIX, responses=_API_PROBLEMS)
    for routes in (token, register, alarms, tickets, activity, data_quality):
        api.include_router(routes.router)
    app.include_router(api)
    app.include_router(operations.router)
    app.include_router(pages.router)
    app.state.error_page = pages.error_page
    return app


def _tell_problems_as_such(schema: dict[str, Any]) -> None:
    for path in schema["paths"].values():
        for method in _OPERATION_KEYS & path.keys():
            for response in path[method]["responses"].values():
                for told in list(response.get("content", {}).values()):
                    if told.get("schema", {}).get("$ref", "").endswith(f"/{ProblemShape.__name__}"):
                        response["content"] = {problems.MEDIA_TYPE: told}
