"""While the stream runs: models in shadow are judged and heeded by nobody, and promotions are taken up."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from alerts.watch import Watch
from ingest.fit_pool import local_pool
from ingest.model_fit import Wanted, fit_units, units_to_fit
from models.detectors.bank import DetectorBank
from models.detectors.training import DAY_MS
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from registry.model_trial import shadow_verdicts, trials_of
from registry.model_version import active_version, dismiss, in_use, promote
from registry.site import add_site
from registry.unit import add_unit, get_unit
from tests.ingest.line import T0_MS, Line, reading

ROWS, STEP_S = 600, 10
SUMP = UnitKey("xiaohe", Kind.PUMP, "sump-0")
METRICS = ("flow_m3_h", "level_m", "pump1_current_a")


def values_of(rows: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + rng.normal(0, 0.1, (rows, 3))


def banks() -> dict[Kind, DetectorBank]:
    # It wants so many rows that it judges by a version or not at all.
    return {Kind.PUMP: DetectorBank(fit_rows=50_000)}


class Story:
    def __init__(self, line: Line) -> None:
        self.line = line
        self.second = ROWS * STEP_S
        self.watch = Watch(banks=banks())

    def fit(self) -> None:
        list(
            fit_units(
                self.line.database,
                self.line.store,
                units_to_fit(self.line.database, Wanted(unit="sump-0")),
                days=ROWS * STEP_S * 1000 / DAY_MS,
                by="chen",
                code_version="1",
                clock=lambda: T0_MS,
                run=local_pool(),
            )
        )

    def start(self) -> None:
        self.watch = Watch(banks=banks())
        self.line.writer.stop()
        self.line.start(watch=self.watch, make_shadow_banks=banks)

    def tell(self, rows: int, *, offset: float = 0.0) -> None:
        for row in values_of(rows, self.second) + np.array([0.0, 0.0, offset]):
            self.line.take(reading(SUMP, self.second, **dict(zip(METRICS, row.tolist(), strict=True))))
            self.second += STEP_S

    def a_minute_later(self) -> None:
        self.line.tick(self.second + 61)

    def change(self, how: Callable[..., object], number: int) -> None:
        with self.line.database.writing() as session:
            how(session, get_unit(session, SUMP.path), number, by="chen")


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Iterator[Story]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", name="Xiaohe", timezone="Asia/Shanghai", now_ms=T0_MS)
        add_unit(session, site=site, kind=SUMP.kind, key=SUMP.unit, now_ms=T0_MS)
    line = Line(database, tmp_path / "telemetry.duckdb")
    ts_ms = T0_MS + np.arange(ROWS, dtype=np.int64) * STEP_S * 1000
    index = np.zeros(ROWS, dtype=np.int64)
    line.store.write("history", [ReadingBlock(Kind.PUMP, METRICS, (SUMP,), index, ts_ms, values_of(ROWS, 1))])
    story = Story(line)
    story.fit()
    story.start()
    yield story
    line.close()


def shadow(story: Story) -> tuple[int, list[bool]]:
    """Rows judged in shadow, and of each would-be alarm whether it is over."""
    with story.line.database.reading() as session:
        ids = [used.shadow_id for used in in_use(session).values() if used.shadow_id is not None]
        trials = trials_of(session, ids)
        verdicts = shadow_verdicts(session, ids)
        return sum(trial.rows for trial in trials.values()), [each.ended_ms is not None for each in verdicts]


def test_a_model_in_shadow_counts_its_alarms_and_opens_nothing(story: Story) -> None:
    story.fit()
    # The one in force is not asked: this bank has none.
    story.watch.banks.clear()
    story.a_minute_later()
    story.tell(80)
    story.tell(40, offset=40.0)
    story.a_minute_later()
    assert shadow(story) == (120, [False])
    assert story.line.alarms() == []
    story.tell(300)
    story.a_minute_later()
    assert shadow(story) == (420, [True])


def test_a_shadow_goes_on_after_a_restart_and_ends_when_it_is_dismissed(story: Story) -> None:
    story.fit()
    story.start()
    story.tell(50)
    story.line.pipeline.end()
    story.start()
    story.tell(50)
    story.a_minute_later()
    assert shadow(story) == (100, [])
    story.change(dismiss, 2)
    story.a_minute_later()
    story.tell(20)
    story.a_minute_later()
    assert shadow(story) == (0, [])


def test_what_is_promoted_is_taken_up_within_a_minute_but_not_while_an_alarm_stands(story: Story) -> None:
    bank = story.watch.banks[Kind.PUMP]
    assert isinstance(bank, DetectorBank)
    taken = []
    load = bank.load

    def noted(*args: object, **words: object) -> None:
        taken.append(args[0])
        load(*args, **words)  # type: ignore[arg-type]

    bank.load = noted  # type: ignore[method-assign]
    story.fit()
    story.tell(80)
    story.tell(60, offset=40.0)
    assert [condition for condition, _, _ in story.line.alarms()] == ["anomaly"]
    story.change(promote, 2)
    story.a_minute_later()
    assert taken == []
    story.tell(400)
    assert bank.standing() == []
    story.a_minute_later()
    assert taken == [SUMP]
    with story.line.database.reading() as session:
        active = active_version(session, get_unit(session, SUMP.path).id)
        assert active is not None
        assert (active.number, active.is_shadow) == (2, False)
