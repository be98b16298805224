"""What a batch says of its senders, beside its values: who was heard, how clocks go, which minutes have data.

Minutes are written in the batch's own transaction, so that no death of the process costs one; the rest is a summary
that is written a few times a minute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from sqlalchemy.orm import Session

from alerts.limits import Limits
from alerts.silence import Silence, SilenceChange
from ingest.clock_skew import ClockSkew
from ingest.wire import RawMessage
from models.covered_minutes import MS_PER_MIN
from models.event import StatusChange
from models.reading import Ints, ReadingBlock, UnitKey
from registry import activity, listening, unit_life
from registry.activity import Entry
from registry.coverage import hours_of
from registry.database import Database
from registry.unit_life import LifeWord

FIRST_CAPACITY = 64
GATEWAY_LEVEL, SPARKPLUG = "gateway", "spBv1.0"
MAX_CACHED_TOPICS = 100_000
RECORDING_MS = 30 * 24 * 3600 * 1000
"""No gateway keeps a backlog that long; readings that are older when they come were recorded and are played again."""


@dataclass(frozen=True, slots=True)
class HeardBlock:
    """New readings, and the number of the message that each row came in."""

    block: ReadingBlock
    message: Ints


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes after 1970 with data that may not be written down yet, by place and by unit id; all (n,)."""

    places: Ints
    unit_ids: Ints
    minutes: Ints

    def rows(self) -> list[dict[str, int]]:
        return hours_of(self.unit_ids, self.minutes)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Rows of a batch, all (n,); `gateways` is -1 where a unit spoke for itself, None where all did."""

    places: Ints
    ts_ms: Ints
    arrived_ms: Ints
    gateways: Ints | None


class Life:
    """All senders that one ingest worker hears; it alone uses it."""

    def __init__(self, *, limits: Limits, worker: str) -> None:
        self._worker = worker
        self._silence = Silence(limits)
        self._skew = ClockSkew()
        self._gateway_skew = ClockSkew()
        self._gateways: dict[tuple[str, str], int] = {}
        self._gateway_of: dict[str, int] = {}
        self._spoken: list[_Spoken] = []
        self._spoken_ms = 0
        self._unit_ids = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self._minute = np.full(FIRST_CAPACITY, -1, dtype=np.int64)
        self._is_changed = np.zeros(FIRST_CAPACITY, dtype=bool)
        self._is_written = np.zeros(FIRST_CAPACITY, dtype=bool)
        self._has_news = False
        self._summarised_ms: int | None = None
        self._newest_ms = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self._since_ms = 0
        self._lost_ms: int | None = None
        self.unlearned_ms = round(limits.silent_unlearned_s * 1000)

    # Start.

    def restore(
        self,
        session: Session,
        *,
        ids: Mapping[UnitKey, int],
        newest_ms: Mapping[UnitKey, int],
        told: Iterable[UnitKey],
        offline: Iterable[UnitKey],
        now_ms: int,
    ) -> None:
        """Takes up what was known. Units that were only ever stored, by an older version, are known from now on."""
        lives = {life.unit_id: life for life in unit_life.all_lives(session)}
        still_told = set(told)
        for unit, unit_id in ids.items():
            life = lives.get(unit_id)
            if (life is None or life.newest_ms == 0) and unit not in newest_ms:
                continue
            place = int(self._places([unit], ids)[0])
            newest = max(newest_ms.get(unit, 0), life.newest_ms if life is not None else 0)
            self._silence.restore(
                unit,
                heard_ms=life.heard_ms if life is not None else min(newest, now_ms),
                interval_ms=life.interval_ms if life is not None else None,
                gap_count=life.gap_count if life is not None else 0,
                is_told=unit in still_told,
            )
            self._newest_ms[place] = newest
            self._is_changed[place] = life is None
            self._is_written[place] = life is not None and life.newest_ms > 0
        for unit in offline:
            self._silence.tell_connection(unit, is_online=False)
        self._silence.listen(now_ms)
        self._since_ms = now_ms

    def _places(self, units: Sequence[UnitKey], ids: Mapping[UnitKey, int]) -> Ints:
        places = self._silence.places(units)
        while len(self._silence) > len(self._unit_ids):
            for name, fill in (
                ("_unit_ids", 0),
                ("_minute", -1),
                ("_is_changed", False),
                ("_is_written", False),
                ("_newest_ms", 0),
            ):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.full(len(array), fill, dtype=array.dtype)]))
        # A unit that said hello before it said anything else has a place already, and no id yet.
        for index in np.flatnonzero(self._unit_ids[places] == 0).tolist():
            self._unit_ids[places[index]] = ids[units[index]]
        return places

    # One batch.

    def hear(
        self,
        heard: Sequence[HeardBlock],
        messages: Sequence[RawMessage],
        *,
        ids: Mapping[UnitKey, int],
        received_ms: int,
    ) -> Minutes | None:
        """Notes who spoke; gives back the minutes that the batch's transaction must write down.

        All blocks at once, and only noted: what follows from it is worked out once a second, in `listen`.
        """
        if not heard:
            return None
        places = np.concatenate([self._places(part.block.units, ids)[part.block.unit_index] for part in heard])
        ts_ms = np.concatenate([part.block.ts_ms for part in heard])
        number = np.concatenate([part.message for part in heard])
        arrived_ms = np.array([message.received_ms for message in messages], dtype=np.int64)[number]
        minutes = ts_ms // MS_PER_MIN
        is_new = minutes != self._minute[places]
        found = None
        if is_new.any():
            new_places = places[is_new]
            found = Minutes(new_places, self._unit_ids[new_places], minutes[is_new])
        gateways = self._gateways_of(messages, number)
        if any(message.is_retained or message.is_redelivery for message in messages):
            # What the broker kept for us says nothing of when it was sent.
            is_live = np.array([not (m.is_retained or m.is_redelivery) for m in messages], dtype=bool)[number]
            np.maximum.at(self._newest_ms, places, ts_ms)
            places, ts_ms, arrived_ms = places[is_live], ts_ms[is_live], arrived_ms[is_live]
            gateways = gateways[is_live] if gateways is not None else None
        self._spoken.append(_Spoken(places, ts_ms, arrived_ms, gateways))
        self._spoken_ms = received_ms
        return found

    def written(self, minutes: Minutes) -> None:
        """These minutes are safe."""
        self._minute[minutes.places] = minutes.minutes

    def tell_connections(self, statuses: Iterable[StatusChange]) -> None:
        for status in statuses:
            self._silence.tell_connection(status.unit, is_online=status.is_online)

    def _gateways_of(self, messages: Sequence[RawMessage], number: Ints) -> Ints | None:
        """The place of the gateway that sent each row, -1 for none; None where no row came through one."""
        known = self._gateway_of
        try:
            of_message = [known[message.topic] for message in messages]
        except KeyError:
            of_message = [self._gateway(message.topic) for message in messages]
        if max(of_message) < 0:
            return None
        return np.array(of_message, dtype=np.int64)[number]

    def _gateway(self, topic: str) -> int:
        place = self._gateway_of.get(topic)
        if place is None:
            sender = gateway_of(topic)
            place = self._gateways.setdefault(sender, len(self._gateways)) if sender is not None else -1
            if len(self._gateway_of) >= MAX_CACHED_TOPICS:
                self._gateway_of.clear()
            self._gateway_of[topic] = place
        return place

    def _digest(self) -> None:
        """What was noted becomes what is known: who was heard, and how clocks go."""
        if not self._spoken:
            return
        spoken, self._spoken = self._spoken, []
        places = np.concatenate([part.places for part in spoken])
        if not len(places):
            return
        np.maximum.at(self._newest_ms, places, np.concatenate([part.ts_ms for part in spoken]))
        for part in spoken:
            self._skew.observe(part.places, part.ts_ms, part.arrived_ms)
            if part.gateways is not None and (through := part.gateways >= 0).any():
                self._gateway_skew.observe(part.gateways[through], part.ts_ms[through], part.arrived_ms[through])
        units = np.unique(places)
        # Who is new, or was silent, is written down at once: nobody shall be called unknown who has just spoken.
        self._has_news |= bool((~self._is_written[units] | self._silence.is_silent(units)).any())
        self._silence.hear(units, self._spoken_ms)
        self._is_changed[units] = True

    # Time passes.

    def end(self, database: Database, *, now_ms: int) -> None:
        """This worker listens no more: what it learned is kept, and nobody waits for its next word."""
        self._lost_ms = self._lost_ms or now_ms
        self.summarise(database, told=[], now_ms=now_ms)

    def listen(self, now_ms: int, *, is_listening: bool) -> list[Entry]:
        """Lets the clock of silence go on; gives back what is to be told when the broker is lost or found again."""
        self._digest()
        self._silence.listen(now_ms, is_listening=is_listening)
        if is_listening and self._lost_ms is not None:
            lost_ms, self._lost_ms, self._since_ms = self._lost_ms, None, now_ms
            return [Entry("broker.found", f"worker:{self._worker}", data={"lost_ms": lost_ms})]
        if not is_listening and self._lost_ms is None:
            self._lost_ms = now_ms
            return [Entry("broker.lost", f"worker:{self._worker}")]
        return []

    def is_due(self, now_ms: int) -> bool:
        """Whether `summarise` should be called now."""
        if self._has_news or self._summarised_ms is None:
            return True
        return not 0 <= now_ms - self._summarised_ms < listening.HEARTBEAT_MS

    def summarise(self, database: Database, *, told: Sequence[Entry], now_ms: int) -> list[SilenceChange]:
        """Writes down how all senders do, looks what other workers heard, and says whose silence is news."""
        self._digest()
        self._skew.close_stretch(now_ms)
        self._gateway_skew.close_stretch(now_ms)
        changed = np.flatnonzero(self._is_changed)
        words = self._words(changed)
        gateways = [
            (site, gateway, self._gateway_skew.heard_ms(place), self._gateway_skew.skew_ms(place))
            for (site, gateway), place in self._gateways.items()
        ]
        doubtful = self._silence.doubtful()
        places = self._silence.places(doubtful)
        with database.writing() as session:
            listening.note_listening(
                session, self._worker, since_ms=self._since_ms, now_ms=now_ms, lost_ms=self._lost_ms
            )
            unit_life.put_life(session, words)
            unit_life.put_gateways(session, gateways)
            if told:
                activity.append(session, told, now_ms=now_ms)
            if doubtful:
                lives = unit_life.lives_of(session, self._unit_ids[places].tolist())
        if doubtful:
            for unit, unit_id in zip(doubtful, self._unit_ids[places].tolist(), strict=True):
                if unit_id in lives:
                    self._silence.correct(unit, lives[unit_id].heard_ms)
        self._is_changed[changed] = False
        self._is_written[changed] = True
        self._has_news, self._summarised_ms = False, now_ms
        return [
            change for change in self._silence.changes(now_ms) if not (change.is_silent and self._is_recording(change))
        ]

    def _is_recording(self, change: SilenceChange) -> bool:
        """Whether a recording has ended: nobody is to be called because of what was years ago."""
        place = int(self._silence.places([change.unit])[0])
        return bool(self._silence.heard_ms[place] - self._newest_ms[place] > RECORDING_MS)

    def _words(self, places: Ints) -> list[LifeWord]:
        limits_ms = self._silence.limits_ms(places).tolist()
        interval_ms = self._silence.interval_ms[places].tolist()
        return [
            LifeWord(
                unit_id=int(self._unit_ids[place]),
                heard_ms=int(self._silence.heard_ms[place]),
                newest_ms=int(self._newest_ms[place]),
                interval_ms=None if isnan(interval) else round(interval),
                gap_count=int(self._silence.gap_count[place]),
                limit_ms=limit_ms,
                skew_ms=self._skew.skew_ms(place),
            )
            for place, limit_ms, interval in zip(places.tolist(), limits_ms, interval_ms, strict=True)
        ]


def gateway_of(topic: str) -> tuple[str, str] | None:
    """(site, gateway) that a topic names, None where a unit speaks for itself; of Sparkplug its group and edge node.

    >>> gateway_of("liandong/v1/xiaohe/gateway/g1/telemetry"), gateway_of("spBv1.0/Xiaohe/DDATA/east/lift-1")
    (('xiaohe', 'g1'), ('xiaohe', 'east'))
    """
    parts = topic.split("/")
    if len(parts) == 6 and parts[3] == GATEWAY_LEVEL:
        return parts[2], parts[4]
    if parts[0] == SPARKPLUG and len(parts) in (4, 5):
        return parts[1].lower(), parts[3]
    return None
