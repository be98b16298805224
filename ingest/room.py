"""How much the outbox may hold: loud before it is full, and when it is full nothing more is taken from the broker.

What is not taken is not acknowledged, so the broker keeps it; that is the one way to be full without losing anything.
"""

from collections.abc import Callable
from enum import StrEnum

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from ingest import outbox
from registry.database import Database

LOOK_EVERY_MS = 2_000
SCARCE_SHARE = 0.8
AMPLE_AGAIN_SHARE = 0.75
TAKING_AGAIN_SHARE = 0.95

log = structlog.get_logger(__name__)

full_gauge = Gauge("liandong_outbox_full_ratio", "Part of the room for batches that wait for the telemetry store")


class Room(StrEnum):
    """What is left in the outbox."""

    AMPLE = "ample"
    SCARCE = "scarce"
    NONE = "none"


def room_left(size_bytes: int, *, most_bytes: int, before: Room = Room.AMPLE) -> Room:
    """Scarce from 80 % on, none when full; from there back only with some distance, so that it does not flutter."""
    share = size_bytes / most_bytes
    if share >= 1 or (before is Room.NONE and share > TAKING_AGAIN_SHARE):
        return Room.NONE
    if share >= SCARCE_SHARE or (before is not Room.AMPLE and share > AMPLE_AGAIN_SHARE):
        return Room.SCARCE
    return Room.AMPLE


class OutboxRoom:
    """Looks at the size of the outbox once in a while and tells what changed, loudly."""

    def __init__(self, database: Database, *, most_bytes: int, clock: Callable[[], int]) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._clock = clock
        self._looked_ms: int | None = None
        self._room = Room.AMPLE

    def left(self) -> Room:
        now_ms = self._clock()
        if self._looked_ms is None or not 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            self._looked_ms = now_ms
            self._look()
        return self._room

    def _look(self) -> None:
        try:
            with self._database.reading() as session:
                size_bytes = outbox.size_bytes(session)
        except SQLAlchemyError as error:
            # Whoever writes next will wait for the database, and say so.
            log.warning("the size of the outbox is not known", reason=str(error).splitlines()[0])
            return
        full_gauge.set(size_bytes / self._most_bytes)
        room = room_left(size_bytes, most_bytes=self._most_bytes, before=self._room)
        if room is not self._room:
            self._tell(room, size_bytes)
            self._room = room

    def _tell(self, room: Room, size_bytes: int) -> None:
        facts = {"size_bytes": size_bytes, "most_bytes": self._most_bytes}
        if room is Room.NONE:
            log.error("the outbox is full: nothing is taken from the broker until the store takes readings", **facts)
        elif room is Room.SCARCE:
            log.error("the outbox is nearly full: the telemetry store must take readings again", **facts)
        else:
            log.warning("the outbox has room again", **facts)
