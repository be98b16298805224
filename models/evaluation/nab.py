"""The standard profile of the Numenta Anomaly Benchmark.

Lavin, Ahmad: Evaluating Real-time Anomaly Detection Algorithms, ICMLA 2015, and NAB's own scorer: a window counts by
its earliest detection, the sooner the more; every detection outside counts against it, the more the farther behind the
last window; 0 is a detector that says nothing and 100 a perfect one.
"""

import math
from collections.abc import Sequence

from models.evaluation.spans import Span

TRUE_WEIGHT, FALSE_WEIGHT, MISSED_WEIGHT = 1.0, 0.11, 1.0
PROBATION_SHARE, PROBATION_MOST_ROWS = 0.15, 5000


def probation_rows(rows: int) -> int:
    """Rows at the beginning of a series that are for learning, and not scored.

    >>> probation_rows(4000), probation_rows(22000)
    (600, 750)
    """
    return int(PROBATION_SHARE * min(rows, PROBATION_MOST_ROWS))


def raw_score(detections: Sequence[int], windows: Sequence[Span]) -> float:
    """Of one series; detections and windows are rows after the probation, in order of time.

    >>> raw_score([], [Span(10, 20)])
    -1.0
    >>> round(raw_score([10], [Span(10, 20)]), 3), round(raw_score([5], []), 3)
    (1.0, -0.11)
    """
    total = -MISSED_WEIGHT * len(windows)
    found: set[Span] = set()
    for row in detections:
        window = next((each for each in windows if each.first <= row < each.end), None)
        if window is None:
            total += FALSE_WEIGHT * _false_detection(row, windows)
        elif window not in found:
            found.add(window)
            place = -(window.end - row) / (window.end - window.first)
            total += MISSED_WEIGHT + TRUE_WEIGHT * _sigmoid(place) / _sigmoid(-1.0)
    return total


def normalised(raw: float, window_count: int) -> float:
    """The score of a corpus: 0 for a detector that says nothing, 100 for one that finds every window at its start."""
    silent, perfect = -MISSED_WEIGHT * window_count, TRUE_WEIGHT * window_count
    return 100 * (raw - silent) / (perfect - silent) if window_count else math.nan


def _false_detection(row: int, windows: Sequence[Span]) -> float:
    before = [window for window in windows if window.end <= row]
    if not before:
        return -1.0
    last = before[-1]
    return _sigmoid((row - (last.end - 1)) / max(1, last.end - last.first - 1))


def _sigmoid(place: float) -> float:
    return -1.0 if place > 3.0 else 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0
