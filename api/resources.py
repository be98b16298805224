"""What a web process holds: built once by whoever starts it, and handed to every route."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from alerts.limits import Limits
from api.settings import Settings
from ingest.stores.contract import TelemetryStore
from registry.database import Database
from registry.role import Role


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the demo, whose password is shown on the sign-in page; exists nowhere else."""

    name: str
    password: str
    role: Role


@dataclass(frozen=True, slots=True)
class Resources:
    """`clock` gives now in epoch ms; `mqtt_url` is for people to read and carries no password."""

    settings: Settings
    database: Database
    store: TelemetryStore
    limits: Limits
    clock: Callable[[], int]
    mqtt_url: str
    broker_is_connected: Callable[[], bool]
    demo_accounts: tuple[DemoAccount, ...] = ()
    is_being_filled: Callable[[], bool] = lambda: False
    """Whether the demo still writes its stories, so that pages do not pass half of one off as the whole."""


def get_resources(request: Request) -> Resources:
    resources = request.app.state.resources
    assert isinstance(resources, Resources)
    return resources


async def _held(request: Request) -> Resources:
    # Not a plain function: for such a one the framework takes a thread and gives it back, before every answer.
    return get_resources(request)


Held = Annotated[Resources, Depends(_held)]
"""Declares that a route wants the resources of its process."""
