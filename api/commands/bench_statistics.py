"""Measurements of fault statistics: a compound over years, hour by hour, and a district over a year.

The data is made up. Of the compound everything is written as the program would have written it, and rolled up by the
program itself; of the district only what its statistics read is written, as the worker would have left it.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from api.commands.bench import BenchFailed
from governance.fault_rates import count_units, rates_by, rates_of_all
from governance.fault_record import FaultRecord, roll_up_faults
from governance.reliability_report import GroupBy, gather
from models.covered_minutes import SHARE, WHOLE_HOUR, day_began_ms, first_day_of
from models.equipment import Kind
from registry.coverage_roll_up import CoverageRolled, roll_up_coverage
from registry.database import Database, resolve_url
from registry.unit import Unit

END_MONTH = 12 * (2017 - 1970) + 9
END_DAY = first_day_of(END_MONTH)
END_MS = day_began_ms(END_DAY) + 10 * 3_600_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FAULTS_A_YEAR = 2.0
UNITS_OF_SITE = 98
COMPANIES = 40
SEED = 94
STAGES = ("triaged", "dispatched", "accepted", "arrived", "in_progress", "restored", "verified", "closed")
UNITS_AT_ONCE = 200


def statistics_as_json(*, units: int, years: int, district_units: int, requests: int, database_url: str | None) -> str:
    """p50 and p95 in ms of what the pages and the API ask for, in this process. Raises BenchFailed."""
    figures: dict[str, object] = {"units": units, "years": years, "district_units": district_units}
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        database = Database(resolve_url(database_url or "sqlite:", data_dir=Path(directory)))
        try:
            database.migrate()
            figures["database"] = "sqlite" if database.is_sqlite else "postgresql"
            figures["cores"] = psutil.cpu_count()
            with database.reading() as session:
                if session.scalar(select(func.count()).select_from(Unit)):
                    raise BenchFailed("the database holds units already: name an empty one")
            rng = np.random.default_rng(SEED)
            if units:
                _measure_compound(database, figures, units=units, years=years, requests=requests, rng=rng)
            if district_units:
                _measure_district(database, figures, units=district_units, first=units, requests=requests, rng=rng)
        finally:
            database.close()
    return json.dumps(figures, indent=2)


def _measure_compound(
    database: Database, figures: dict[str, object], *, units: int, years: int, requests: int, rng: np.random.Generator
) -> None:
    start_ms = END_MS - round(years * 365.25 * DAY_MS)
    with database.writing() as session:
        _put_units(session, units, first=0, sites=1, created_ms=start_ms - DAY_MS)
    figures["compound_hours"] = _put_hours(database, units, start_ms)
    figures["compound_faults"] = _put_tickets(database, units, start_ms, rng)
    began = perf_counter()
    for portion in (roll_up_faults, roll_up_coverage):
        is_more = True
        while is_more:
            with database.writing() as session:
                is_more = portion(session, now_ms=END_MS)
    figures["roll_up_s"] = round(perf_counter() - began, 1)
    _tidy(database)

    def ask() -> object:
        with database.reading() as session:
            facts = gather(session, kind=Kind.ELEVATOR, site="bench-0", start_ms=start_ms, end_ms=END_MS)
        return facts.of(facts.units)

    _time(figures, "compound", ask, requests)


def _measure_district(
    database: Database, figures: dict[str, object], *, units: int, first: int, requests: int, rng: np.random.Generator
) -> None:
    sites = -(-units // UNITS_OF_SITE)
    start_ms = day_began_ms(first_day_of(END_MONTH - 12))
    end_ms = day_began_ms(END_DAY)
    with database.writing() as session:
        first_site = 1 if first else 0
        _put_units(session, units, first=first, sites=sites, first_site=first_site, created_ms=start_ms - DAY_MS)
        for month in range(END_MONTH - 12, END_MONTH):
            days = np.zeros(first_day_of(month + 1) - first_day_of(month), dtype=SHARE)
            days["day"], days["pause"], days["minutes"] = np.arange(len(days)), 1, 1440
            session.execute(
                text(
                    "INSERT INTO coverage_month (unit_id, month, pause_min, covered_min, days) "
                    "SELECT id, :month, 1, :covered, :days FROM unit WHERE id > :first"
                ),
                {"month": month, "covered": 1440 * len(days), "days": days.tobytes(), "first": first},
            )
        if session.get(CoverageRolled, 1) is None:
            session.add(CoverageRolled(id=1, until_day=END_DAY, to_day=None, after_unit_id=0))
        number = rng.poisson(FAULTS_A_YEAR / 2, units)
        of = np.repeat(np.arange(first + 1, first + units + 1), number)
        began = rng.integers(start_ms, end_ms, len(of))
        lasted = rng.exponential(4 * HOUR_MS, len(of)).astype(np.int64)
        cause = rng.choice(["equipment", "misuse", "power", "unknown"], len(of), p=[0.5, 0.2, 0.1, 0.2])
        rows = [
            {
                "unit_id": int(of[place]),
                "source": f"ticket:{10_000_000 + place}",
                "matter": "fault.02",
                "began_ms": int(began[place]),
                "restored_ms": int(began[place] + lasted[place]),
                "is_entrapment": place % 17 == 0,
                "stops_unit": place % 4 != 0,
                "cause": str(cause[place]),
                "response_ms": 300_000,
                "arrival_ms": 1_500_000,
                "repair_ms": 3_600_000,
                "restoration_ms": int(lasted[place]),
                "normal_ms": None,
                "ended_ms": int(began[place] + lasted[place]),
                "cost_fen": 10_000,
            }
            for place in range(len(of))
        ]
        session.execute(insert(FaultRecord), rows)
    _tidy(database)
    figures["district_faults"] = len(rows)
    figures["district_sites"] = sites

    def ask() -> object:
        with database.reading() as session:
            counts = count_units(session, kind=Kind.ELEVATOR, start_ms=start_ms, end_ms=end_ms)
        return rates_by(counts, GroupBy.SITE), rates_by(counts, GroupBy.MAINTAINER), rates_of_all(counts)

    _time(figures, "district", ask, requests)


def _time(figures: dict[str, object], name: str, ask: Callable[[], object], requests: int) -> None:
    ask()
    process = psutil.Process()
    before = process.cpu_times()
    took_ms = []
    for _ in range(requests):
        began = perf_counter()
        ask()
        took_ms.append((perf_counter() - began) * 1000)
    after = process.cpu_times()
    for q in (50, 95):
        figures[f"{name}_p{q}_ms"] = round(float(np.percentile(took_ms, q)), 1)
    spent_s = after.user + after.system - before.user - before.system
    figures[f"{name}_cpu_ms"] = round(spent_s * 1000 / requests, 1)


def _put_units(session: Session, units: int, *, first: int, sites: int, first_site: int = 0, created_ms: int) -> None:
    site_ids = range(first_site + 1, first_site + sites + 1)
    session.execute(
        text(
            "INSERT INTO site (id, key, name, timezone, is_confirmed, created_ms) "
            "VALUES (:id, :key, :key, 'Asia/Shanghai', true, :created)"
        ),
        [{"id": number, "key": f"bench-{number - 1}", "created": created_ms} for number in site_ids],
    )
    session.execute(
        text(
            "INSERT INTO unit (id, site_id, kind, key, name, building, make, maintainer, is_confirmed, created_ms) "
            "VALUES (:id, :site, 'elevator', :key, :key, :building, :make, :maintainer, true, :created)"
        ),
        [
            {
                "id": number,
                "site": site_ids[number % sites],
                "key": f"l{number}",
                "building": str(number % 30),
                "make": f"make-{number % 9}",
                "maintainer": f"company-{number % COMPANIES}",
                "created": created_ms,
            }
            for number in range(first + 1, first + units + 1)
        ],
    )
    session.execute(
        text(
            "INSERT INTO unit_life (unit_id, heard_ms, newest_ms, interval_ms, gap_count, limit_ms, late_values) "
            "SELECT id, :now, :now, 30000, 9, 900000, 0 FROM unit WHERE id > :first"
        ),
        {"now": END_MS, "first": first},
    )


def _put_hours(database: Database, units: int, start_ms: int) -> int:
    """Whole hours, but for one of eleven; a few are missing."""
    for begin in range(1, units + 1, UNITS_AT_ONCE):
        with database.writing() as session:
            session.execute(
                text(
                    "INSERT INTO coverage (unit_id, hour, minutes) WITH RECURSIVE hours(hour) AS "
                    "(SELECT CAST(:first AS integer) UNION ALL SELECT hour + 1 FROM hours WHERE hour < :last) "
                    "SELECT unit.id, hours.hour, CASE WHEN (unit.id * 7 + hours.hour) % 11 = 0 THEN :part "
                    "ELSE :whole END FROM unit CROSS JOIN hours "
                    "WHERE unit.id BETWEEN :low AND :high AND (unit.id + hours.hour) % 97 <> 0 "
                    "ORDER BY unit.id, hours.hour"
                ),
                {
                    "first": start_ms // HOUR_MS,
                    "last": END_MS // HOUR_MS,
                    "part": WHOLE_HOUR & ~(7 << 20),
                    "whole": WHOLE_HOUR,
                    "low": begin,
                    "high": begin + UNITS_AT_ONCE - 1,
                },
            )
    with database.reading() as session:
        return session.scalar(text("SELECT count(*) FROM coverage")) or 0


def _put_tickets(database: Database, units: int, start_ms: int, rng: np.random.Generator) -> int:
    number = rng.poisson(FAULTS_A_YEAR * (END_MS - start_ms) / (365.25 * DAY_MS), units)
    of = np.repeat(np.arange(1, units + 1), number)
    opened = rng.integers(start_ms, END_MS - 2 * DAY_MS, len(of))
    steps = rng.exponential(1_800_000, (len(of), len(STAGES))).astype(np.int64).cumsum(axis=1)
    with database.writing() as session:
        session.execute(
            text(
                'INSERT INTO ticket (id, site_id, unit_id, kind, "case", title, description, severity, stage, '
                "opened_by, opened_ms, updated_ms, closed_ms, version, demands) VALUES (:id, 1, :unit, 'fault', "
                "'fault.02', 'Door', '', 'major', 'closed', 'bench', :opened, :closed, :closed, 9, '')"
            ),
            [
                {
                    "id": place + 1,
                    "unit": int(of[place]),
                    "opened": int(opened[place]),
                    "closed": int(opened[place] + steps[place, -1]),
                }
                for place in range(len(of))
            ],
        )
        move = text(
            "INSERT INTO ticket_move (ticket_id, at_ms, actor, to_stage, note, stands_in) "
            "VALUES (:ticket, :at, 'bench', :stage, '', false)"
        )
        moves = [
            {"ticket": place + 1, "at": int(opened[place] + at), "stage": stage}
            for place in range(len(of))
            for stage, at in (("reported", 0), *zip(STAGES, steps[place].tolist(), strict=True))
        ]
        session.execute(move, moves)
    return len(of)


def _tidy(database: Database) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What PostgreSQL does by itself some minutes after so many rows came.
        connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))
