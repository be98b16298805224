"""Readings and events in, signals out: which conditions began or ended to hold at which unit.

The watch keeps the last known state of every unit in columns and judges a whole batch at once. It knows no clock: time
is that of the readings, and `tick` says how much of it has passed where nothing was heard.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Histogram

from alerts.conditions import ANOMALY, SLOW_CHANGE, UNLIKE_SISTERS, condition_table
from alerts.hindsight import Hindsight
from alerts.kind_watch import ONLINE, KindWatch, OnFailure
from alerts.limits import Limits
from alerts.signal import Flag, Signal
from alerts.silence import SilenceChange
from models.detectors.artefact import FittedModel
from models.detectors.bank import VerdictChange
from models.detectors.slow_bank import SlowBank
from models.equipment import Kind
from models.event import Event, StatusChange
from models.explain import Difference
from models.reading import ReadingBlock, UnitKey
from models.sisters import SisterVerdict

__all__ = ["AnomalyBank", "Signal", "Watch"]

CHANNELS_SHOWN = 5

detector_seconds = Histogram("liandong_detector_seconds", "Time detectors took for the readings of a batch", ["kind"])


class AnomalyBank(Protocol):
    """What the watch needs of the detectors."""

    history_rows: int
    """How many stored rows of a unit it wants to see again after a restart."""

    def observe(self, block: ReadingBlock) -> list[VerdictChange]: ...

    def restore(self, block: ReadingBlock) -> None: ...

    def load(
        self, unit: UnitKey, model: FittedModel, *, after_ms: int, budget_per_month: float | None = None
    ) -> None: ...

    def standing(self) -> list[UnitKey]: ...

    def is_judging(self, unit: UnitKey) -> bool: ...


class Watch:
    """The judge of all units. Not for several threads at once: one ingest worker owns it.

    `on_failure(where, error)` is told of a rule or detector that fails, and the others go on; without it the error is
    raised.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        banks: Mapping[Kind, AnomalyBank] | None = None,
        slow_banks: Mapping[Kind, SlowBank] | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        limits = limits or Limits()
        table = condition_table(limits)
        self.banks = dict(banks or {})
        self.slow_banks = dict(slow_banks or {})
        self.on_failure = on_failure
        self.conditions = {(kind, each.code): each for kind, conditions in table.items() for each in conditions}
        self._kinds = {kind: KindWatch(kind, table[kind], limits, on_failure=self._failed) for kind in Kind}
        self._past = {kind: Hindsight(KindWatch(kind, table[kind], limits, on_failure=self._failed)) for kind in Kind}

    def observe(
        self,
        blocks: Iterable[ReadingBlock],
        events: Sequence[Event] = (),
        statuses: Sequence[StatusChange] = (),
        *,
        received_ms: int,
    ) -> list[Signal]:
        """Judges a batch, at most one block a kind. How a stream is cut into batches does not change what follows.

        Rows older than what the unit has told already are late: they do not run backwards through the rules.
        """
        blocks = list(blocks)
        told: dict[Kind, list[Event | Flag]] = {kind: [] for kind in Kind}
        for event in events:
            told[event.unit.kind].append(event)
        for status in statuses:
            told[status.unit.kind].append(_connection(status))
        for block in blocks:
            told[block.kind] += self._changed_verdicts(block)
        signals: list[Signal] = []
        for kind, watch in self._kinds.items():
            signals += watch.observe(
                [block for block in blocks if block.kind is kind], told[kind], received_ms=received_ms
            )
        return signals

    def look_back(self, *, received_ms: int) -> list[Signal]:
        """What held in the past, as late data of the batches before this call told: no signals of the present."""
        return [
            signal
            for kind, past in self._past.items()
            for signal in past.observe(self._kinds[kind], received_ms=received_ms)
        ]

    def tell_silence(self, changes: Sequence[SilenceChange], now_ms: int) -> list[Signal]:
        """Which units are silent, and which are back, as `alerts.silence` has it."""
        told: dict[Kind, list[SilenceChange]] = {}
        for change in changes:
            told.setdefault(change.unit.kind, []).append(change)
        return [signal for kind, of_kind in told.items() for signal in self._kinds[kind].tell_silence(of_kind, now_ms)]

    def tick(self, now_ms: int) -> list[Signal]:
        """Signals that are due because time passed while a condition went on holding, or stayed away."""
        return [signal for kind in self._kinds.values() for signal in kind.tick(now_ms)]

    def restore(
        self,
        *,
        latest: Mapping[UnitKey, Mapping[str, tuple[int, float]]],
        events: Iterable[Event] = (),
        statuses: Iterable[StatusChange] = (),
        active: Iterable[tuple[UnitKey, str]] = (),
        kept: Iterable[tuple[UnitKey, str]] = (),
        history: Iterable[ReadingBlock] = (),
        pending: Iterable[ReadingBlock] = (),
        now_ms: int,
    ) -> None:
        """Takes up the state that an earlier process left.

        `latest` are the last stored values, `history` rows of the last hours (for sums and rates), `pending` rows that
        are not stored yet, `events` the last word on each event and point, `active` the alarms whose condition held,
        `kept` those of them that were set aside because the lift was in service.
        """
        told: list[Event | Flag] = [*events, *(_connection(status) for status in statuses)]
        kept = set(kept)
        active = [each for each in active if each not in kept]
        for block in history:
            self._kinds[block.kind].rehearse(block)
        for unit, values in latest.items():
            self._kinds[unit.kind].restore_latest(unit, values)
        for block in pending:
            self._kinds[block.kind].rehearse(block, is_news=True)
        for kind, watch in self._kinds.items():
            watch.restore(
                told=[item for item in told if item.unit.kind is kind],
                active=[(unit, code) for unit, code in active if unit.kind is kind],
                kept=[(unit, code) for unit, code in kept if unit.kind is kind],
                now_ms=now_ms,
            )

    def end_verdict(self, unit: UnitKey, code: str = ANOMALY, *, ts_ms: int, received_ms: int) -> list[Signal]:
        """The verdict on a unit no longer stands, though its detector did not say so itself."""
        return self._kinds[unit.kind].observe([], [Flag(unit, code, ts_ms, 0.0)], received_ms=received_ms)

    def tell_sisters(self, verdicts: Iterable[SisterVerdict], now_ms: int) -> list[Signal]:
        """Which units stand apart from their sisters, or no longer do."""
        return [
            signal
            for verdict in verdicts
            for signal in self._kinds[verdict.unit.kind].observe([], [_apart(verdict, now_ms)], received_ms=now_ms)
        ]

    def _changed_verdicts(self, block: ReadingBlock) -> list[Flag]:
        flags: list[Flag] = []
        for code, banks in ((ANOMALY, self.banks), (SLOW_CHANGE, self.slow_banks)):
            bank: AnomalyBank | SlowBank | None = banks.get(block.kind)
            if bank is None:
                continue
            try:
                with detector_seconds.labels(block.kind.value).time():
                    flags += [_verdict(change, code) for change in bank.observe(block)]
            except Exception as error:
                # A detector only hints; what it cannot digest must not silence the rules.
                self._failed("detector", error)
        return flags

    def _failed(self, where: str, error: Exception) -> None:
        if self.on_failure is None:
            raise error
        self.on_failure(where, error)


