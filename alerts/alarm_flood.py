"""Alarm floods after ISA-18.2: more than ten alarms in ten minutes for one who watches, over when below five.

Pure but for the two functions at the end, which read the times from `alerts.annunciation`.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from alerts.annunciation import Annunciation

WINDOW_MS = 600_000
BEGINS_ABOVE, ENDS_BELOW = 10, 5
"""ISA-18.2: a flood begins with more than ten in ten minutes and is over when fewer than five come in ten."""
CHATTER_MS, CHATTER_TIMES = 60_000, 3
"""An alarm that comes three times in a minute or more chatters."""
LOOKED_BACK_MS = 6 * 3_600_000
MOST_TIMES = 5_000


@dataclass(frozen=True, slots=True)
class Flood:
    """`count` are the alarms from ten minutes before its begin to its end; `peak` the most within ten minutes."""

    began_ms: int
    ended_ms: int | None
    count: int
    peak: int


def floods(times_ms: Iterable[int], *, now_ms: int) -> list[Flood]:
    """The floods in these moments, oldest first; the last has no end when it is still on."""
    found: list[Flood] = []
    window: deque[int] = deque()
    current: Flood | None = None
    for at_ms in sorted(times_ms):
        current = _drain(window, at_ms, current, found)
        window.append(at_ms)
        if current is not None:
            current = replace(current, count=current.count + 1, peak=max(current.peak, len(window)))
        elif len(window) > BEGINS_ABOVE:
            current = Flood(at_ms, None, len(window), len(window))
    current = _drain(window, now_ms, current, found)
    return [*found, current] if current is not None else found


def _drain(window: deque[int], until_ms: int, current: Flood | None, found: list[Flood]) -> Flood | None:
    """Lets what is older than ten minutes go; the flood that is still on, or None."""
    while window and window[0] <= until_ms - WINDOW_MS:
        left_ms = window.popleft() + WINDOW_MS
        if current is not None and len(window) < ENDS_BELOW:
            found.append(replace(current, ended_ms=left_ms))
            current = None
    return current


def flooded_ms(found: Sequence[Flood], *, now_ms: int) -> int:
    return sum((flood.ended_ms or now_ms) - flood.began_ms for flood in found)


def chatters(times_ms: Iterable[int]) -> bool:
    """Whether so many of these moments of one alarm lie within a minute."""
    ordered = sorted(times_ms)
    ahead = ordered[CHATTER_TIMES - 1 :]
    return any(last - first < CHATTER_MS for first, last in zip(ordered, ahead, strict=False))


def called() -> ColumnElement[bool]:
    """What people had before them as a matter of its own: neither set aside nor explained by something else."""
    return ~Annunciation.is_aside & ~Annunciation.is_explained


def flood_now(session: Session, site_ids: Collection[int], *, now_ms: int) -> Flood | None:
    """The flood that is on for one who watches these compounds together; None when there is none."""
    here = select(func.count()).select_from(Annunciation).where(Annunciation.site_id.in_(site_ids), called())
    recent = session.scalar(here.where(Annunciation.at_ms > now_ms - WINDOW_MS)) or 0
    if recent < ENDS_BELOW:
        return None
    times = (
        select(Annunciation.at_ms)
        .where(Annunciation.site_id.in_(site_ids), called(), Annunciation.at_ms > now_ms - LOOKED_BACK_MS)
        .order_by(Annunciation.at_ms.desc())
        .limit(MOST_TIMES)
    )
    found = floods(session.scalars(times), now_ms=now_ms)
    return found[-1] if found and found[-1].ended_ms is None else None
