"""Short ways to tell a watch what units say, and to say what came of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from alerts.silence import SilenceChange
from alerts.watch import Signal, Watch
from models.detectors.artefact import FittedModel
from models.detectors.bank import VerdictChange
from models.equipment import Kind
from models.event import Event, StatusChange
from models.reading import ReadingBlock, UnitKey

T0_MS = 1_700_000_000_000
LIFT = UnitKey("xiaohe", Kind.ELEVATOR, "lift-1")
PUMP = UnitKey("xiaohe", Kind.PUMP, "pump-1")
FIRE = UnitKey("xiaohe", Kind.FIRE, "fire-1")
UNIT_OF = {unit.kind: unit for unit in (LIFT, PUMP, FIRE)}

Values = Mapping[str, float]
Step = tuple[float, Values | str]
"""At a second: values; or an event as `code`, `code@point` and `-code` for its end; `online`, `offline`; `silent`,
`-silent`; or `tick`."""


def at_ms(second: float) -> int:
    return T0_MS + round(second * 1000)


def block_of(kind: Kind, rows: Iterable[tuple[UnitKey, float, Values]]) -> ReadingBlock:
    """Rows of (unit, second, values) in order of time; what a row does not tell is NaN."""
    rows = sorted(rows, key=lambda row: row[1])
    units = tuple(dict.fromkeys(unit for unit, _, _ in rows))
    metrics = tuple(dict.fromkeys(name for _, _, values in rows for name in values)) or ("position_floor",)
    return ReadingBlock(
        kind=kind,
        metrics=metrics,
        units=units,
        unit_index=np.array([units.index(unit) for unit, _, _ in rows], dtype=np.int64),
        ts_ms=np.array([at_ms(second) for _, second, _ in rows], dtype=np.int64),
        values=np.array([[values.get(name, np.nan) for name in metrics] for _, _, values in rows], dtype=np.float64),
    )


def event_of(unit: UnitKey, second: float, word: str) -> Event | StatusChange:
    if word in ("online", "offline"):
        return StatusChange(unit, at_ms(second), word == "online")
    code, _, point = word.removeprefix("-").partition("@")
    return Event(unit, at_ms(second), code, not word.startswith("-"), point)


def tell(watch: Watch, unit: UnitKey, steps: Iterable[Step], *, lag_s: float = 0.0) -> list[Signal]:
    """Tells one step after the other, each a batch of its own that arrives when it happens, or `lag_s` later."""
    signals: list[Signal] = []
    for second, said in steps:
        received_ms = at_ms(second + lag_s)
        if said == "tick":
            signals += watch.tick(received_ms)
        elif said in ("silent", "-silent"):
            change = SilenceChange(unit, received_ms, is_silent=said == "silent")
            signals += watch.tell_silence([change], received_ms)
        elif isinstance(said, str):
            told = event_of(unit, second, said)
            if isinstance(told, Event):
                signals += watch.observe([], [told], received_ms=received_ms)
            else:
                signals += watch.observe([], [], [told], received_ms=received_ms)
        else:
            signals += watch.observe([block_of(unit.kind, [(unit, second, said)])], received_ms=received_ms)
    return signals


def short(signals: Sequence[Signal]) -> list[str]:
    """`+code@second` for what began, `~` for what began while the lift was in service, `-` for what ended."""
    return [f"{_sign(signal)}{signal.condition.code}@{(signal.ts_ms - T0_MS) / 1000:g}" for signal in signals]


def _sign(signal: Signal) -> str:
    if signal.is_in_service:
        return "~"
    return "+" if signal.is_active else "-"


def only(code: str, signals: Sequence[Signal]) -> list[str]:
    return short([signal for signal in signals if signal.condition.code == code])


class Bank:
    """A detector that says what it is told to say."""

    history_rows = 2

    def __init__(self, *changes: VerdictChange) -> None:
        self.changes = list(changes)

    def observe(self, block: ReadingBlock) -> list[VerdictChange]:
        said, self.changes = self.changes, []
        return said

    def restore(self, block: ReadingBlock) -> None:
        """Nothing to learn."""

    def load(
        self, unit: UnitKey, model: FittedModel, *, after_ms: int, budget_per_month: float | None = None
    ) -> None: ...

    def standing(self) -> list[UnitKey]:
        return []

    def is_judging(self, unit: UnitKey) -> bool:
        return True
