"""How often a sign-in may fail before the next attempt has to wait.

The counts live in the memory of one process: they slow guessing down, no truth depends on them.
"""

import ipaddress
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from api.errors import TooManyAttempts

WINDOW_MS = 5 * 60 * 1000
FAILURES_OF_PAIR = 6
FAILURES_OF_ADDRESS = 60
# Far above what a person mistypes: it slows guessing from many addresses, and still cannot lock a person out for long.
FAILURES_OF_NAME = 60
MAX_KEYS = 20_000


@dataclass(slots=True)
class SignInLimit:
    """Counts failed attempts by address, by name, and by both together within a sliding window."""

    _failures: OrderedDict[tuple[str, str], deque[int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, *, address: str, name: str, now_ms: int) -> None:
        """Raises TooManyAttempts when too many have failed."""
        with self._lock:
            waits = [self._wait_ms(key, limit, now_ms) for key, limit in _keys(address, name)]
        if any(waits):
            raise TooManyAttempts(-(-max(waits) // 1000))

    def failed(self, *, address: str, name: str, now_ms: int) -> None:
        with self._lock:
            for key, _ in _keys(address, name):
                self._failures.setdefault(key, deque()).append(now_ms)
                self._failures.move_to_end(key)
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, *, address: str, name: str) -> None:
        """Forgives a person what they mistyped before, at this address."""
        with self._lock:
            self._failures.pop(_keys(address, name)[0][0], None)

    def _wait_ms(self, key: tuple[str, str], limit: int, now_ms: int) -> int:
        failures = self._failures.get(key)
        if failures is None:
            return 0
        while failures and failures[0] <= now_ms - WINDOW_MS:
            failures.popleft()
        if not failures:
            del self._failures[key]
            return 0
        return failures[len(failures) - limit] + WINDOW_MS - now_ms if len(failures) >= limit else 0


def _keys(address: str, name: str) -> list[tuple[tuple[str, str], int]]:
    network, name = network_of(address), name.lower()[:64]
    return [
        ((network, name), FAILURES_OF_PAIR),
        ((network, ""), FAILURES_OF_ADDRESS),
        (("", name), FAILURES_OF_NAME),
    ]


def network_of(address: str) -> str:
    """An IPv6 host owns a whole /64 and could come from a new address each time."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
