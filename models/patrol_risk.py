"""Where a patrol should look first: faults to be expected of a unit in the coming month, and what makes them so many.

The rate is the unit's own, drawn towards its peers (`models.reliability`), faults of long ago counting less. It is
multiplied by factors for what lies ahead of a fault or makes it likelier. All factors are [P]: judgements of the
trade, not laws, and each is bounded, so that none of them can push a unit with no faults above one that fails monthly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.reading import Floats, Ints
from models.reliability import fit_fleet

AHEAD_DAYS = 30.0
HALF_LIFE_DAYS = 365.0
"""[P] A fault of a year ago counts half: rates change with wear and repairs."""
ANOMALY_FACTOR, MOST_ANOMALIES = 1.1, 3
"""[P] A model's verdict of the last 90 days raises the risk by a tenth, three of them count at most."""
AGEING_FROM_YEARS, AGEING_PER_YEAR, MOST_AGEING = 15.0, 0.02, 1.2
"""A safety assessment may be asked for from 15 years on [S]; 2 % a year beyond it [P]."""
LATE_PER_DAY, MOST_LATE = 0.005, 1.2
"""[P] Each day beyond the maintenance that is due."""
EXPIRED_FACTOR = 1.1
"""[P] Without a valid inspection nobody has looked at what an inspection looks at.

Larger factors (1.3 an anomaly, 3 % a year, 1 % a day) and a half-life of 180 days ordered simulated compounds worse
than the raw count did; see `liandong evaluate --only risk`.
"""


class Part(StrEnum):
    """What a risk is made of."""

    RATE = "rate"
    ANOMALIES = "anomalies"
    AGE = "age"
    MAINTENANCE = "maintenance"
    INSPECTION = "inspection"


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a unit beside its faults; None where it is not known, which raises nothing."""

    anomalies: int = 0
    age_years: float | None = None
    maintenance_late_days: int | None = None
    is_inspection_expired: bool = False


@dataclass(frozen=True, slots=True)
class Risk:
    """Faults expected in the coming 30 days. The product of all factors and of the peers' mean is that number; the
    mean is that of the rates of all units compared, each drawn towards the others.

    `shares` say how much of what sets the unit apart is due to each part; they sum to 1 where anything does.
    """

    expected: float
    peers_expected: float
    factors: dict[Part, float]
    shares: dict[Part, float]

    @property
    def times_peers(self) -> float:
        return self.expected / self.peers_expected


def aged_counts(ages_days: Sequence[Floats], watched_days: Floats) -> tuple[Floats, Floats]:
    """Faults (each unit's, by how many days ago) and exposure with what is long ago counting less; shapes (n,).

    A unit was watched for the last `watched_days`. A fault of now counts 1, one of a half-life ago one half; exposure
    is weighed alike, so that a rate that never changed stays what it is.
    """
    decay = np.log(2) / HALF_LIFE_DAYS
    counts = np.array([float(np.exp(-decay * ages).sum()) for ages in ages_days])
    exposure: Floats = (1 - np.exp(-decay * watched_days)) / decay
    return counts, exposure


def patrol_risks(counts: Floats | Ints, exposure_days: Floats, signs: Sequence[Signs]) -> list[Risk]:
    """Of units that are peers, each beside the others. Raises ValueError as `models.reliability.fit_fleet`."""
    weighed = np.asarray(counts, dtype=np.float64)
    fleet = fit_fleet(weighed, exposure_days)  # type: ignore[arg-type]
    rates = [
        float(np.sum(fleet.weight * (fleet.shape + count) / (fleet.scale_days + days)))
        for count, days in zip(weighed, exposure_days, strict=True)
    ]
    # Of these units, not of all that could be drawn: where no fault was counted, nothing bounds the latter from above.
    mean = float(np.mean(rates))
    return [_risk(rate, mean, sign) for rate, sign in zip(rates, signs, strict=True)]


def _risk(rate_per_day: float, mean_per_day: float, sign: Signs) -> Risk:
    factors = {
        Part.RATE: rate_per_day / mean_per_day,
        Part.ANOMALIES: ANOMALY_FACTOR ** min(sign.anomalies, MOST_ANOMALIES),
        Part.AGE: min(1 + AGEING_PER_YEAR * max(0.0, (sign.age_years or 0.0) - AGEING_FROM_YEARS), MOST_AGEING),
        Part.MAINTENANCE: min(1 + LATE_PER_DAY * (sign.maintenance_late_days or 0), MOST_LATE),
        Part.INSPECTION: EXPIRED_FACTOR if sign.is_inspection_expired else 1.0,
    }
    weights = {part: abs(float(np.log(factor))) for part, factor in factors.items()}
    total = sum(weights.values())
    return Risk(
        expected=mean_per_day * AHEAD_DAYS * float(np.prod(list(factors.values()))),
        peers_expected=mean_per_day * AHEAD_DAYS,
        factors=factors,
        shares={part: weight / total if total else 0.0 for part, weight in weights.items()},
    )
