"""Announces each unit's alarm topic to Home Assistant by its MQTT discovery, and takes back what no longer holds.

What was announced is kept, because the broker keeps it too: a unit that is gone, or the setting turned off, is an
announcement to be withdrawn, by whichever process comes next.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ingest.wire import Channel, topic_of
from registry import activity
from registry.database import Database, Table
from registry.unit import Unit, all_units

PREFIX = "homeassistant"
ORIGIN = "liandong"
EVERY_MS = 10_000
PAGE = 1_000
_MODELS = {"elevator": "Lift", "pump": "Sump pumps", "fire": "Fire system"}


class AnnouncedTopic(Table):
    """A retained announcement at the broker; `digest` is that of its payload."""

    __tablename__ = "announced_topic"

    topic: Mapped[str] = mapped_column(String(300), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))


def presence_topic(client_id: str) -> str:
    """Where a worker says that it is there; its last will there says that it is not."""
    return f"{PREFIX}/{ORIGIN}/{client_id}/availability"


class HomeAssistant:
    """`publish(topic, payload)` sends a retained message; `tell_alarms(unit_id)` tells the unit's alarm topic."""

    def __init__(
        self,
        database: Database,
        *,
        is_wanted: bool,
        client_id: str,
        publish: Callable[[str, bytes], None],
        tell_alarms: Callable[[Session, int], None],
    ) -> None:
        self._database = database
        self._is_wanted = is_wanted
        self._availability = presence_topic(client_id)
        self._publish = publish
        self._tell_alarms = tell_alarms
        self._followed_ms: int | None = None
        self._last_id = 0

    def follow(self, *, now_ms: int) -> None:
        """Announces units that are new or have changed, every ten seconds at most; takes back what holds no longer."""
        is_first = self._followed_ms is None
        if self._followed_ms is not None and (not self._is_wanted or 0 <= now_ms - self._followed_ms < EVERY_MS):
            return
        if is_first:
            with self._database.reading() as session:
                self._last_id = activity.last_id(session)
        if self._have_units_changed() or is_first:
            self._announce()
        self._followed_ms = now_ms

    def _have_units_changed(self) -> bool:
        has_changed = False
        with self._database.reading() as session:
            while rows := activity.after(session, self._last_id, limit=PAGE):
                has_changed = has_changed or any(row.verb.startswith("unit") for row in rows)
                self._last_id = rows[-1].id
        return has_changed

    def _announce(self) -> None:
        with self._database.reading() as session:
            known = {row.topic: row.digest for row in session.scalars(select(AnnouncedTopic))}
            units = all_units(session) if self._is_wanted else []
            wanted = {config_topic(unit): (unit.id, announcement(unit, self._availability)) for unit in units}
            gone = known.keys() - wanted.keys()
            changed = {
                topic: (unit_id, payload, hashlib.sha256(payload).hexdigest())
                for topic, (unit_id, payload) in wanted.items()
                if known.get(topic) != hashlib.sha256(payload).hexdigest()
            }
            for topic in sorted(gone):
                self._publish(topic, b"")
            for topic, (unit_id, payload, _) in changed.items():
                self._publish(topic, payload)
                self._tell_alarms(session, unit_id)
        if gone or changed:
            with self._database.writing() as session:
                session.execute(delete(AnnouncedTopic).where(AnnouncedTopic.topic.in_(gone | changed.keys())))
                session.add_all(AnnouncedTopic(topic=topic, digest=digest) for topic, (_, _, digest) in changed.items())


def config_topic(unit: Unit) -> str:
    return f"{PREFIX}/binary_sensor/{ORIGIN}/{_identity(unit)}/config"


def announcement(unit: Unit, availability: str) -> bytes:
    """The discovery payload of a binary sensor: on while an alarm is open; its attributes are the alarms."""
    alarms = topic_of(unit.unit_key, Channel.ALARM)
    device: dict[str, Any] = {
        "identifiers": [f"{ORIGIN}_{_identity(unit)}"],
        "name": unit.name,
        "model": _MODELS[unit.kind],
        "suggested_area": unit.building or unit.site.name,
    }
    if unit.make:
        device["manufacturer"] = unit.make
    payload = {
        "name": "Alarm",
        "unique_id": f"{ORIGIN}_{_identity(unit)}_alarm",
        "device_class": "problem",
        "state_topic": alarms,
        "value_template": "{{ 'ON' if value_json | length > 0 else 'OFF' }}",
        "json_attributes_topic": alarms,
        "json_attributes_template": "{{ {'alarms': value_json} | tojson }}",
        "availability_topic": availability,
        "qos": 1,
        "device": device,
        "origin": {"name": ORIGIN},
    }
    return msgspec.json.encode(payload)


def _identity(unit: Unit) -> str:
    """Slugs hold no underscore, so that two units cannot share one."""
    return f"{unit.site.key}_{unit.key}"
