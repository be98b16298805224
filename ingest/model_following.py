"""Versions of models while the stream runs: which one is in force may change, and one in shadow judges beside it.

A version in shadow sees the same readings in a bank of its own. What it would have alarmed is kept
(`registry.model_trial`) and heeded by nobody.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import structlog
from sqlalchemy.orm import Session

from alerts.watch import AnomalyBank, Watch
from ingest.model_history import load_version
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.database import Database
from registry.model_trial import Heard, WouldBe, end_verdicts, put_trials
from registry.model_version import InUse, in_use

ASK_EVERY_MS = 60_000
CHANNELS_KEPT = 5

log = structlog.get_logger(__name__)

MakeBanks = Callable[[], Mapping[Kind, AnomalyBank]]


class ModelFollower:
    """Used by the one thread that owns the watch. `make_banks` gives the banks that shadows are judged in."""

    def __init__(self, watch: Watch, database: Database, make_banks: MakeBanks | None = None) -> None:
        self._watch = watch
        self._database = database
        self._make_banks = make_banks
        self._banks: Mapping[Kind, AnomalyBank] = {}
        self._in_use: dict[int, InUse] = {}
        self._shadow_of: dict[UnitKey, int] = {}
        self._heard: dict[int, Heard] = {}
        self._verdicts: list[WouldBe] = []
        self._asked_ms = 0

    def restore(self, session: Session, ids: Mapping[UnitKey, int], *, now_ms: int) -> None:
        """Which versions this start took up; what would have stood in shadow is judged anew."""
        ours = set(ids.values())
        self._in_use = {unit_id: used for unit_id, used in in_use(session).items() if unit_id in ours}
        self._asked_ms = now_ms
        self._shadow(session, ids, {unit_id: used.shadow_id for unit_id, used in self._in_use.items()})

    def end_left_verdicts(self, *, now_ms: int) -> None:
        """Of shadows that an earlier process judged."""
        if self._shadow_of:
            with self._database.writing() as session:
                end_verdicts(session, list(self._shadow_of.values()), ts_ms=now_ms)

    def observe(self, blocks: Iterable[ReadingBlock]) -> None:
        """Judges the readings of units with a version in shadow."""
        if not self._shadow_of:
            return
        for block in blocks:
            bank = self._banks.get(block.kind)
            chosen = [place for place, unit in enumerate(block.units) if unit in self._shadow_of]
            if bank is None or not chosen:
                continue
            own = _of_units(block, chosen)
            self._count(own)
            for change in bank.observe(own):
                self._verdicts.append(
                    WouldBe(
                        self._shadow_of[change.unit],
                        change.ts_ms,
                        change.is_anomalous,
                        change.since_ms,
                        change.anomaly_score,
                        change.contributions[:CHANNELS_KEPT],
                    )
                )

    def follow_due(self, ids: Mapping[UnitKey, int], *, now_ms: int) -> None:
        """Once a minute: saves what was judged, and takes up what people or the schedule changed meanwhile."""
        if now_ms - self._asked_ms < ASK_EVERY_MS:
            return
        self._asked_ms = now_ms
        self.save()
        with self._database.reading() as session:
            ours = set(ids.values())
            wanted = {unit_id: used for unit_id, used in in_use(session).items() if unit_id in ours}
            if wanted == self._in_use:
                return
            units = {unit_id: unit for unit, unit_id in ids.items()}
            standing = {unit for bank in self._watch.banks.values() for unit in bank.standing()}
            shadows: dict[int, int | None] = {}
            for unit_id in wanted.keys() | self._in_use.keys():
                before, after = self._in_use.get(unit_id, InUse(None, None)), wanted.get(unit_id, InUse(None, None))
                if before.shadow_id != after.shadow_id:
                    shadows[unit_id] = after.shadow_id
                version_id = after.active_id
                if version_id is not None and version_id != before.active_id:
                    if units[unit_id] in standing:
                        # What an alarm is measured against stays until it is over.
                        after = replace(after, active_id=before.active_id)
                    else:
                        self._take(session, units[unit_id], version_id)
                self._in_use[unit_id] = after
            self._shadow(session, ids, shadows)

    def save(self) -> None:
        """Keeps what was judged since the last time; on an error it is kept for the next."""
        if not self._heard and not self._verdicts:
            return
        with self._database.writing() as session:
            put_trials(session, self._heard, self._verdicts)
        self._heard, self._verdicts = {}, []

    def _take(self, session: Session, unit: UnitKey, version_id: int) -> None:
        bank = self._watch.banks.get(unit.kind)
        if bank is not None and load_version(session, bank, unit, version_id) is not None:
            log.info("a model is in force from now on", unit=unit.path)

    def _shadow(self, session: Session, ids: Mapping[UnitKey, int], changed: Mapping[int, int | None]) -> None:
        units = {unit_id: unit for unit, unit_id in ids.items()}
        for unit_id, version_id in changed.items():
            unit = units[unit_id]
            self._shadow_of.pop(unit, None)
            if version_id is None or self._make_banks is None:
                continue
            self._banks = self._banks or self._make_banks()
            bank = self._banks.get(unit.kind)
            if bank is not None and load_version(session, bank, unit, version_id) is not None:
                self._shadow_of[unit] = version_id

    def _count(self, block: ReadingBlock) -> None:
        for place, unit in enumerate(block.units):
            ts_ms = block.ts_ms[block.unit_index == place]
            if not len(ts_ms):
                continue
            version_id = self._shadow_of[unit]
            first_ms, last_ms = int(ts_ms[0]), int(ts_ms[-1])
            before = self._heard.get(version_id, Heard(first_ms, last_ms, 0))
            self._heard[version_id] = Heard(before.first_ms, max(before.last_ms, last_ms), before.rows + len(ts_ms))


def _of_units(block: ReadingBlock, chosen: list[int]) -> ReadingBlock:
    """The block with only these of its units: a bank begins to learn whatever unit it is told of."""
    place = np.full(len(block.units), -1)
    place[chosen] = np.arange(len(chosen))
    own = block.rows(place[block.unit_index] >= 0)
    return replace(own, units=tuple(block.units[c] for c in chosen), unit_index=place[own.unit_index])
