"""Measures how fast a call-out leaves the house, and whether answers are counted as fast as they come."""

import json
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep, time

import structlog
from sqlalchemy import func, insert, select

from alerts import call_out_moves
from alerts.call_out import Summons, count_muster
from alerts.call_out_plan import settle_plan
from alerts.call_out_states import Answer, Audience, CallOutState, StageRule
from alerts.call_out_summons import find_by_link, give_answer
from alerts.notification import DeliveryState, count_deliveries
from api.call_out_links import CallOutLinks
from api.commands.bench import BenchFailed
from api.delivery_worker import DeliveryWorker
from registry.channel import Channel, ChannelKind, SecretBox, new_key
from registry.database import Database, resolve_url
from registry.person import Person, RoleGrant
from registry.role import Actor, Grant, Role
from registry.site import Site, add_site

LIMIT_S = 120.0
SEEN_EVERY_S = 0.4
"""As often as a page asks for the counters."""
ADMIN = Actor("bench", (Grant(Role.ADMIN),))


def now_ms() -> int:
    return round(time() * 1000)


def fill(database: Database, *, people: int, box: SecretBox) -> int:
    """One compound whose volunteers are the first stage, each with the console as their channel."""
    with database.writing() as session:
        site = add_site(session, key="bench", now_ms=0)
        rows = [
            {
                "name": f"volunteer-{number}",
                "display_name": f"志愿者{number}",
                "password_hash": "none",
                "language": ("zh", "en")[number % 2],
                "is_active": True,
                "created_ms": 0,
            }
            for number in range(people)
        ]
        session.execute(insert(Person), rows)
        ids = list(session.scalars(select(Person.id)))
        session.execute(
            insert(RoleGrant), [{"person_id": each, "role": Role.VOLUNTEER.value, "site_id": site.id} for each in ids]
        )
        session.execute(
            insert(Channel),
            [
                {
                    "person_id": each,
                    "kind": ChannelKind.CONSOLE.value,
                    "label": "",
                    "sealed": box.seal(""),
                    "least_severity": "major",
                    "is_active": True,
                    "created_ms": 0,
                }
                for each in ids
            ],
        )
        settle_plan(
            session,
            site,
            stages=[StageRule(Audience.VOLUNTEERS, wanted=people, wait_min=10)],
            meeting_point="Gate 2",
            automatic_from=None,
            actor=ADMIN,
            now_ms=now_ms(),
        )
        return site.id


def call_out_as_json(*, people: int, rate_per_s: float, seconds: float, database_url: str | None) -> str:
    """Raises BenchFailed when a message or an answer was lost or counted twice."""
    # What the console channel writes is not for this terminal.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=Path("/dev/null").open("w")))  # noqa: SIM115
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        database = Database(resolve_url(database_url or "sqlite:", data_dir=Path(directory)))
        try:
            database.migrate()
            box = SecretBox(new_key())
            site_id = fill(database, people=people, box=box)
            links = CallOutLinks(b"bench", base_url="http://127.0.0.1")
            worker = DeliveryWorker(database, box=box, language="zh", clock=now_ms, link_of=links.address)
            worker.start()
            try:
                call_out_id, left = _call(database, links, site_id, people=people)
                answered = _answer(database, links, call_out_id, rate_per_s=rate_per_s, seconds=seconds)
                home = _stand_down(database, links, call_out_id, people=people)
            finally:
                worker.stop()
            return json.dumps({"people": people, **left, **answered, **home})
        finally:
            database.close()


def _call(database: Database, links: CallOutLinks, site_id: int, *, people: int) -> tuple[int, dict[str, float]]:
    started = monotonic()
    with database.writing() as session:
        call_out_id = call_out_moves.start(
            session,
            session.get_one(Site, site_id),
            reason="Water pours into the garage",
            meeting_point="",
            actor=ADMIN,
            hash_of_link=links.hash_of_link,
            now_ms=now_ms(),
        ).id
    asked_s = monotonic() - started
    _wait(lambda: _sent(database) >= people, "the summons have left")
    return call_out_id, {"asked_s": round(asked_s, 2), "left_the_house_s": round(monotonic() - started, 2)}


def _answer(
    database: Database, links: CallOutLinks, call_out_id: int, *, rate_per_s: float, seconds: float
) -> dict[str, float]:
    """Answers come at their rate, whatever becomes of those before; meanwhile somebody watches the counters."""
    with database.reading() as session:
        people = list(session.scalars(select(Summons.person_id).order_by(Summons.id)))[: round(rate_per_s * seconds)]
    latencies: list[float] = []
    seen: list[float] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SEEN_EVERY_S):
            began = monotonic()
            with database.reading() as session:
                count_muster(session, call_out_id, now_ms=now_ms())
            seen.append(monotonic() - began)

    def tap(person_id: int, due: float) -> None:
        with database.writing() as session:
            summons = find_by_link(session, links.hash_of_link(call_out_id, person_id))
            give_answer(session, summons, Answer.COMING, minutes=(5, 15, 30)[person_id % 3], now_ms=now_ms())
        latencies.append(monotonic() - due)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = monotonic()
    with ThreadPoolExecutor(16) as pool:
        for place, person_id in enumerate(people):
            due = started + place / rate_per_s
            sleep(max(0.0, due - monotonic()))
            pool.submit(tap, person_id, due)
    took_s = monotonic() - started
    is_over.set()
    watcher.join()
    with database.reading() as session:
        muster = count_muster(session, call_out_id, now_ms=now_ms())
    if muster.coming != len(people):
        raise BenchFailed(f"{len(people)} answered, {muster.coming} were counted")
    ordered = sorted(latencies)
    return {
        "answers": len(people),
        "answers_per_s": round(len(people) / took_s, 1),
        "answer_p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
        "answer_p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 1),
        "counters_slowest_ms": round(1000 * max(seen), 1),
    }


def _stand_down(database: Database, links: CallOutLinks, call_out_id: int, *, people: int) -> dict[str, float]:
    started = monotonic()
    with database.writing() as session:
        call_out_moves.move_call_out(
            session,
            call_out_id,
            CallOutState.STOOD_DOWN,
            actor=ADMIN,
            hash_of_link=links.hash_of_link,
            now_ms=now_ms(),
        )
    _wait(lambda: _sent(database) >= 2 * people, "all are sent home")
    with database.reading() as session:
        asked = session.scalar(select(func.count()).select_from(Summons)) or 0
    if asked != people:
        raise BenchFailed(f"{people} people are there, {asked} were asked")
    return {"stand_down_s": round(monotonic() - started, 2)}


def _sent(database: Database) -> int:
    with database.reading() as session:
        return count_deliveries(session)[DeliveryState.SENT]


def _wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + LIMIT_S
    while not is_so():
        if monotonic() > deadline:
            raise BenchFailed(f"after {LIMIT_S:g} s it is not so that {what}")
        sleep(0.05)
