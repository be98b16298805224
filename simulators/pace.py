"""How simulated and real time go together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep

LONGEST_NAP_S = 0.1
CATCH_UP_FROM_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Simulated time began at `sim_ms` when the real clock said `real_ms`, and runs `speed` times as fast.

    It never overtakes the real clock: faster than life it runs only until it has caught up, and then keeps step.
    """

    sim_ms: int
    real_ms: int
    speed: float

    def due_ms(self, sim_ms: float) -> float:
        """Real time at which something simulated is due."""
        return max(self.real_ms + (sim_ms - self.sim_ms) / self.speed, self._in_step(sim_ms))

    def _in_step(self, sim_ms: float) -> float:
        return sim_ms if self.speed > 1 else -math.inf


def live_start_ms(now_ms: int, *, speed: float, duration_s: float | None) -> int:
    """Where simulated time begins so that it ends about now, or has a day to catch up with."""
    if speed <= 1:
        return now_ms
    if duration_s is None:
        return now_ms - round(CATCH_UP_FROM_S * 1000)
    return now_ms - round(duration_s * 1000 * (1 - 1 / speed))


def wait_until(due_ms: float, *, clock_ms: Callable[[], int], should_stop: Callable[[], bool]) -> bool:
    """Sleeps until then; False when it was told to stop before."""
    while (left_s := (due_ms - clock_ms()) / 1000) > 0:
        if should_stop():
            return False
        sleep(min(left_s, LONGEST_NAP_S))
    return not should_stop()
