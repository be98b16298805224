"""The one place that reads the clock; everything below takes the time as an argument."""

import time


def now_ms() -> int:
    """Epoch milliseconds UTC."""
    return time.time_ns() // 1_000_000
