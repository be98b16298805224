"""A whole series of one unit, judged row by row as the live stream would judge it."""

from dataclasses import dataclass

import numpy as np

from models.detectors.contract import Detector
from models.reading import Bools, Floats, Ints
from models.verdict import SETTLE_ROWS, Verdicts


@dataclass(frozen=True, slots=True)
class Judged:
    """One entry a row: shapes (n,). `top_channel` is the index of the channel with the largest share, 0 where none."""

    anomaly_score: Floats
    threshold: Floats
    is_anomalous: Bools
    top_channel: Ints


def judge_series(
    detector: Detector,
    values: Floats,
    *,
    slot: int = 0,
    verdicts: Verdicts | None = None,
    follows_gap: Bools | None = None,
) -> Judged:
    """Judges the rows (n, channels) that follow the ones the slot was fitted on.

    `follows_gap` (n,) says before which rows others are missing.
    """
    verdicts = verdicts or Verdicts()
    rows = len(values)
    judged = Judged(np.empty(rows), np.empty(rows), np.zeros(rows, dtype=bool), np.zeros(rows, dtype=np.int64))
    slots = np.array([slot], dtype=np.int64)
    for row in range(rows):
        if follows_gap is not None and follows_gap[row]:
            detector.interrupt(slots)
        scores = detector.score(slots, values[row : row + 1], is_frozen=verdicts.is_anomalous(slots))
        verdicts.update(slots, scores.anomaly_score / scores.threshold, np.array([row], dtype=np.int64))
        judged.anomaly_score[row] = scores.anomaly_score[0]
        judged.threshold[row] = scores.threshold[0]
        judged.is_anomalous[row] = verdicts.is_anomalous(slots)[0]
        judged.top_channel[row] = int(np.argmax(np.nan_to_num(scores.contributions[0])))
        if verdicts.rows_in_alarm(slots)[0] >= SETTLE_ROWS:
            detector.rebaseline(slots)
            verdicts.clear(slots)
    return judged
