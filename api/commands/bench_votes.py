"""Measures a large vote: how fast it is counted, and what others wait for while owners crowd at the ballot box."""

import http.client
import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import psutil
from sqlalchemy import select

import alerts.ticket
from api.clock import now_ms
from api.commands.bench import BenchFailed
from api.commands.bench_service import Service, running_service
from governance import ballot, owners_roll, vote
from governance.proposal import Proposal
from governance.proposal_stages import Procedure, ProposalStage
from governance.roll_file import RollRow
from governance.ruleset import Matter
from governance.tally import tally
from governance.vote import Voter, frozen_parts, get_vote, ruleset_of
from governance.vote_result import counted_ballots
from governance.vote_rules import Identity, VoteRules, set_rules
from registry.database import Database
from registry.role import SYSTEM
from registry.site import add_site

__all__ = ["alerts", "votes_as_json"]

VOTERS_AT_ONCE = 8
LOOK_S = 0.1
DAY_MS = 86_400_000


@dataclass(slots=True)
class Crowd:
    """What came of the ballots that were sent; shared by the threads that send them."""

    taken: int = 0
    refused: int = 0
    ballot_ms: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def votes_as_json(*, parts: int, rate_per_s: float, seconds: float, database_url: str | None) -> str:
    """Sends ballots of letters at a steady rate, looks at a page beside them, and counts what was cast."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        url = database_url or f"sqlite:///{Path(directory) / 'votes.sqlite'}"
        database = Database(url)
        database.migrate()
        codes = [f"CODE{number:016d}" for number in range(parts)]
        began = monotonic()
        proposal_id = _opened(database, parts, codes)
        open_s = monotonic() - began
        with running_service({"LIANDONG_DATABASE_URL": url}) as service:
            told = _crowded(service, proposal_id, codes, rate_per_s=rate_per_s, seconds=seconds)
        told |= {"parts": parts, "open_s": round(open_s, 2), **_counted(database, proposal_id)}
        database.close()
    return json.dumps({**told, "database": database.url.get_backend_name(), "cores": psutil.cpu_count()}, indent=2)


def _opened(database: Database, parts: int, codes: list[str]) -> int:
    now = now_ms()
    rows = [RollRow(f"O{n}", f"P{n}", 80_000_000 + n, str(n % 40)) for n in range(parts)]
    with database.writing() as session:
        site = add_site(session, key="bench", now_ms=now)
        owners_roll.replace_roll(session, site, rows, reason="", actor=SYSTEM, now_ms=now)
        set_rules(session, site, VoteRules(identity=Identity.NONE), alias_secret="")
        proposal = Proposal(
            site=site,
            number="2026-001",
            title="bench",
            matter=Matter.USE.value,
            procedure=Procedure.ORDINARY.value,
            stage=ProposalStage.VOTING.value,
            ruleset="civil-code-2021",
            amount_fen=1,
            created_by="bench",
            created_ms=now,
            updated_ms=now,
            closes_ms=now + 10 * DAY_MS,
        )
        session.add(proposal)
        session.flush()
        made = vote.open_vote(session, proposal, actor=SYSTEM, now_ms=now)
        ids = session.scalars(select(Voter.id).where(Voter.vote_id == made.id).order_by(Voter.id)).all()
        for place in range(0, len(ids), 500):
            some = ids[place : place + 500]
            drawn = dict(zip(some, codes[place : place + 500], strict=True))
            ballot.draw_links(session, made, drawn, actor=SYSTEM, now_ms=now)
        return proposal.id


def _crowded(
    service: Service, proposal_id: int, codes: list[str], *, rate_per_s: float, seconds: float
) -> dict[str, Any]:
    token = service.sign_in()
    wanted = min(len(codes), int(rate_per_s * seconds))
    crowd, page_ms, memory_mb = Crowd(), list[float](), service.memory_mb()
    began, cpu_s = monotonic(), service.cpu_s()
    senders = [
        threading.Thread(
            target=_send,
            args=(service, token, proposal_id, codes[first:wanted:VOTERS_AT_ONCE], crowd, began, rate_per_s),
        )
        for first in range(VOTERS_AT_ONCE)
    ]
    for sender in senders:
        sender.start()
    connection = _connection(service)
    while any(sender.is_alive() for sender in senders):
        page_ms.append(_asked(connection, "GET", "/api/v1/tickets?stage=open", token)[1])
        threading.Event().wait(LOOK_S)
    took_s, cpu_s = monotonic() - began, service.cpu_s() - cpu_s
    if not crowd.taken:
        raise BenchFailed("no ballot was taken")
    return {
        "wanted_ballots_per_s": rate_per_s,
        "ballots_taken": crowd.taken,
        "ballots_refused": crowd.refused,
        "ballots_per_s": round(crowd.taken / took_s, 1),
        "service_cpu_ms_per_ballot": round(cpu_s / crowd.taken * 1000, 2),
        "ballot_p50_ms": _percentile(crowd.ballot_ms, 50),
        "ballot_p99_ms": _percentile(crowd.ballot_ms, 99),
        "others_p50_ms": _percentile(page_ms, 50),
        "others_p95_ms": _percentile(page_ms, 95),
        "others_p99_ms": _percentile(page_ms, 99),
        "memory_before_mb": round(memory_mb),
        "memory_after_mb": round(service.memory_mb()),
    }


def _send(
    service: Service, token: str, proposal_id: int, codes: list[str], crowd: Crowd, began: float, rate_per_s: float
) -> None:
    connection = _connection(service)
    for place, code in enumerate(codes):
        due = began + place * VOTERS_AT_ONCE / rate_per_s
        threading.Event().wait(max(0.0, due - monotonic()))
        body = {"choice": ("consent", "object", "consent")[place % 3], "link": code}
        status, took_ms = _asked(connection, "POST", f"/api/v1/proposals/{proposal_id}/ballots", token, body)
        with crowd.lock:
            crowd.taken += status == 201
            crowd.refused += status != 201
            crowd.ballot_ms.append(took_ms)


def _connection(service: Service) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(service.http_url.removeprefix("http://"), timeout=30)


def _asked(
    connection: http.client.HTTPConnection, method: str, path: str, token: str, body: Mapping[str, str] | None = None
) -> tuple[int, float]:
    began = monotonic()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status, (monotonic() - began) * 1000


def _counted(database: Database, proposal_id: int) -> dict[str, Any]:
    began = monotonic()
    with database.reading() as session:
        found = get_vote(session, proposal_id)
        parts, ballots = frozen_parts(session, found), counted_ballots(session, found)
        read_s = monotonic() - began
        counted = tally(parts, ballots, ruleset=ruleset_of(found.terms), matter=found.matter)
    took_s = monotonic() - began
    return {
        "tally_s": round(took_s, 3),
        "tally_of_it_reading_s": round(read_s, 3),
        "participating": counted.participating.owners,
    }


def _percentile(values: list[float], q: float) -> float:
    return round(float(np.percentile(values, q)), 1)
