"""Times as foreign payloads write them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ingest.errors import Reason, Unreadable
from ingest.wire import read_time

_PER_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "ns": 0.000001}
SECONDS_BELOW = 100_000_000_000
"""As milliseconds this is 1973 and as seconds the year 5138: no reading is of either."""


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """`written` is ms, s, us, ns, iso, auto, or a pattern of strptime; `zone` holds where a text names none."""

    written: str = "auto"
    zone: ZoneInfo | None = None

    def read(self, value: object, *, now_ms: int) -> int:
        """Epoch milliseconds. Raises Unreadable."""
        if isinstance(value, str) and (self.written in _PER_MS or self.written == "auto"):
            value = self._number(value)
        if isinstance(value, str):
            return read_time(self._moment(value).isoformat(), now_ms=now_ms)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise Unreadable(Reason.TIME_UNREADABLE, repr(value)[:80])
        written = self.written
        if written not in _PER_MS:
            written = "s" if abs(value) < SECONDS_BELOW else "ms"
        return read_time(value if written == "ms" else value * _PER_MS[written], now_ms=now_ms)

    def _number(self, text: str) -> float | str:
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            if self.written != "auto":
                raise Unreadable(Reason.TIME_UNREADABLE, f"{text[:80]!r} is no number") from None
            return text

    def _moment(self, text: str) -> datetime:
        try:
            if self.written in ("auto", "iso"):
                moment = datetime.fromisoformat(text)
            else:
                moment = datetime.strptime(text, self.written)  # noqa: DTZ007 - the zone follows
        except ValueError as error:
            raise Unreadable(Reason.TIME_UNREADABLE, repr(text[:80])) from error
        if moment.tzinfo is None:
            if self.zone is None:
                raise Unreadable(Reason.TIME_UNREADABLE, f"{text[:80]!r} has no offset, and the rule no zone")
            moment = moment.replace(tzinfo=self.zone)
        try:
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise Unreadable(Reason.TIME_UNREADABLE, repr(text[:80])) from error


def read_format(written: str, zone: str | None) -> TimeFormat:
    """Raises ValueError for a format or a zone that is none."""
    if written not in (*_PER_MS, "iso", "auto") and "%" not in written:
        raise ValueError(
            f"a time is written as ms, s, us, ns, iso or a pattern like %Y-%m-%d %H:%M:%S, not {written!r}"
        )
    try:
        return TimeFormat(written, ZoneInfo(zone) if zone is not None else None)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {zone!r}") from error
