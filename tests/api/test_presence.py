"""Presence and coverage of units, as programs read them."""

import numpy as np
import pytest

from registry.coverage import hours_of, put_hours
from registry.listening import note_listening
from registry.role import Role
from registry.unit import get_unit, set_status
from registry.unit_life import LifeWord, put_life
from tests.api.kit import HERE, NOON_MS, PUMP, World, items

MS_PER_MIN, MS_PER_D = 60_000, 86_400_000


def heard(world: World, *, ago_s: float, skew_s: float | None = None, behind_s: float = 0) -> None:
    """PUMP was heard so long ago; it usually speaks every ten seconds."""
    with world.database.writing() as session:
        heard_ms = NOON_MS - round(ago_s * 1000)
        word = LifeWord(
            unit_id=get_unit(session, PUMP.path).id,
            heard_ms=heard_ms,
            newest_ms=heard_ms - round((skew_s or 0) * 1000) - round(behind_s * 1000),
            interval_ms=10_000,
            gap_count=50,
            limit_ms=120_000,
            skew_ms=None if skew_s is None else round(skew_s * 1000),
        )
        put_life(session, [word])


def listened(world: World, *, ago_s: float = 5, lost_ago_s: float | None = None) -> None:
    with world.database.writing() as session:
        now_ms = NOON_MS - round(ago_s * 1000)
        lost_ms = None if lost_ago_s is None else NOON_MS - round(lost_ago_s * 1000)
        note_listening(session, "ingest", since_ms=NOON_MS - MS_PER_D, now_ms=now_ms, lost_ms=lost_ms)


def cover(world: World, *spans: tuple[int, int]) -> None:
    """Data of PUMP in the minutes of each span, counted in minutes before noon."""
    minutes = np.concatenate([np.arange(NOON_MS // MS_PER_MIN - a, NOON_MS // MS_PER_MIN - b) for a, b in spans])
    with world.database.writing() as session:
        unit_id = get_unit(session, PUMP.path).id
        put_hours(session, hours_of(np.full(len(minutes), unit_id), minutes))


def shown(world: World) -> dict[str, object]:
    headers = world.bearer((Role.OWNER, HERE))
    [listed] = [row for row in items(world.client.get("/api/v1/units", headers=headers)) if row["unit"] == PUMP.path]
    detail = world.client.get(f"/api/v1/units/{PUMP.path}", headers=headers).json()
    assert {name: detail[name] for name in listed} == listed
    return listed


def coverage(world: World, query: str = "") -> dict[str, object]:
    headers = world.bearer((Role.OWNER, HERE))
    response = world.client.get(f"/api/v1/units/{PUMP.path}/coverage{query}", headers=headers)
    assert response.status_code == 200, response.text
    found = response.json()
    assert isinstance(found, dict)
    return found


def test_a_unit_that_speaks_is_current(world: World) -> None:
    listened(world)
    heard(world, ago_s=5, skew_s=-3)
    told = shown(world)
    assert (told["presence"], told["stale_because"], told["known_until"]) == ("current", None, None)
    assert (told["usual_pause_s"], told["silent_after_s"], told["clock_skew_s"]) == (10, 120, -3)
    assert told["heard_at"] == "2026-11-23T11:59:55.000+08:00"


def test_a_silent_unit_is_stale_since_it_was_heard(world: World) -> None:
    listened(world)
    heard(world, ago_s=600)
    told = shown(world)
    assert (told["presence"], told["stale_because"]) == ("stale", "silent")
    assert told["known_until"] == "2026-11-23T11:50:00.000+08:00"


def test_while_nobody_listens_no_unit_is_current(world: World) -> None:
    heard(world, ago_s=5)
    for ago_s, lost_ago_s in ((5, 3), (600, None)):
        listened(world, ago_s=ago_s, lost_ago_s=lost_ago_s)
        assert (shown(world)["presence"], shown(world)["stale_because"]) == ("stale", "not_listening")


def test_an_old_reading_that_has_just_come_is_not_the_present(world: World) -> None:
    listened(world)
    heard(world, ago_s=5, behind_s=7200)
    assert (shown(world)["presence"], shown(world)["stale_because"]) == ("stale", "behind")


def test_a_unit_whose_clock_is_behind_is_current(world: World) -> None:
    listened(world)
    heard(world, ago_s=5, skew_s=7200)
    assert shown(world)["presence"] == "current"


def test_a_unit_that_said_goodbye_is_stale(world: World) -> None:
    listened(world)
    heard(world, ago_s=5)
    with world.database.writing() as session:
        set_status(session, get_unit(session, PUMP.path).id, is_online=False, ts_ms=NOON_MS - 60_000)
    assert (shown(world)["presence"], shown(world)["stale_because"]) == ("stale", "offline")


def test_a_unit_that_never_spoke_was_never_heard(world: World) -> None:
    listened(world)
    told = shown(world)
    assert (told["presence"], told["heard_at"], told["clock_skew_s"]) == ("never_heard", None, None)


def test_coverage_is_told_by_day_of_the_site(world: World) -> None:
    cover(world, (3 * 1440, 2 * 1440), (1440, 720), (60, 0))
    told = coverage(world)
    assert told["share"] == pytest.approx((1440 + 720 + 60) / (3 * 1440))
    assert (told["covered_s"], told["total_s"]) == (60 * 2220, 60 * 3 * 1440)
    days = [(day["day"], day["covered_s"] // 60, day["total_s"] // 60) for day in told["days"][-4:]]  # type: ignore[index]
    assert days == [
        ("2026-11-20", 720, 720),
        ("2026-11-21", 720, 1440),
        ("2026-11-22", 720, 1440),
        ("2026-11-23", 60, 720),
    ]


def test_coverage_of_a_span(world: World) -> None:
    cover(world, (120, 60))
    told = coverage(world, "?start=2026-11-23T10:30:00%2B08:00&end=2026-11-23T11:30:00%2B08:00")
    assert (told["covered_s"], told["total_s"], told["share"]) == (1800, 3600, 0.5)


def test_a_unit_without_data_has_no_share(world: World) -> None:
    told = coverage(world)
    assert (told["covered_s"], told["total_s"], told["share"]) == (0, 0, None)


def test_what_cannot_be_meant_is_refused(world: World) -> None:
    headers = world.bearer((Role.OWNER, HERE))
    for query in ("?start=2026-11-23T10:00:00Z&end=2026-11-23T10:00:00Z", "?start=0", "?start=yesterday"):
        response = world.client.get(f"/api/v1/units/{PUMP.path}/coverage{query}", headers=headers)
        assert response.status_code == 422, query
        assert response.headers["content-type"] == "application/problem+json"
