"""What a verdict likely means: hints from the directions in which values moved."""

import pytest

from models.equipment import METRICS, Kind
from models.explain import CAUSES, Difference, likely_causes
from models.hours_by_kind import FEATURES


def higher(channel: str, share: float = 0.5) -> Difference:
    return Difference(channel, share, now=9.0, low=1.0, high=5.0)


def lower(channel: str, share: float = 0.5) -> Difference:
    return Difference(channel, share, now=0.5, low=1.0, high=5.0)


@pytest.mark.parametrize(
    ("kind", "differences", "title"),
    [
        (Kind.PUMP, [lower("flow_m3_h"), lower("pump1_current_a", 0.4)], "Inlet, impeller or pipe blocked"),
        (Kind.PUMP, [higher("pump1_current_a"), lower("flow_m3_h", 0.4)], "Impeller jammed or bearing worn"),
        (Kind.PUMP, [higher("level_m"), higher("flow_m3_h")], "More water comes in than usual"),
        (
            Kind.ELEVATOR,
            [higher("door_close_s"), higher("door_motor_current_a")],
            "Door operator worn, or dirt in the sill",
        ),
        (Kind.ELEVATOR, [higher("vibration_rms_m_s2")], "Guide shoe, rail or bearing worn"),
        (Kind.FIRE, [lower("hydrant_pressure_mpa")], "Water is lost from the hydrant pipes"),
        (Kind.FIRE, [lower("battery_v")], "Battery ages or is not charged"),
    ],
)
def test_the_directions_of_the_values_point_to_a_failure_mode(
    kind: Kind, differences: list[Difference], title: str
) -> None:
    assert likely_causes(kind, differences)[0].title == title


def test_where_nothing_fits_nothing_is_claimed() -> None:
    assert likely_causes(Kind.PUMP, []) == []
    assert likely_causes(Kind.PUMP, [higher("Volume Flow RateRMS", 1.0)]) == []
    assert likely_causes(Kind.ELEVATOR, [lower("door_close_s", 1.0)]) == []
    inside = Difference("flow_m3_h", 1.0, now=3.0, low=1.0, high=5.0)
    assert likely_causes(Kind.PUMP, [inside]) == []


def test_a_value_that_hardly_counts_speaks_for_nothing() -> None:
    assert likely_causes(Kind.FIRE, [lower("battery_v", 0.05)]) == []


def test_levelling_may_be_off_in_both_directions_and_is_told_once() -> None:
    for difference in (higher("levelling_error_mm"), lower("levelling_error_mm")):
        assert [cause.title for cause in likely_causes(Kind.ELEVATOR, [difference])] == [
            "Rope, brake or encoder changed: the car stops beside the floor"
        ]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_failure_mode_rests_on_metrics_of_its_kind(kind: Kind) -> None:
    for cause in CAUSES[kind]:
        assert cause.signs.keys() <= METRICS[kind].keys() | FEATURES[kind].keys()
        assert set(cause.signs.values()) <= {-1, 1}
