"""Measures a power cut over a district: a thousand alarms within a second become one incident for each compound.

It runs what the ingest worker and the worker for what is due run, by the real clock, and proves that each compound has
one ticket, that every alarm belongs to it, and that nobody is told of an incident more than once.
"""

import json
import tempfile
from pathlib import Path
from time import monotonic, process_time, sleep, time

from sqlalchemy import func, select

from alerts import explaining, incident
from alerts.alarm import Alarm
from alerts.due_action import oldest_due_ms
from alerts.escalation import run_due
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.notification import Notification
from alerts.ticket import Ticket
from alerts.watch import Watch
from api.commands.bench import BenchFailed
from models.equipment import Kind
from models.event import Event
from models.reading import UnitKey
from registry.database import Database, resolve_url
from registry.person import Person, RoleGrant
from registry.role import Role
from registry.site import add_site
from registry.unit import add_unit

SECONDS_OF_CUT = 1.0
BATCHES = 20
"""The alarms come in as many batches as a worker would take them in."""
LOOK_EVERY_S = 0.1
LIMIT_S = 60.0
PEOPLE = (Role.PROPERTY_MANAGER, Role.TECHNICIAN)


def power_cut_as_json(*, alarms: int, sites: int, database_url: str | None) -> str:
    """Raises BenchFailed when an incident is not one, or somebody was told of one twice."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        url = resolve_url(database_url or "sqlite:", data_dir=Path(directory))
        database = Database(url)
        try:
            database.migrate()
            units = fill(database, alarms=alarms, sites=sites)
            report = cut(database, units)
        finally:
            database.close()
    return json.dumps({"database": url.get_backend_name(), **report}, indent=2)


def fill(database: Database, *, alarms: int, sites: int) -> dict[UnitKey, int]:
    """Compounds with lifts, and two people each who are told."""
    units: dict[UnitKey, int] = {}
    with database.writing() as session:
        for number in range(sites):
            site = add_site(session, key=f"bench-{number}", now_ms=0)
            for role in PEOPLE:
                grants = [RoleGrant(role=role.value, site=site)]
                name = f"{role.value}-{number}"
                session.add(
                    Person(name=name, display_name=name, password_hash="none", created_ms=0, grants=grants)  # noqa: S106
                )
            for lift in range(alarms // sites + (number < alarms % sites)):
                unit = add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"lift-{lift}", now_ms=0)
                units[unit.unit_key] = unit.id
    return units


def cut(database: Database, units: dict[UnitKey, int]) -> dict[str, object]:
    """The lifts lose their mains in an order that mixes the compounds."""
    watch = Watch(limits=Limits())
    order = sorted(units, key=lambda unit: (unit.unit, unit.site))
    size = -(-len(order) // BATCHES)
    started, began_cpu_s, applying_s = monotonic(), process_time(), 0.0
    for number in range(BATCHES):
        batch = order[number * size : (number + 1) * size]
        sleep(max(0.0, started + number * SECONDS_OF_CUT / BATCHES - monotonic()))
        now_ms, before = _now_ms(), monotonic()
        signals = watch.observe([], [Event(unit, now_ms, "event.41", True) for unit in batch], received_ms=now_ms)
        with database.writing() as session:
            incident.apply_signals(session, signals, units=units, received_ms=now_ms)
        applying_s += monotonic() - before
    heard = monotonic()
    while not _is_over(database, len(units)):
        if monotonic() - heard > LIMIT_S:
            raise BenchFailed("the incidents did not form in time")
        sleep(LOOK_EVERY_S)
        explaining.settle_due(database, watch.conditions, now_ms=_now_ms())
        with database.reading() as session:
            is_due = oldest_due_ms(session, now_ms=_now_ms()) is not None
        if is_due:
            with database.writing() as session:
                run_due(session, now_ms=_now_ms())
    told = monotonic()
    sites = len({unit.site for unit in units})
    with database.reading() as session:
        tickets = session.scalar(select(func.count()).select_from(Ticket)) or 0
        explained = session.scalar(select(func.count()).select_from(Alarm).where(Alarm.is_explained)) or 0
        by_person = (
            select(func.count()).select_from(Notification).group_by(Notification.person_id, Notification.ticket_id)
        )
        most = max(session.scalars(by_person), default=0)
        notifications = session.scalar(select(func.count()).select_from(Notification)) or 0
    if tickets != sites or explained != len(units) - sites:
        raise BenchFailed(f"{len(units)} alarms at {sites} sites became {tickets} tickets; {explained} are explained")
    if most > 1 or notifications != sites * len(PEOPLE):
        raise BenchFailed(f"{notifications} messages for {sites * len(PEOPLE)} people, {most} to one of an incident")
    return {
        "alarms": len(units),
        "sites": sites,
        "incidents": tickets,
        "messages": notifications,
        "most_messages_to_one_of_an_incident": most,
        "cpu_s": round(process_time() - began_cpu_s, 2),
        "alarms_written_s": round(applying_s, 2),
        "holding_time_s": HOLD_MS / 1000,
        "first_alarm_to_last_message_s": round(told - started, 2),
        "last_alarm_to_last_message_s": round(told - heard, 2),
    }


def _is_over(database: Database, alarms: int) -> bool:
    with database.reading() as session:
        placed = session.scalar(select(func.count()).select_from(Alarm).where(Alarm.ticket_id.is_not(None)))
        return placed == alarms and oldest_due_ms(session, now_ms=_now_ms()) is None


def _now_ms() -> int:
    return round(time() * 1000)
