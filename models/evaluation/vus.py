"""VUS-PR: the volume under the precision-recall surface over thresholds and over tolerance at the edges of events.

Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin: Volume Under the Surface: a new accuracy evaluation measure for
time-series anomaly detection, PVLDB 15 (11), 2022, sections 4.1 and 4.2.
"""

import numpy as np

from models.evaluation.spans import spans_of
from models.reading import Bools, Floats

LONGEST_BUFFER_ROWS = 100
BUFFERS = 11


def vus_pr(anomaly_score: Floats, labels: Bools) -> float | None:
    """Mean of the range-based areas for buffers of 0 to 100 rows in steps of 10; None without an event.

    Higher scores are worse; a score that is NaN ranks lowest.
    """
    if not labels.any():
        return None
    score = np.where(np.isnan(anomaly_score), -np.inf, anomaly_score)
    buffers = np.linspace(0, LONGEST_BUFFER_ROWS, BUFFERS).astype(int)
    return float(np.mean([range_auc_pr(score, labels, buffer_rows=int(rows)) for rows in buffers]))


def range_auc_pr(score: Floats, labels: Bools, *, buffer_rows: int) -> float:
    """Area under precision over recall (a step function), labels softened by a buffer around each event.

    A row i steps outside an event, up to half the buffer, counts sqrt(1 - i / buffer). Positives are the mean of hard
    and soft labels; recall is scaled by the share of events of which any row is told.

    >>> range_auc_pr(np.array([0.1, 0.9, 0.2, 0.3]), np.array([False, True, False, False]), buffer_rows=0)
    1.0
    """
    soft, ranges = _softened(labels, buffer_rows)
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    # Rows of equal score are told together: only the last of them is a threshold.
    is_last = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(soft[order])[is_last]
    told = np.flatnonzero(is_last) + 1
    peaks = np.sort([score[first:end].max() for first, end in ranges])
    exists = (len(peaks) - np.searchsorted(peaks, ranked[is_last], side="left")) / len(peaks)
    positives = (labels.sum() + soft.sum()) / 2
    recall = np.minimum(1.0, hits / positives) * exists
    return float(np.sum(np.diff(recall, prepend=0.0) * hits / told))


def _softened(labels: Bools, buffer_rows: int) -> tuple[Floats, list[tuple[int, int]]]:
    soft, half = labels.astype(np.float64), buffer_rows // 2
    distance = np.arange(1, half + 1)
    weight = np.sqrt(1 - distance / buffer_rows) if half else np.zeros(0)
    ranges = []
    for first, end in spans_of(labels):
        before, after = first - distance, end - 1 + distance
        inside = before >= 0
        soft[before[inside]] += weight[inside]
        inside = after < len(soft)
        soft[after[inside]] += weight[inside]
        ranges.append((max(0, first - half), min(len(soft), end + half)))
    return np.minimum(soft, 1.0), ranges
