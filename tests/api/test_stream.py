"""The live stream over a real server: nothing lost, nothing twice, nothing that is not for one's eyes."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api import activity_feed
from registry import activity
from registry.activity import Entry
from registry.database import Database, resolve_url
from registry.login import LIFETIME_MS
from registry.person import add_person
from registry.role import Role
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, PUMP, World, items, served
from tests.servers.liandong import StartLiandong
from tests.waiting import wait_until

ADMIN = (Role.ADMIN, None)
STREAM = "/api/v1/activity/stream"
SOON_S = 10.0
KEPT_ROWS = 100


@dataclass(slots=True)
class Listener:
    """A client of the stream, reading in a thread of its own as fast as it can."""

    events: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    status: int = 0
    has_ended: bool = False
    is_whole: bool = False

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.events]

    def take(self, response: httpx.Response) -> None:
        self.status = response.status_code
        event: dict[str, Any] = {}
        try:
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments.append(line)
                elif line == "" and "data" in event:
                    self.events.append(event)
                    event = {}
                elif name == "data":
                    event["data"] = json.loads(value)
                elif name == "id":
                    event["id"] = int(value)
                elif name == "event":
                    event["type"] = value
            self.is_whole = True
        except httpx.TransportError:
            pass
        self.has_ended = True


@contextmanager
def listening(address: str, headers: dict[str, str], *, query: str = "") -> Iterator[Listener]:
    listener = Listener()
    with httpx.Client(timeout=httpx.Timeout(30, connect=5), trust_env=False) as client:
        with client.stream("GET", address + STREAM + query, headers=headers) as response:
            thread = threading.Thread(target=listener.take, args=[response], daemon=True)
            thread.start()
            if response.status_code == 200:
                wait_until(lambda: listener.comments, within_s=SOON_S, what="the stream greets")
            yield listener
            # A read that waits is not woken by closing; the socket under it has to be shut.
            if not listener.has_ended:
                with suppress(OSError):
                    response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        thread.join(SOON_S)


def append(world: World, count: int, *, site: str = HERE, filler: str = "") -> int:
    """Adds rows in transactions of ten; gives back the last id."""
    for start in range(0, count, 10):
        entries = [Entry("test.happened", "test:1", site=site, data={"filler": filler})] * min(10, count - start)
        with world.database.writing() as session:
            last = activity.append(session, entries, now_ms=world.clock())
    return last


def has(listener: Listener, last_id: int) -> Any:
    return wait_until(lambda: last_id in listener.ids[-1:], within_s=20, what=f"row {last_id} comes")


def test_what_happens_is_told_at_once_and_as_the_list_tells_it(world: World) -> None:
    headers = world.bearer(ADMIN)
    append(world, 3)
    with served(world.app) as address, listening(address, headers) as listener:
        world.signal(PUMP, "dry_run")
        started_s = monotonic()
        wait_until(lambda: len(listener.events) >= 2, within_s=SOON_S, what="alarm and ticket are told")
        delay_s = monotonic() - started_s
        assert listener.ids == [4, 5]
        rows = items(world.client.get("/api/v1/activity?after=3", headers=headers))
        assert [event["data"] for event in listener.events] == rows
        assert all("type" not in event for event in listener.events)
        assert delay_s < 1.0


def test_a_client_that_comes_back_has_lost_nothing(world: World) -> None:
    headers = world.bearer(ADMIN)
    with served(world.app) as address:
        with listening(address, headers) as first:
            has(first, append(world, 5))
        missed = append(world, 450)
        with listening(address, {**headers, "Last-Event-ID": str(first.ids[-1])}, query="?after=0") as second:
            has(second, missed)
            last = append(world, 20)
            has(second, last)
        assert first.ids + second.ids == list(range(1, last + 1))


def test_a_first_connection_may_begin_in_the_past(world: World) -> None:
    append(world, 30)
    with served(world.app) as address, listening(address, world.bearer(ADMIN), query="?after=10") as listener:
        has(listener, 30)
        assert listener.ids == list(range(11, 31))


def test_rows_of_other_sites_and_names_of_people_stay_with_their_own(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    manager_here = world.bearer((Role.PROPERTY_MANAGER, HERE))
    people = {
        "manager": manager_here,
        "owner": world.bearer((Role.OWNER, HERE)),
        "far": world.bearer((Role.TECHNICIAN, ELSEWHERE)),
        "admin": world.bearer(ADMIN),
    }
    with served(world.app) as address:
        # Once from the database and once from memory: the rules are the same.
        for query in ("?after=0", ""):
            listeners = {}
            with (
                listening(address, people["manager"], query=query) as listeners["manager"],
                listening(address, people["owner"], query=query) as listeners["owner"],
                listening(address, people["far"], query=query) as listeners["far"],
                listening(address, people["admin"], query=query) as listeners["admin"],
            ):
                world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=manager_here)
                append(world, 10, site=ELSEWHERE)
                append(world, 1, site="")
                world.signal(FAR_PUMP, "short_cycling")
                world.signal(FAR_PUMP, "short_cycling", is_active=False)
                last = append(world, 1, site=HERE)
                has(listeners["admin"], last)
                has(listeners["manager"], last)
                has(listeners["owner"], last)
            assert {event["data"]["site"] for event in listeners["manager"].events} == {HERE}
            assert {event["data"]["site"] for event in listeners["far"].events} == {ELSEWHERE}
            assert {event["data"]["site"] for event in listeners["admin"].events} == {HERE, ELSEWHERE, None}
            assert listeners["owner"].ids == listeners["manager"].ids
            assert {event["data"]["actor"] for event in listeners["owner"].events} <= {"system", None}
            assert all(event["data"]["hash"] is None for event in listeners["owner"].events)
            assert all(event["data"]["hash"] for event in listeners["manager"].events)


def test_a_slow_client_costs_no_memory_loses_nothing_and_holds_nobody_up(world: World) -> None:
    """It reads nothing while far more happens than is kept, and still gets every row in its order."""
    headers = world.bearer(ADMIN)
    feed = world.app.state.activity_feed
    feed._kept_rows = KEPT_ROWS
    with served(world.app) as address, listening(address, headers) as quick:
        where = urlsplit(address)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((where.hostname, where.port))
        lines = [f"GET {STREAM} HTTP/1.1", f"Host: {where.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
        slow.sendall("\r\n".join([*lines, "", ""]).encode())
        wait_until(lambda: feed.clients == 2, within_s=SOON_S, what="both are connected")
        # 8 MiB: more than the kernel, the server and the kept rows can hold together.
        last = append(world, 1_000, filler="x" * 8_192)
        has(quick, last)
        assert quick.ids == list(range(1, last + 1))
        assert len(feed._kept) == KEPT_ROWS
        slow.settimeout(SOON_S)
        received = bytearray()
        while f"\nid: {last}\n".encode() not in received[-20_000:]:
            piece = slow.recv(8_192)
            assert piece, "the server has cut the slow client off"
            received += piece
        slow.close()
    told = [int(line[4:]) for line in received.split(b"\n") if line.startswith(b"id: ")]
    assert told == list(range(1, last + 1))


def test_a_client_that_leaves_is_forgotten_and_polling_stops_with_the_last(world: World) -> None:
    feed = world.app.state.activity_feed
    headers = world.bearer(ADMIN)
    with served(world.app) as address:
        with listening(address, headers), listening(address, headers):
            wait_until(lambda: feed.clients == 2, within_s=SOON_S, what="both are counted")
            assert "liandong_activity_streams 2.0" in world.client.get("/metrics").text
        wait_until(lambda: feed.clients == 0, within_s=SOON_S, what="nobody is counted")
        assert feed._poller is None
        before = append(world, 10)
        with listening(address, headers, query=f"?after={before - 1}") as listener:
            has(listener, append(world, 5))
            assert listener.ids == list(range(before, before + 6))


def test_streams_end_with_the_server(world: World) -> None:
    with served(world.app) as address, listening(address, world.bearer(ADMIN)) as listener:
        started_s = monotonic()
        world.app.state.activity_feed.close()
        wait_until(lambda: listener.has_ended, within_s=SOON_S, what="the stream ends")
        assert monotonic() - started_s < 1.0
        assert listener.is_whole


def test_the_program_ends_its_streams_before_itself(liandong_process: StartLiandong, tmp_path: Path) -> None:
    with closing(Database(resolve_url("sqlite:", data_dir=tmp_path / "var"))) as database:
        (tmp_path / "var").mkdir()
        database.migrate()
        with database.writing() as session:
            add_person(session, name="chen", password="correct horse", role=Role.ADMIN, now_ms=1)
    process = liandong_process("up")
    form = {"username": "chen", "password": "correct horse"}
    token = httpx.post(f"{process.http_url}/api/v1/token", data=form, trust_env=False).json()["access_token"]
    with listening(process.http_url, {"Authorization": f"Bearer {token}"}) as listener:
        process.stop()
        wait_until(lambda: listener.has_ended, within_s=SOON_S, what="the stream ends")
        # Cut off, it would miss the chunk that says that there is no more.
        assert listener.is_whole


def test_a_stream_ends_with_its_login(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_feed, "RECHECK_S", 0.05)
    monkeypatch.setattr(activity_feed, "HEARTBEAT_S", 0.1)
    with served(world.app) as address, listening(address, world.bearer(ADMIN)) as listener:
        wait_until(lambda: len(listener.comments) > 2, within_s=SOON_S, what="a silent stream shows that it lives")
        world.clock.move_s(LIFETIME_MS / 1000)
        wait_until(lambda: listener.has_ended, within_s=SOON_S, what="the stream ends")


def test_a_client_of_a_log_that_went_further_is_told_to_begin_anew(world: World) -> None:
    append(world, 3)
    with served(world.app) as address, listening(address, world.bearer(ADMIN) | {"Last-Event-ID": "99"}) as listener:
        wait_until(lambda: listener.events, within_s=SOON_S, what="the client is told")
        has(listener, append(world, 1))
        assert [(event.get("type"), event["id"]) for event in listener.events] == [("reset", 3), (None, 4)]


@pytest.mark.parametrize("last_event_id", ["x", "-1", "1.5", "9" * 30])
def test_an_id_that_cannot_be_meant_is_refused(world: World, last_event_id: str) -> None:
    headers = world.bearer(ADMIN) | {"Last-Event-ID": last_event_id}
    assert world.client.get(STREAM, headers=headers).status_code == 422


def test_more_streams_than_are_bearable_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_feed, "MOST_STREAMS", 1)
    headers = world.bearer(ADMIN)
    with served(world.app) as address, listening(address, headers):
        refused = httpx.get(address + STREAM, headers=headers, trust_env=False)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
