"""What is put before a meeting of itself: one item a case, the patrols, the alarms of the month."""

import pytest

from alerts.alarm_kpis import densest
from alerts.patrol_findings import PatrolFindings, patrol_findings
from governance.meeting import get_meeting
from governance.meeting_points import points_for
from governance.meeting_stages import AgendaKind
from registry.database import Database
from tests.governance.compound import DAY_MS, NOW_MS, Compound


@pytest.fixture
def compound(database: Database) -> Compound:
    return Compound(database)


def test_a_quiet_compound_has_the_figures_of_the_month_and_nothing_else(compound: Compound) -> None:
    meeting_id = compound.plan()
    with compound.database.reading() as session:
        points = points_for(session, get_meeting(session, meeting_id), now_ms=NOW_MS)
    assert [point.kind for point in points] == [AgendaKind.ALARM_KPIS]
    assert points[0].facts["now"]["alarms"] == 0
    assert points[0].facts["now"]["median_acknowledged_ms"] is None, "nothing is made up where nothing was"


def test_the_densest_ten_minutes_are_found() -> None:
    assert densest([]) == 0
    assert densest([0, 600_001]) == 1
    assert densest([0, 300_000, 600_000, 900_000]) == 3


def test_no_rounds_are_no_findings(compound: Compound) -> None:
    with compound.at_work() as (session, site):
        found = patrol_findings(session, site.id, start_ms=NOW_MS - 30 * DAY_MS, end_ms=NOW_MS)
    assert found == PatrolFindings(0, 0, 0, ())
