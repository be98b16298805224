"""Several ingest workers on one broker: each takes the sites of its lane, and hears of the others without a word.

A unit's messages must all be judged by one worker, in their order: a person is inferred to be trapped from a minute of
readings, and a detector learns from every row. A shared subscription would deal them out in turn, half of a unit's
minute to each worker. So each worker has a session of its own, and a site belongs to one lane, always the same.
"""

from dataclasses import dataclass
from zlib import crc32

PLACE_OF_SITE = {"liandong": 2, "spBv1.0": 1}
"""Which part of a topic is the site, by the topic's first part."""


class LaneUnreadable(Exception):
    """A lane is written as its number and how many there are."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Number `number` of `count`, from 1. What names no site belongs to the first."""

    number: int = 1
    count: int = 1

    @property
    def is_everything(self) -> bool:
        return self.count == 1

    def has_site(self, site: str) -> bool:
        return self.is_everything or crc32(site.encode()) % self.count == self.number - 1

    def has_topic(self, topic: str) -> bool:
        """
        >>> [Lane(number, 3).has_topic("liandong/v1/xiaohe/pump/p1/telemetry") for number in (1, 2, 3)].count(True)
        1
        """
        if self.is_everything:
            return True
        parts = topic.split("/", 3)
        place = PLACE_OF_SITE.get(parts[0], len(parts))
        if place >= len(parts):
            return self.number == 1
        # Sparkplug groups are written as their makers like; the site is the same.
        return self.has_site(parts[place].lower())


def read_lane(text: str) -> Lane:
    """`"2/3"` is the second of three. Raises LaneUnreadable."""
    number, _, count = text.partition("/")
    if not (number.isascii() and number.isdigit() and count.isascii() and count.isdigit()):
        raise LaneUnreadable(f"{text!r} is no lane like 1/2")
    lane = Lane(int(number), int(count))
    if not 1 <= lane.number <= lane.count <= 1000:
        raise LaneUnreadable(f"{text!r} is no lane like 1/2: the number goes from 1 to how many there are")
    return lane
