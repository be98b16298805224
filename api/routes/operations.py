"""For those who run the program: alive, ready, measures. Outside `/api/v1` and without login, so it names no thing."""

from collections.abc import Callable

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.resources import Held, Resources
from ingest.stores.contract import StoreError

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])


class Aliveness(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    checks: dict[str, bool]
    failed: list[str]


@router.get("/healthz")
async def tell_alive() -> Aliveness:
    return Aliveness(status="alive")


@router.get("/readyz", responses={503: {"model": Readiness}})
def tell_ready(response: Response, held: Held) -> Readiness:
    """Whether database, telemetry store and broker answer; 503 names those that do not."""
    checks = {name: check(held) for name, check in _CHECKS.items()}
    failed = [name for name, answers in checks.items() if not answers]
    if failed:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(status="not ready" if failed else "ready", checks=checks, failed=failed)


def _database_answers(held: Resources) -> bool:
    try:
        with held.database.reading() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError as error:
        log.warning("database does not answer", error=type(error).__name__)
        return False
    return True


def _store_answers(held: Resources) -> bool:
    try:
        held.store.check()
    except StoreError as error:
        log.warning("telemetry store does not answer", reason=error.reason)
        return False
    return True


_CHECKS: dict[str, Callable[[Resources], bool]] = {
    "database": _database_answers,
    "telemetry": _store_answers,
    "broker": lambda held: held.broker_is_connected(),
}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def tell_metrics(request: Request) -> Response:
    own: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(REGISTRY) + generate_latest(own), headers={"Content-Type": CONTENT_TYPE_LATEST})
