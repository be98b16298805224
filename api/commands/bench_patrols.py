"""Measures how long it takes to write a year of rounds ahead for a whole city's compounds."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import func, select

from alerts.patrol_items import HABITS, PlanKind
from alerts.patrol_plan import PatrolPlan
from alerts.patrol_schedule import PatrolRound
from api.patrol_worker import plan_all_ahead
from registry.calendar import local_day
from registry.database import Database, resolve_url
from registry.site import DEFAULT_TIMEZONE, Site

NOW_MS = 1_795_406_400_000
"""2026-11-23T12:00:00+08:00"""
YEAR_DAYS = 366
STAGGERED_DAYS = 15


def patrols_as_json(*, sites: int, database_url: str | None) -> str:
    """Four plans a compound, their first days spread over half a month."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(resolve_url(database_url or "sqlite:", data_dir=Path(folder)))
        try:
            database.migrate()
            _fill(database, sites=sites)
            started_s = perf_counter()
            written = plan_all_ahead(database, now_ms=NOW_MS, days=YEAR_DAYS)
            took_s = perf_counter() - started_s
            again_s = perf_counter()
            more = plan_all_ahead(database, now_ms=NOW_MS, days=YEAR_DAYS)
            again_s = perf_counter() - again_s
            with database.reading() as session:
                rows = session.scalar(select(func.count()).select_from(PatrolRound))
        finally:
            database.close()
    told = {
        "sites": sites,
        "plans": sites * len(PlanKind),
        "rounds": rows,
        "seconds": round(took_s, 2),
        "rounds_per_s": round(written / took_s) if took_s else None,
        "second_time_rounds": more,
        "second_time_seconds": round(again_s, 2),
    }
    return json.dumps(told)


def _fill(database: Database, *, sites: int) -> None:
    today = local_day(NOW_MS, timezone=DEFAULT_TIMEZONE)
    with database.writing() as session:
        for number in range(sites):
            site = Site(key=f"bench-{number}", name=f"bench-{number}", created_ms=0, is_confirmed=True)
            session.add(site)
            for kind, habit in HABITS.items():
                session.add(
                    PatrolPlan(
                        site=site,
                        kind=kind.value,
                        name=kind.value,
                        interval_days=habit.interval_days,
                        window_days=habit.window_days,
                        start_min=habit.start_min,
                        end_min=habit.end_min,
                        is_working_days=habit.is_working_days,
                        parties="",
                        limits={},
                        first_day=today + timedelta(days=number % STAGGERED_DAYS),
                        last_number=0,
                        is_active=True,
                        created_ms=0,
                    )
                )
