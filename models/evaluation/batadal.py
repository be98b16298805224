"""The S score of the BATADAL competition.

Taormina et al.: Battle of the Attack Detection Algorithms, J. Water Resour. Plann. Manage. 144 (8), 2018:
S = gamma * S_TTD + (1 - gamma) * S_CLF with gamma 0.5; S_TTD = 1 - mean(time to detection / duration of the attack),
a missed attack counting its whole duration; S_CLF = (true positive rate + true negative rate) / 2.
"""

import numpy as np

from models.evaluation.spans import spans_of
from models.reading import Bools

GAMMA = 0.5


def batadal_score(labels: Bools, in_alarm: Bools) -> float:
    """Between 0 and 1, higher is better. Needs at least one attacked and one normal row.

    >>> attack = np.array([False, False, True, True])
    >>> batadal_score(attack, attack), batadal_score(attack, np.ones(4, dtype=bool)), batadal_score(attack, ~attack)
    (1.0, 0.75, 0.0)
    """
    waits = []
    for attack in spans_of(labels):
        rows = np.flatnonzero(in_alarm[attack.first : attack.end])
        waits.append(rows[0] / (attack.end - attack.first) if len(rows) else 1.0)
    in_time = 1.0 - float(np.mean(waits))
    right = (float(in_alarm[labels].mean()) + float((~in_alarm[~labels]).mean())) / 2
    return GAMMA * in_time + (1 - GAMMA) * right
