"""Topics of Sparkplug B, and which unit stands behind an edge node or a device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ingest.conversion import Conversion
from ingest.errors import Reason, Unreadable
from ingest.wire import SLUG
from models.equipment import METRICS, Kind
from models.reading import UnitKey

NAMESPACE = "spBv1.0"
SPARKPLUG_SUBSCRIPTION = f"{NAMESPACE}/#"
MAX_ID_LENGTH = 200
NODE = ""
"""Stands for the edge node itself where a device is named."""


class Verb(StrEnum):
    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"


NODE_VERBS = frozenset({Verb.NBIRTH, Verb.NDEATH, Verb.NDATA})


class EdgeKey(NamedTuple):
    group: str
    edge: str


class SparkplugTopic(NamedTuple):
    """`device` is NODE for what the edge node says of itself."""

    verb: Verb
    key: EdgeKey
    device: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Whose values these are: `unit` is None for a node or device that is no unit of ours."""

    unit: UnitKey | None
    is_ignored: bool = False
    conversions: Mapping[str, Conversion] = field(default_factory=dict)


Place = Callable[[SparkplugTopic], Placement]


def is_sparkplug(topic: str) -> bool:
    return topic.startswith(f"{NAMESPACE}/")


def is_told_to_others(topic: str) -> bool:
    """Whether this is a command, ours or another's, or the state of a host: heard because we listen to everything."""
    parts = topic.split("/", 3)
    return len(parts) > 2 and (parts[1] == "STATE" or parts[2] in ("NCMD", "DCMD"))


def read_sparkplug_topic(topic: str) -> SparkplugTopic:
    """Raises Unreadable for a topic that Sparkplug B does not know."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[2] not in set(Verb):
        raise Unreadable(
            Reason.BAD_TOPIC, "expected spBv1.0/{group}/{NBIRTH|NDEATH|NDATA}/{edge} or …/{D…}/{edge}/{device}"
        )
    verb = Verb(parts[2])
    if (verb in NODE_VERBS) is not (len(parts) == 4):
        raise Unreadable(Reason.BAD_TOPIC, f"{verb} {'names a device' if len(parts) == 5 else 'names no device'}")
    ids = (parts[1], *parts[3:])
    if any(not 0 < len(part) <= MAX_ID_LENGTH or not part.isprintable() for part in ids):
        raise Unreadable(Reason.BAD_TOPIC, f"ids must be 1 to {MAX_ID_LENGTH} printable characters")
    return SparkplugTopic(verb, EdgeKey(parts[1], parts[3]), parts[4] if len(parts) == 5 else NODE)


def place_by_name(topic: SparkplugTopic) -> Placement:
    """Where no rule says otherwise: the group is the site, and the device (or the node) is called `kind.unit`."""
    site = topic.key.group.lower()
    kind, dot, name = (topic.device or topic.key.edge).lower().partition(".")
    if dot and kind in set(Kind) and SLUG.fullmatch(name) and SLUG.fullmatch(site):
        return Placement(UnitKey(site, Kind(kind), name))
    return Placement(None)


def metric_called(name: str, kind: Kind) -> str:
    """A name of the vocabulary, perhaps behind a folder (`Sump/level_m`); any other name as it is."""
    tail = name.rpartition("/")[2]
    return tail if tail in METRICS[kind] else name
