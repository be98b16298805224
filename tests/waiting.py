"""Waiting for what will be so, with a limit and a reason."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1


def wait_until(condition: Callable[[], T], *, within_s: float, what: str) -> T:
    """The first true answer of `condition`; AssertionError with `what` and the last answer when there is none in time.

    >>> answers = iter([0, 0, 7])
    >>> wait_until(lambda: next(answers), within_s=1, what="the seven comes")
    7
    """
    start = monotonic()
    pause_s = FIRST_PAUSE_S
    while True:
        answer = condition()
        if answer:
            return answer
        if monotonic() - start >= within_s:
            raise AssertionError(f"waited {within_s:g} s in vain until {what}; the last answer was {answer!r}")
        sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
