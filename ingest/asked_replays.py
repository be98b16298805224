"""Quarantined messages that somebody asked for again, taken through the pipeline as if they came just now.

The page only writes down the wish: whoever serves it needs no way to the broker. A message that still cannot be read
gets a row of its own with the reason of today; one that was read twice, because we ended in between, adds nothing.
"""

from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ingest import quarantine
from ingest.lane import Lane
from ingest.pipeline import Pipeline
from ingest.wire import RawMessage
from registry.database import Database

STEP = 200
LOOKED_AT = 2_000

log = structlog.get_logger(__name__)


class AskedReplays:
    """A step at each call, so that the stream never waits for a long list."""

    def __init__(self, database: Database, pipeline: Pipeline, *, lane: Lane, clock: Callable[[], int]) -> None:
        self._database = database
        self._pipeline = pipeline
        self._lane = lane
        self._clock = clock

    def tick(self) -> int:
        """How many were taken."""
        try:
            ids = self._ours()
            if not ids:
                return 0
            with self._database.reading() as session:
                rows = quarantine.waiting(session, ids=ids)
                messages = [RawMessage(row.topic, row.payload, self._clock()) for row in rows]
            self._pipeline.process(messages)
            with self._database.writing() as session:
                for message_id in ids:
                    quarantine.mark_replayed(session, message_id, now_ms=self._clock())
        except SQLAlchemyError as error:
            log.warning("quarantined messages that are asked for wait", reason=str(error).splitlines()[0])
            return 0
        log.info("quarantined messages were taken again", messages=len(ids))
        return len(ids)

    def _ours(self) -> list[int]:
        ids: list[int] = []
        after_id = 0
        with self._database.reading() as session:
            while len(ids) < STEP:
                asked = quarantine.asked_again(session, after_id=after_id, limit=LOOKED_AT)
                ids += [message_id for message_id, topic in asked if self._lane.has_topic(topic)]
                if len(asked) < LOOKED_AT:
                    break
                after_id = asked[-1][0]
        return ids[:STEP]
