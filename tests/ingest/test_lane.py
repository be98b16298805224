"""Every site belongs to exactly one lane, however its messages come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.lane import Lane, LaneUnreadable, read_lane


@given(count=st.integers(1, 12), topic=st.text(max_size=60))
def test_each_topic_belongs_to_exactly_one_lane(count: int, topic: str) -> None:
    assert [Lane(number, count).has_topic(topic) for number in range(1, count + 1)].count(True) == 1


@given(count=st.integers(1, 12), site=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True))
def test_all_that_is_said_of_a_site_is_heard_by_one_worker(count: int, site: str) -> None:
    topics = [
        f"liandong/v1/{site}/pump/p1/telemetry",
        f"liandong/v1/{site}/fire/f1/event",
        f"liandong/v1/{site}/gateway/g1/telemetry",
        f"spBv1.0/{site}/NBIRTH/edge",
        f"spBv1.0/{site.upper()}/DDATA/edge/pump.p1",
    ]
    for number in range(1, count + 1):
        lane = Lane(number, count)
        assert {lane.has_topic(topic) for topic in topics} == {lane.has_site(site)}


def test_many_sites_are_spread_evenly() -> None:
    counts = [sum(Lane(number, 4).has_site(f"site-{n}") for n in range(1529)) for number in (1, 2, 3, 4)]
    assert sum(counts) == 1529
    assert min(counts) > 300


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/1001", "１/２"])
def test_what_is_no_lane_is_refused(text: str) -> None:
    with pytest.raises(LaneUnreadable):
        read_lane(text)


def test_a_lane_is_read() -> None:
    assert read_lane("2/3") == Lane(2, 3)
    assert read_lane("1/1").is_everything
