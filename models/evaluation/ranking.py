"""How well an order of units says where the faults will be: what the first tenth of them caught."""

import numpy as np

from models.reading import Floats, Ints


def caught_by_first(order_by: Floats, came: Ints, *, share: float = 0.1) -> float:
    """The share of what came at the units of the highest `order_by`; units that are tied count by their mean.

    >>> caught_by_first(np.array([3.0, 1.0, 2.0, 0.0]), np.array([5, 1, 3, 1]), share=0.5)
    0.8
    >>> caught_by_first(np.zeros(4), np.array([5, 1, 3, 1]), share=0.5)
    0.5
    """
    first = max(1, round(share * len(order_by)))
    limit = np.sort(order_by)[::-1][first - 1]
    above, tied = order_by > limit, order_by == limit
    caught = float(came[above].sum()) + float(came[tied].mean()) * (first - int(above.sum()))
    return caught / float(came.sum()) if came.sum() else 0.0
