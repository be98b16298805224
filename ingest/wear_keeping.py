"""The wear detectors over restarts and days: what they know is saved and taken up, and sisters are compared daily."""

from collections.abc import Iterable, Mapping

import structlog
from sqlalchemy.orm import Session

from alerts.conditions import SLOW_CHANGE, UNLIKE_SISTERS
from alerts.watch import Watch
from models.detectors.artefact import ArtefactRefused, pack_arrays, unpack_arrays
from models.detectors.contract import StateMismatch
from models.equipment import Kind
from models.hours_by_kind import FEATURES
from models.reading import UnitKey
from models.sisters import SisterComparison, SisterVerdict
from registry.database import Database
from registry.unit import all_units
from registry.wear_state import OVERHAULED, overhauled, put_wear_states, wear_states

SAVE_EVERY_MS = 6 * 3_600_000
FIRST_SAVED_AFTER_MS = 3_600_000
COMPARE_EVERY_MS = 24 * 3_600_000
ASK_EVERY_MS = 60_000
SAVED_AT_ONCE = 50
"""So many a second of a large fleet, so that saving never holds up the stream."""
SAVED_AT_THE_END = 500

log = structlog.get_logger(__name__)


class WearKeeper:
    """Used by the one thread that owns the watch."""

    def __init__(self, watch: Watch, database: Database) -> None:
        self._watch = watch
        self._database = database
        self._saved_ms: dict[UnitKey, int] = {}
        self._compared_ms: int | None = None
        self._asked_ms = 0
        self._sisters = SisterComparison(tuple(FEATURES[Kind.ELEVATOR].values()))

    def restore(
        self, session: Session, ids: Mapping[UnitKey, int], *, active: Iterable[tuple[UnitKey, str]], now_ms: int
    ) -> None:
        """Takes up what was saved; `active` are the (unit, condition) whose alarm stands, and they are believed."""
        saved = wear_states(session, ids.values()) if self._watch.slow_banks else {}
        standing = {unit for unit, condition in active if condition == SLOW_CHANGE}
        for unit, unit_id in ids.items():
            bank = self._watch.slow_banks.get(unit.kind)
            if bank is None:
                continue
            if saved.get(unit_id, OVERHAULED) != OVERHAULED:
                try:
                    bank.load(unit, unpack_arrays(saved[unit_id]))
                    self._saved_ms[unit] = now_ms
                except (ArtefactRefused, StateMismatch) as error:
                    log.warning("what was known of wear cannot be used", unit=unit.path, reason=error.reason)
            if unit_id in saved or unit in standing:
                bank.stand(unit, is_standing=unit in standing)
        for unit, condition in active:
            if condition == UNLIKE_SISTERS:
                self._sisters.stand(unit)
        self._compared_ms = now_ms

    def save_due(self, ids: Mapping[UnitKey, int], *, now_ms: int, most: int = SAVED_AT_ONCE) -> None:
        """Saves the units whose state is the oldest: a new one after an hour, then each in six hours."""
        due: list[tuple[int, UnitKey]] = []
        for bank in self._watch.slow_banks.values():
            for unit in bank.units():
                saved_ms = self._saved_ms.setdefault(unit, now_ms - SAVE_EVERY_MS + FIRST_SAVED_AFTER_MS)
                if unit in ids and now_ms - saved_ms >= SAVE_EVERY_MS:
                    due.append((saved_ms, unit))
        self._save([unit for _, unit in sorted(due)[:most]], ids, now_ms)

    def save_at_end(self, ids: Mapping[UnitKey, int], *, now_ms: int) -> None:
        """The last chance of this process: the states that are the oldest, as many as a shutdown can wait for."""
        heard = [unit for bank in self._watch.slow_banks.values() for unit in bank.units() if unit in ids]
        heard.sort(key=lambda unit: self._saved_ms.get(unit, 0))
        self._save(heard[:SAVED_AT_THE_END], ids, now_ms)

    def take_overhauls(self, ids: Mapping[UnitKey, int], *, now_ms: int) -> list[UnitKey]:
        """Once a minute: units that were overhauled are judged against their next week. Returns whose verdict stood."""
        if now_ms - self._asked_ms < ASK_EVERY_MS:
            return []
        self._asked_ms = now_ms
        with self._database.reading() as session:
            noted = overhauled(session)
        units = [unit for unit, unit_id in ids.items() if unit_id in noted and unit.kind in self._watch.slow_banks]
        stood = [unit for unit in units if unit in self._watch.slow_banks[unit.kind].standing()]
        for unit in units:
            self._watch.slow_banks[unit.kind].rebaseline(unit)
        self._save(units, ids, now_ms)
        return stood

    def compare_due(self, now_ms: int) -> list[SisterVerdict]:
        """Once a day, lifts of one make at one site."""
        bank = self._watch.slow_banks.get(Kind.ELEVATOR)
        if self._compared_ms is None:
            self._compared_ms = now_ms
        if bank is None or now_ms - self._compared_ms < COMPARE_EVERY_MS:
            return []
        with self._database.reading() as session:
            make_of = {unit.unit_key: unit.make for unit in all_units(session) if unit.make}
        self._compared_ms = now_ms
        levels = bank.levels()
        return self._sisters.compare(levels.units, levels.values, make_of)

    def _save(self, units: Iterable[UnitKey], ids: Mapping[UnitKey, int], now_ms: int) -> None:
        arrays: dict[int, bytes] = {}
        for unit in units:
            state = self._watch.slow_banks[unit.kind].state_of(unit)
            self._saved_ms[unit] = now_ms
            if state is not None:
                arrays[ids[unit]] = pack_arrays(state)
        if arrays:
            with self._database.writing() as session:
                put_wear_states(session, arrays, now_ms=now_ms)
