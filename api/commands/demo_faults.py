"""Months of faults for the lifts of the demonstration, so that its statistics and its evidence say something.

Drawn with a fixed seed: some lifts are bad, most are not, a few were overhauled in the middle. The rows are written at
once, as from the books of the property company; they are over and call nobody.
"""

from datetime import timedelta

import numpy as np
from sqlalchemy import bindparam, insert, text
from sqlalchemy.orm import Session

from alerts.fault_cause import TicketCause
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_record import CostKind, TicketCost
from alerts.ticket_stages import Stage, TicketKind
from api.translations import Translator, msgid
from governance.statutory_days import day_of
from governance.watch_list import judge_by_rule, look_at_rule
from models.covered_minutes import WHOLE_HOUR
from models.equipment import Kind
from models.fault_statistics import Cause
from registry.coverage import mark_months
from registry.database import Database
from registry.service_record import Service, ServiceKind, put_service_records
from registry.site import DEFAULT_TIMEZONE, Site
from registry.unit import Unit

HISTORY_DAYS = 425
OVERHAULED_DAYS_AGO, OVERHAUL_TOOK_DAYS = 240, 12
LOOKS_MONTHS = 9
SEED = 41
UNITS_AT_ONCE = 6
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BAD_A_YEAR, GOOD_A_YEAR, AFTER_OVERHAUL = 5.5, 0.9, 0.2
TERRIBLE_A_YEAR = 22.0
"""Of the first of the bad and the first of the overhauled: what the watch-list is for."""
TITLES = (
    (msgid("The door does not close"), "fault.02", Severity.MAJOR, 0.4),
    (msgid("The lift stands between two floors"), "fault.04", Severity.MAJOR, 0.3),
    (msgid("People trapped in the lift"), "entrapment", Severity.CRITICAL, 0.12),
    (msgid("The controller lost the floor"), "fault.07", Severity.MAJOR, 0.18),
)
OVERHAULED = msgid("Controller, door operator and brake renewed")
SIMULATED = msgid("Simulated: a part of the demonstration.")
CAUSES = ((Cause.EQUIPMENT, 0.62), (Cause.MISUSE, 0.14), (Cause.POWER, 0.06), (None, 0.18))
WAY_MIN = (
    (Stage.REPORTED, 0),
    (Stage.TRIAGED, 2),
    (Stage.DISPATCHED, 4),
    (Stage.ACCEPTED, 7),
    (Stage.ARRIVED, 24),
    (Stage.IN_PROGRESS, 27),
    (Stage.RESTORED, 95),
    (Stage.VERIFIED, 140),
    (Stage.CLOSED, 150),
)


def add_demo_faults(
    session: Session,
    site: Site,
    *,
    bad: list[Unit],
    overhauled: list[Unit],
    good: list[Unit],
    _: Translator,
    now_ms: int,
) -> None:
    """`overhauled` were as bad as `bad` until they were overhauled; the others never were."""
    start_ms = now_ms - HISTORY_DAYS * DAY_MS
    units = [*bad, *overhauled, *good]
    rng = np.random.default_rng(SEED)
    cut_ms = now_ms - OVERHAULED_DAYS_AGO * DAY_MS
    faults: list[tuple[Unit, int]] = []
    for members, rate, begin_ms, end_ms in (
        (bad, BAD_A_YEAR, start_ms, now_ms),
        (good, GOOD_A_YEAR, start_ms, now_ms),
        (overhauled, BAD_A_YEAR, start_ms, cut_ms),
        (overhauled, BAD_A_YEAR * AFTER_OVERHAUL, cut_ms, now_ms),
    ):
        for place, unit in enumerate(members):
            own = rate * TERRIBLE_A_YEAR / BAD_A_YEAR if place == 0 and members is not good else rate
            years = (end_ms - begin_ms) / (365.25 * DAY_MS)
            times_ms = rng.integers(begin_ms, end_ms - 12 * HOUR_MS, rng.poisson(own * years))
            faults += [(unit, int(at_ms)) for at_ms in times_ms]
    _write(session, site, sorted(faults, key=lambda each: each[1]), rng, _)
    done_on = day_of(cut_ms, site.timezone)
    service = Service(
        kind=ServiceKind.OVERHAUL,
        done_on=done_on,
        done_by=_(msgid("Antin Lift Service")),
        note=f"{_(SIMULATED)} {_(OVERHAULED)}",
        cost_fen=9_800_000,
        stop_begin_ms=cut_ms - OVERHAUL_TOOK_DAYS * DAY_MS,
        stop_end_ms=cut_ms,
    )
    rows = [(unit.id, service) for unit in overhauled]
    today = day_of(now_ms, site.timezone)
    for place, unit in enumerate(units):
        # Every twentieth is late, and of every thirtieth the inspection has expired.
        maintained = Service(
            kind=ServiceKind.MAINTENANCE,
            done_on=today - timedelta(days=31 if place % 20 == 7 else 2 + place % 12),
            done_by=unit.maintainer,
            note=_(SIMULATED),
        )
        inspected_on = today - timedelta(days=372 if place % 30 == 11 else 40 + 3 * place)
        inspection = Service(
            kind=ServiceKind.INSPECTION,
            done_on=inspected_on,
            valid_until=inspected_on + timedelta(days=365),
            note=_(SIMULATED),
        )
        rows += [(unit.id, maintained), (unit.id, inspection)]
    put_service_records(session, rows, by="manager", now_ms=now_ms)


