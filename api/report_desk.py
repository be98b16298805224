"""The door for residents without an account: signed forms, numbers, and how often somebody may come.

The counts by address live in the memory of one process: they slow a flood down, no truth depends on them. How many
reports of one unit are kept is counted in the database.
"""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import StrEnum

from api.sign_in_limit import network_of

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTVWXYZ"
"""Without signs that are mistaken for one another when they are read from paper."""
CODE_LENGTH = 20
NUMBER_LENGTH = 12
FASTEST_MS = 3_000
"""A person needs longer than that to fill the form in."""
FORM_LIFETIME_MS = 24 * 3_600_000
REPORTS_OF_ADDRESS = 10
REPORTS_WINDOW_MS = 10 * 60_000
LOOKS_OF_ADDRESS = 120
LOOKS_WINDOW_MS = 60_000
MAX_KEYS = 20_000
PHOTOS_AT_ONCE = 4


def draw_code() -> str:
    """About 99 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def draw_number() -> str:
    """About 59 bits, in groups that can be read aloud."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(NUMBER_LENGTH))
    return "-".join(drawn[at : at + 4] for at in range(0, NUMBER_LENGTH, 4))


def draw_secret() -> str:
    return secrets.token_hex(32)


def as_number(text: str) -> str:
    """A number as it is kept, of what a person typed."""
    kept = "".join(sign for sign in text.upper() if sign in ALPHABET)[:NUMBER_LENGTH]
    return "-".join(kept[at : at + 4] for at in range(0, len(kept), 4))


class FormFault(StrEnum):
    FORGED = "forged"
    TOO_FAST = "too_fast"
    TOO_OLD = "too_old"


def sign_form(secret: str, *, now_ms: int) -> str:
    """A token for one form that is handed out now."""
    words = f"{now_ms}.{secrets.token_urlsafe(16)}"
    return f"{words}.{_signature(secret, words)}"


def check_form(secret: str, token: str, *, now_ms: int) -> FormFault | None:
    """What is wrong with a form that comes back; None when it is one of ours, and a person had time to fill it in."""
    words, _, signature = token[:200].rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, words).encode()):
        return FormFault.FORGED
    age_ms = now_ms - int(words.partition(".")[0])
    if age_ms < FASTEST_MS:
        return FormFault.TOO_FAST
    return FormFault.TOO_OLD if age_ms > FORM_LIFETIME_MS else None


def form_key(token: str) -> str:
    """Names the form: the same one sent twice is one report."""
    return hashlib.sha256(token.encode()).hexdigest()


def _signature(secret: str, words: str) -> str:
    return hmac.new(secret.encode(), words.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True)
class AddressLimit:
    """How many times an address may come within a sliding window."""

    most: int
    window_ms: int
    _times: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_ms(self, address: str, *, now_ms: int) -> int:
        """Counts this time; how long to wait if it is one too many, else 0."""
        key = network_of(address)
        with self._lock:
            times = self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            while times and times[0] <= now_ms - self.window_ms:
                times.popleft()
            if len(times) >= self.most:
                return times[0] + self.window_ms - now_ms
            times.append(now_ms)
            while len(self._times) > MAX_KEYS:
                self._times.popitem(last=False)
            return 0


@dataclass(frozen=True, slots=True)
class ReportDesk:
    reports: AddressLimit = field(default_factory=lambda: AddressLimit(REPORTS_OF_ADDRESS, REPORTS_WINDOW_MS))
    looks: AddressLimit = field(default_factory=lambda: AddressLimit(LOOKS_OF_ADDRESS, LOOKS_WINDOW_MS))
    photos: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(PHOTOS_AT_ONCE))
    """Painting a picture takes a thread for a second, and there are forty for all routes."""
