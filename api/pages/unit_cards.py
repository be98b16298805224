"""What a page tells about one unit, in the reader's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from alerts.alarm import Alarm
from alerts.presence import BEHIND_MS, Presence, StaleBecause, presence_of
from alerts.severity import Severity, gravest
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader
from api.pages.values import is_known_metric, metric_title, value_text
from api.pages.wording import KIND_TITLES
from api.translations import msgid
from models.equipment import METRICS, Kind
from registry.unit import Unit
from registry.unit_life import UnitLife


class Sign(StrEnum):
    """How a unit's presence looks on a page."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


STALE_WORDS: Mapping[StaleBecause, tuple[str, str]] = MappingProxyType(
    {
        StaleBecause.OFFLINE: (
            msgid("Offline"),
            msgid("Its state is unknown, not healthy. Last heard of %(time)s (%(ago)s)."),
        ),
        StaleBecause.SILENT: (
            msgid("Silent"),
            msgid("Silent since %(time)s (%(ago)s): how it is now is not known."),
        ),
        StaleBecause.BEHIND: (
            msgid("Sends readings of the past"),
            msgid("The newest reading is from %(time)s (%(ago)s): how it is now is not known."),
        ),
        StaleBecause.NOT_LISTENING: (
            msgid("Nobody listens"),
            msgid("Nobody listens to the equipment since %(time)s (%(ago)s): how it is now is not known."),
        ),
    }
)
"""Title and sentence; none of them says that something is well."""


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

    presence: Sign
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


def presence_words(
    unit: Unit, life: UnitLife | None, *, deaf_since_ms: int | None, newest_ms: int | None, reader: Reader
) -> PresenceWords:
    """`newest_ms` is the time of the unit's newest stored reading, if it ever sent one."""
    _ = reader._
    if life is None and newest_ms is not None:
        # Stored a moment ago, or by an older version: nothing but that is known of it.
        life = UnitLife(unit_id=unit.id, heard_ms=newest_ms, newest_ms=newest_ms, limit_ms=BEHIND_MS)
    fact = presence_of(unit, life, deaf_since_ms=deaf_since_ms, now_ms=reader.now_ms)
    if fact.presence is Presence.CURRENT:
        age_ms = max(0, reader.now_ms - (newest_ms if newest_ms is not None else reader.now_ms))
        detail = _("Newest reading %(time)s ago.", time=duration_text(age_ms, _=_))
        return PresenceWords(Sign.ONLINE, _(msgid("Sends readings")), detail)
    if fact.because is None or fact.since_ms is None:
        title = _("Online, no readings yet") if unit.is_online else _("Never heard")
        return PresenceWords(Sign.UNKNOWN, title, _("Its state is unknown until the first reading comes."))
    since = reader.moment(fact.since_ms, unit.site.timezone)
    title, detail = STALE_WORDS[fact.because]
    detail = _(detail, time=since.text, ago=since.ago)
    if fact.because is StaleBecause.SILENT and life is not None and life.interval_ms is not None:
        usual = _("It usually speaks every %(time)s.", time=duration_text(max(life.interval_ms, 1000), _=_))
        detail = f"{detail} {usual}"
    sign = Sign.OFFLINE if fact.because is StaleBecause.OFFLINE else Sign.UNKNOWN
    return PresenceWords(sign, _(title), detail)


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
            is_old=reader.now_ms - ts_ms > BEHIND_MS,
        )
        for name, (ts_ms, value) in sorted(latest.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    ]
