"""A small world behind the real application: two sites, a unit of each kind, people as they are needed."""

import asyncio
import itertools
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from alerts import explaining, incident
from alerts.alarm import list_alarms
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.watch import Signal
from api.condition_index import find_condition
from api.resources import Resources
from api.security import CSRF_HEADER, SESSION_COOKIE
from ingest.stores.contract import TelemetryStore
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from registry.login import Purpose, open_login
from registry.person import Person, RoleGrant
from registry.role import Role
from registry.site import get_site
from registry.unit import get_unit
from tests.waiting import wait_until

BASE_URL = "http://127.0.0.1"
NOON_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00
HERE, ELSEWHERE = "xiaohe", "pinganju"
LIFT = UnitKey(HERE, Kind.ELEVATOR, "b3-l1")
PUMP = UnitKey(HERE, Kind.PUMP, "p1")
FIRE = UnitKey(HERE, Kind.FIRE, "f1")
FAR_PUMP = UnitKey(ELSEWHERE, Kind.PUMP, "p1")
UNITS = (LIFT, PUMP, FIRE, FAR_PUMP)


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def move_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass(slots=True)
class World:
    """`app` is the program's own; `client` talks to it without a server in between."""

    app: FastAPI
    client: TestClient
    database: Database
    store: TelemetryStore
    clock: Clock
    limits: Limits
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # People. Their passwords are not verified here, because that takes its time; `test_token` does it.

    def person(self, *grants: tuple[Role, str | None]) -> int:
        with self.database.writing() as session:
            name = f"{grants[0][0].value}-{next(self._numbers)}"
            held = [RoleGrant(role=role.value, site=get_site(session, site) if site else None) for role, site in grants]
            person = Person(
                name=name,
                display_name=name,
                password_hash="none",
                created_ms=self.clock(),
                grants=held,
            )
            session.add(person)
            session.flush()
            return person.id

    def login(self, person_id: int, purpose: Purpose) -> tuple[str, str]:
        secret, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self.database.writing() as session:
            person = session.get_one(Person, person_id)
            now_ms = self.clock()
            open_login(session, person, secret=secret, purpose=purpose, csrf_token=csrf_token, now_ms=now_ms)
        return secret, csrf_token

    def bearer(self, *grants: tuple[Role, str | None]) -> dict[str, str]:
        """Headers of a program that acts for a new person with these roles."""
        return self.bearer_of(self.person(*grants))

    def bearer_of(self, person_id: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.login(person_id, Purpose.API)[0]}"}

    def session(self, *grants: tuple[Role, str | None]) -> dict[str, str]:
        """Headers of a browser in which a new person signed in, with the token its pages would send."""
        return self.session_of(self.person(*grants))

    def session_of(self, person_id: int) -> dict[str, str]:
        secret, csrf_token = self.login(person_id, Purpose.WEB)
        return {"Cookie": f"{SESSION_COOKIE}={secret}", CSRF_HEADER: csrf_token}

    # What happens to the units.

    def signal(
        self, unit: UnitKey, code: str, *, is_active: bool = True, evidence: dict[str, float] | None = None
    ) -> int:
        """A condition begins or ends to hold; gives back the id of its alarm."""
        condition = find_condition(self.limits, unit.kind, code)
        assert condition is not None, f"there is no condition {code} of {unit.kind}"
        now_ms = self.clock()
        with self.database.writing() as session:
            unit_id = get_unit(session, unit.path).id
            signal = Signal(unit, condition, now_ms - 2_000, is_active, evidence or {})
            incident.apply_signals(session, [signal], units={unit: unit_id}, received_ms=now_ms)
            explaining.settle(session, {(unit.kind, code): condition}, now_ms=now_ms + HOLD_MS)
            return next(a.id for a in list_alarms(session, unit_id=unit_id) if a.condition == code)

    def ticket_of(self, alarm_id: int) -> int:
        ticket_id = self.client.get(f"/api/v1/alarms/{alarm_id}", headers=self.bearer((Role.ADMIN, None))).json()
        assert isinstance(ticket_id["ticket_id"], int)
        return ticket_id["ticket_id"]

    def measure(self, unit: UnitKey, values: Mapping[str, list[float]], *, start_ms: int, step_ms: int) -> None:
        rows = len(next(iter(values.values())))
        block = ReadingBlock(
            unit.kind,
            tuple(values),
            (unit,),
            np.zeros(rows, dtype=np.int64),
            start_ms + step_ms * np.arange(rows, dtype=np.int64),
            np.array(list(values.values()), dtype=np.float64).T,
        )
        self.store.write(secrets.token_hex(8), [block])


def resources_of(database: Database, store: TelemetryStore, clock: Clock, **others: object) -> Resources:
    return Resources(
        database=database,
        store=store,
        clock=clock,
        mqtt_url="mqtt://127.0.0.1:1883",
        **{"limits": Limits(), "broker_is_connected": lambda: True, **others},  # type: ignore[arg-type]
    )


class _Server(uvicorn.Server):
    """Ends the streams with itself, as the program's own server does."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.activity_feed.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a real server of the application."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), within_s=20, what="the server serves")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server does not end"


def items(response: httpx.Response) -> list[dict[str, object]]:
    assert response.status_code == 200, response.text
    found = response.json()["items"]
    assert isinstance(found, list)
    return found