def look_back(database: Database, *, now_ms: int) -> None:
    """Looks at the watch-list's rule for the firsts of the past months, as if the service had run all the time."""
    first = day_of(now_ms, DEFAULT_TIMEZONE).replace(day=1)
    months = [first]
    while len(months) < LOOKS_MONTHS:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    for as_of in months[::-1]:
        with database.reading() as session:
            judgement = judge_by_rule(session, Kind.ELEVATOR, as_of=as_of)
        with database.writing() as session:
            look_at_rule(session, judgement, now_ms=now_ms)


def watch(database: Database, lifts: list[Unit], *, now_ms: int) -> None:
    """Every minute of the time has data; a few lifts in a transaction, so that nobody waits long to write."""
    for place in range(0, len(lifts), UNITS_AT_ONCE):
        some = lifts[place : place + UNITS_AT_ONCE]
        with database.writing() as session:
            session.execute(
                text(
                    "INSERT INTO coverage (unit_id, hour, minutes) "
                    "WITH RECURSIVE hours(hour) AS (SELECT :first UNION ALL SELECT hour + 1 FROM hours "
                    "WHERE hour < :last) SELECT unit.id, hours.hour, :whole FROM unit CROSS JOIN hours "
                    "WHERE unit.id IN :units ORDER BY unit.id, hours.hour ON CONFLICT DO NOTHING"
                ).bindparams(bindparam("units", expanding=True)),
                {
                    "first": (now_ms - HISTORY_DAYS * DAY_MS) // HOUR_MS,
                    "last": now_ms // HOUR_MS - 7,
                    "whole": WHOLE_HOUR,
                    "units": [unit.id for unit in some],
                },
            )
            mark_months(session, [unit.id for unit in some], start_ms=now_ms - HISTORY_DAYS * DAY_MS, end_ms=now_ms)


def _write(
    session: Session, site: Site, faults: list[tuple[Unit, int]], rng: np.random.Generator, _: Translator
) -> None:
    first = session.scalar(text("SELECT COALESCE(MAX(id), 0) FROM ticket")) or 0
    if not faults:
        return
    shares = np.array([share for *_ignored, share in TITLES])
    cause_shares = np.array([share for _cause, share in CAUSES])
    tickets, moves, costs, causes = [], [], [], []
    for number, (unit, at_ms) in enumerate(faults, start=first + 1):
        title, case, severity, _share = TITLES[rng.choice(len(TITLES), p=shares)]
        slower = float(rng.lognormal(0.0, 0.45))
        times = [(stage, at_ms + round(minutes * slower * 60_000)) for stage, minutes in WAY_MIN]
        tickets.append(
            {
                "id": number,
                "site_id": site.id,
                "unit_id": unit.id,
                "kind": TicketKind.FAULT.value,
                "case": case,
                "title": _(title),
                "severity": severity.value,
                "stage": Stage.CLOSED.value,
                "opened_by": "manager",
                "opened_ms": at_ms,
                "updated_ms": times[-1][1],
                "closed_ms": times[-1][1],
                "version": len(WAY_MIN),
                "description": _(SIMULATED),
                "demands": "",
            }
        )
        before = None
        for stage, when_ms in times:
            actor, party = ("committee", "committee") if stage is Stage.VERIFIED else ("manager", "property")
            moves.append(
                {
                    "ticket_id": number,
                    "at_ms": when_ms,
                    "actor": actor,
                    "from_stage": before,
                    "to_stage": stage.value,
                    "note": "",
                    "party": party,
                    "stands_in": False,
                }
            )
            before = stage.value
        costs.append(
            {
                "ticket_id": number,
                "at_ms": times[-3][1],
                "actor": "manager",
                "kind": CostKind.LABOUR.value,
                "what": _(msgid("Call-out and small parts")),
                "quantity": "1",
                "amount_fen": int(rng.integers(300, 2_400)) * 100,
            }
        )
        cause = CAUSES[rng.choice(len(CAUSES), p=cause_shares)][0]
        if cause is not None:
            causes.append({"ticket_id": number, "cause": cause.value, "actor": "manager", "at_ms": times[-2][1]})
    session.execute(insert(Ticket), tickets)
    session.execute(insert(TicketMove), moves)
    session.execute(insert(TicketCost), costs)
    session.execute(insert(TicketCause), causes)
    if session.get_bind().dialect.name == "postgresql":
        # The ids were given here: the sequence goes on behind them.
        session.execute(text("SELECT setval(pg_get_serial_sequence('ticket', 'id'), (SELECT MAX(id) FROM ticket))"))
