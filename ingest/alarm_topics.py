"""Tells the open alarms of each unit on its retained MQTT topic, following the activity log.

Because it follows the log, it tells changes made by any process: an acknowledgement in the web server as well as an
alarm of another worker.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.orm import Session

from alerts.alarm import Alarm, open_alarms, open_alarms_of_unit, units_with_alarms
from ingest.wire import Channel, topic_of
from registry import activity
from registry.database import Database
from registry.unit import get_unit_by_id

PAGE = 500


class AlarmTopics:
    """`publish(topic, payload)` sends a retained message."""

    def __init__(self, database: Database, *, publish: Callable[[str, bytes], None]) -> None:
        self._database = database
        self._publish = publish
        self._last_id = 0

    def publish_all(self) -> None:
        """At start: what is open now, and that nothing is where it closed while nobody told it."""
        with self._database.reading() as session:
            self._last_id = activity.last_id(session)
            by_unit: dict[int, list[Alarm]] = {unit_id: [] for unit_id in units_with_alarms(session)}
            for alarm in open_alarms(session):
                by_unit[alarm.unit_id].append(alarm)
            for unit_id, alarms in by_unit.items():
                self._tell(session, unit_id, alarms)

    def publish_changes(self) -> None:
        with self._database.reading() as session:
            rows = activity.after(session, self._last_id, limit=PAGE)
            if not rows:
                return
            changed = {row.unit_id for row in rows if row.unit_id is not None and row.verb.startswith("alarm.")}
            for unit_id in sorted(changed):
                self._tell(session, unit_id, open_alarms_of_unit(session, unit_id))
            self._last_id = rows[-1].id

    def tell(self, session: Session, unit_id: int) -> None:
        """The alarms of one unit, also when it never had one."""
        self._tell(session, unit_id, open_alarms_of_unit(session, unit_id))

    def _tell(self, session: Session, unit_id: int, alarms: Iterable[Alarm]) -> None:
        unit = get_unit_by_id(session, unit_id)
        zone = ZoneInfo(unit.site.timezone)
        payload = [
            {
                "id": alarm.id,
                "condition": alarm.condition,
                "severity": alarm.severity,
                "state": alarm.state,
                "raised_at": datetime.fromtimestamp(alarm.raised_ms / 1000, zone).isoformat(timespec="milliseconds"),
                "occurrences": alarm.occurrences,
                "ticket_id": alarm.ticket_id,
            }
            for alarm in alarms
        ]
        self._publish(topic_of(unit.unit_key, Channel.ALARM), msgspec.json.encode(payload))
