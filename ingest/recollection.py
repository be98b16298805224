"""After a restart the detectors learn again from what the store kept, and say where they stand."""

from collections.abc import Mapping

import numpy as np

from alerts.watch import AnomalyBank
from ingest.stores.contract import TelemetryStore
from models.reading import UnitKey

ROWS_SINCE_ALARM = 20_000
FAR_FUTURE_MS = 1 << 52


def recollect(
    bank: AnomalyBank,
    store: TelemetryStore,
    *,
    unit: UnitKey,
    alarm_since_ms: int | None,
    known_to_ms: int | None = None,
) -> None:
    """Feeds the unit's recent rows to its detector; those up to `known_to_ms` are in its model already.

    A unit whose anomaly alarm is open learns from the time before it; what came since is then judged as it was when
    it came, so that the verdict stands as it did, or has ended.
    """
    end_ms = FAR_FUTURE_MS if alarm_since_ms is None else alarm_since_ms
    before = store.history(unit, end_ms=end_ms, rows=bank.history_rows)
    if known_to_ms is not None:
        before = before.rows(np.asarray(before.ts_ms > known_to_ms))
    if len(before):
        bank.restore(before)
    if alarm_since_ms is not None:
        since = store.history(unit, end_ms=FAR_FUTURE_MS, rows=ROWS_SINCE_ALARM)
        since = since.rows(np.asarray(since.ts_ms >= alarm_since_ms))
        if len(since):
            bank.restore(since)


def open_since(active: Mapping[UnitKey, Mapping[str, object]]) -> dict[UnitKey, int]:
    """When the stretch behind each open anomaly alarm began, from the evidence of the alarms."""
    return {
        unit: since_ms for unit, evidence in active.items() if isinstance(since_ms := evidence.get("since_ms"), int)
    }
