"""The days of law: data without gaps, counted alike by whoever counts them."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from governance.notice_rules import POSTING_RULES, until_ms
from governance.publication import TOPIC_KIND
from governance.statutory_days import (
    STATUTORY_DAYS,
    Meeting,
    Period,
    day_of,
    earliest_opening,
    end_of,
    publish_by,
    start_of,
    statutory,
)

ZONE = "Asia/Shanghai"


def test_days_of_law_are_data_with_their_source_and_without_gaps() -> None:
    for period in Period:
        rows = [row for row in STATUTORY_DAYS if row.period is period]
        assert rows[-1].until is None
        for earlier, later in pairwise(rows):
            assert earlier.until is not None
            assert later.since == earlier.until + timedelta(days=1)
        assert all(row.source for row in rows)
    assert statutory(Period.NOTICE_EXTRAORDINARY, date(2017, 1, 1)).days == 15
    assert earliest_opening(date(2024, 2, 20), Meeting.ORDINARY) == date(2024, 3, 7)
    assert publish_by(date(2026, 12, 31)) == date(2027, 1, 3)


@pytest.mark.parametrize("meeting", Meeting)
@pytest.mark.parametrize("posted_at", ["2026-11-26T00:00", "2026-11-26T23:59:59.999"])
def test_a_vote_may_open_when_its_notice_has_hung_for_its_last_day_and_not_before(
    meeting: Meeting, posted_at: str
) -> None:
    """The notice and the proposal count alike, whatever the hour of the posting was."""
    posted_ms = round(datetime.fromisoformat(posted_at).replace(tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
    earliest = earliest_opening(day_of(posted_ms, ZONE), meeting)
    hung_ms = until_ms(posted_ms, POSTING_RULES[TOPIC_KIND[meeting]].least_days, ZONE)
    assert start_of(earliest, ZONE) == hung_ms
    assert day_of(hung_ms - 1, ZONE) == earliest - timedelta(days=1)
    assert (hung_ms - end_of(day_of(posted_ms, ZONE), ZONE)) // 86_400_000 == (15 if meeting is Meeting.ORDINARY else 7)