def _connection(status: StatusChange) -> Flag:
    return Flag(status.unit, ONLINE, status.ts_ms, float(status.is_online))


def _verdict(change: VerdictChange, code: str) -> Flag:
    shares = [[channel, _rounded(share)] for channel, share in change.contributions[:CHANNELS_SHOWN]]
    evidence: dict[str, Any] = {
        "since_ms": change.since_ms,
        "anomaly_score": _rounded(change.anomaly_score),
        "threshold": _rounded(change.threshold),
        "contributions": shares,
    }
    if change.differences:
        evidence["differences"] = _told(change.differences)
    if change.is_rebaselined:
        evidence["is_rebaselined"] = True
    return Flag(change.unit, code, change.ts_ms, float(change.is_anomalous), evidence)


def _apart(verdict: SisterVerdict, now_ms: int) -> Flag:
    evidence: dict[str, Any] = {"sisters": verdict.sisters, "anomaly_score": _rounded(verdict.ratio), "threshold": 1.0}
    if verdict.differences:
        evidence["contributions"] = [[each.channel, _rounded(each.share)] for each in verdict.differences]
        evidence["differences"] = _told(verdict.differences)
    return Flag(verdict.unit, UNLIKE_SISTERS, now_ms, float(verdict.is_apart), evidence)


def _told(differences: Sequence[Difference]) -> list[list[str | float | None]]:
    return [
        [each.channel, *(_significant(value) for value in (each.now, each.low, each.high))]
        for each in differences[:CHANNELS_SHOWN]
    ]


def _significant(number: float) -> float | None:
    """Five digits: a channel may be measured in thousandths or in millions."""
    return float(f"{number:.5g}") if math.isfinite(number) else None


def _rounded(number: float) -> float | None:
    """What JSON can hold."""
    return round(number, 4) if math.isfinite(number) else None
