"""What a page tells about one unit, in the reader's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from alerts.alarm import Alarm
from alerts.severity import Severity, gravest
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader
from api.pages.values import is_known_metric, metric_title, value_text
from api.pages.wording import KIND_TITLES
from api.translations import msgid
from models.equipment import METRICS, Kind
from registry.unit import Unit

SILENT_AFTER_MS = 15 * 60_000
"""After that long without a reading nobody can say how a unit is."""


class Presence(StrEnum):
    """Whether a unit's state is known at all."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class UnitCard:
    """A unit as lists show it. `worst` is the gravest severity of its open alarms."""

    path: str
    name: str
    key: str
    kind: Kind
    kind_title: str
    building: str
    site_name: str
    make: str
    maintainer: str
    installed_on: str
    is_confirmed: bool
    open_alarms: int
    worst: Severity | None


@dataclass(frozen=True, slots=True)
class PresenceWords:
    """What is known of a unit's connection; `detail` completes it. Never says that something is well."""

    presence: Presence
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class LatestValue:
    metric: str
    title: str
    text: str
    at: Moment
    is_known: bool
    is_old: bool


def unit_card(unit: Unit, open_alarms: list[Alarm], *, reader: Reader) -> UnitCard:
    worst: Severity | None = None
    for alarm in open_alarms:
        worst = Severity(alarm.severity) if worst is None else gravest(worst, Severity(alarm.severity))
    kind = Kind(unit.kind)
    return UnitCard(
        path=unit.unit_key.path,
        name=unit.name,
        key=unit.key,
        kind=kind,
        kind_title=reader._(KIND_TITLES[kind]),
        building=unit.building,
        site_name=unit.site.name,
        make=unit.make,
        maintainer=unit.maintainer,
        installed_on=unit.installed_on or "",
        is_confirmed=unit.is_confirmed,
        open_alarms=len(open_alarms),
        worst=worst,
    )


def presence_words(unit: Unit, *, newest_ms: int | None, reader: Reader) -> PresenceWords:
    """`newest_ms` is the time of the unit's newest reading, if it ever sent one."""
    _ = reader._
    if unit.is_online is False and unit.status_ms is not None:
        since = reader.moment(unit.status_ms, unit.site.timezone)
        detail = _(
            "Its state is unknown, not healthy. Last heard of %(time)s (%(ago)s).", time=since.text, ago=since.ago
        )
        return PresenceWords(Presence.OFFLINE, _("Offline"), detail)
    if newest_ms is None:
        title = _("Online, no readings yet") if unit.is_online else _("Never heard")
        return PresenceWords(Presence.UNKNOWN, title, _("Its state is unknown until the first reading comes."))
    silent_ms = reader.now_ms - newest_ms
    if silent_ms > SILENT_AFTER_MS:
        newest = reader.moment(newest_ms, unit.site.timezone)
        detail = _(
            "The newest reading is from %(time)s (%(ago)s): how it is now is not known.",
            time=newest.text,
            ago=newest.ago,
        )
        return PresenceWords(Presence.UNKNOWN, _("No current readings"), detail)
    detail = _("Newest reading %(time)s ago.", time=duration_text(silent_ms, _=_))
    return PresenceWords(Presence.ONLINE, _(msgid("Sends readings")), detail)


def latest_values(unit: Unit, latest: Mapping[str, tuple[int, float]], *, reader: Reader) -> list[LatestValue]:
    """The last value of each metric, in the order of the vocabulary, unknown metrics after it."""
    kind = Kind(unit.kind)
    order = {name: place for place, name in enumerate(METRICS[kind])}
    return [
        LatestValue(
            metric=name,
            title=metric_title(kind, name, _=reader._),
            text=value_text(kind, name, value, _=reader._),
            at=reader.moment(ts_ms, unit.site.timezone),
            is_known=is_known_metric(kind, name),
            is_old=reader.now_ms - ts_ms > SILENT_AFTER_MS,
        )
        for name, (ts_ms, value) in sorted(latest.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    ]
