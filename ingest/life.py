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
from models.event import StatusChange
from models.reading import Ints, ReadingBlock, UnitKey
from registry import activity, listening, unit_life
from registry.activity import Entry
from registry.coverage import MS_PER_MIN, hours_of
from registry.database import Database
from registry.unit_life import LifeWord

FIRST_CAPACITY = 64
GATEWAY_LEVEL = "gateway"
MAX_CACHED_TOPICS = 100_000


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


class Life:
    """All senders that one ingest worker hears; it alone uses it."""

    def __init__(self, *, limits: Limits, worker: str) -> None:
        self._worker = worker
        self._silence = Silence(limits)
        self._skew = ClockSkew()
        self._gateway_skew = ClockSkew()
        self._gateways: dict[tuple[str, str], int] = {}
        self._gateway_heard_ms: dict[int, int] = {}
        self._gateway_of: dict[str, int | None] = {}
        self._unit_ids = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        self._minute = np.full(FIRST_CAPACITY, -1, dtype=np.int64)
        self._is_changed = np.zeros(FIRST_CAPACITY, dtype=bool)
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
        for unit in offline:
            self._silence.tell_connection(unit, is_online=False)
        self._silence.listen(now_ms)
        self._since_ms = now_ms

    def _places(self, units: Sequence[UnitKey], ids: Mapping[UnitKey, int]) -> Ints:
        known = len(self._silence)
        places = self._silence.places(units)
        if len(self._silence) > known:
            while len(self._silence) > len(self._unit_ids):
                for name, fill in (("_unit_ids", 0), ("_minute", -1), ("_is_changed", False), ("_newest_ms", 0)):
                    array = getattr(self, name)
                    setattr(self, name, np.concatenate([array, np.full(len(array), fill, dtype=array.dtype)]))
            for unit, place in zip(units, places.tolist(), strict=True):
                if place >= known:
                    self._unit_ids[place] = ids[unit]
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
        """Takes up who spoke; gives back the minutes that the batch's transaction must write down."""
        arrivals: Ints | None = None
        found: list[tuple[Ints, Ints]] = []
        for part in heard:
            block = part.block
            of_units = self._places(block.units, ids)
            places, ts_ms, number = of_units[block.unit_index], block.ts_ms, part.message
            minutes = ts_ms // MS_PER_MIN
            is_new = minutes != self._minute[places]
            if is_new.any():
                found.append((places[is_new], minutes[is_new]))
            np.maximum.at(self._newest_ms, places, ts_ms)
            if arrivals is None:
                arrivals = np.array([message.received_ms for message in messages], dtype=np.int64)
                retained = np.array([message.is_retained or message.is_redelivery for message in messages], dtype=bool)
                has_old_news = bool(retained.any())
            if has_old_news:
                # What the broker kept for us says nothing of when it was sent.
                is_live = ~retained[number]
                places, ts_ms, number = places[is_live], ts_ms[is_live], number[is_live]
                of_units = np.unique(places)
            if len(places):
                self._silence.hear(of_units, received_ms)
                self._is_changed[of_units] = True
                self._skew.observe(places, ts_ms, arrivals[number])
                self._note_gateways(messages, ts_ms, number, arrivals)
        if not found:
            return None
        places = np.concatenate([places for places, _ in found])
        return Minutes(places, self._unit_ids[places], np.concatenate([minutes for _, minutes in found]))

    def written(self, minutes: Minutes) -> None:
        """These minutes are safe."""
        self._minute[minutes.places] = minutes.minutes

    def tell_connections(self, statuses: Iterable[StatusChange]) -> None:
        for status in statuses:
            self._silence.tell_connection(status.unit, is_online=status.is_online)

    def _note_gateways(self, messages: Sequence[RawMessage], ts_ms: Ints, number: Ints, arrivals: Ints) -> None:
        of_message = [self._gateway(message.topic) for message in messages]
        if not any(place is not None for place in of_message):
            return
        places = np.array([-1 if place is None else place for place in of_message], dtype=np.int64)[number]
        is_gateway = places >= 0
        if is_gateway.any():
            self._gateway_skew.observe(places[is_gateway], ts_ms[is_gateway], arrivals[number[is_gateway]])
            for place in np.unique(places[is_gateway]).tolist():
                self._gateway_heard_ms[place] = int(arrivals[-1])

    def _gateway(self, topic: str) -> int | None:
        try:
            return self._gateway_of[topic]
        except KeyError:
            parts = topic.split("/")
            place = None
            if len(parts) == 6 and parts[3] == GATEWAY_LEVEL:
                place = self._gateways.setdefault((parts[2], parts[4]), len(self._gateways))
            if len(self._gateway_of) >= MAX_CACHED_TOPICS:
                self._gateway_of.clear()
            self._gateway_of[topic] = place
            return place

    # Time passes.

    def end(self, database: Database, *, now_ms: int) -> None:
        """This worker listens no more: what it learned is kept, and nobody waits for its next word."""
        self._lost_ms = self._lost_ms or now_ms
        self.summarise(database, told=[], now_ms=now_ms)

    def listen(self, now_ms: int, *, is_listening: bool) -> list[Entry]:
        """Lets the clock of silence go on; gives back what is to be told when the broker is lost or found again."""
        self._silence.listen(now_ms, is_listening=is_listening)
        if is_listening and self._lost_ms is not None:
            lost_ms, self._lost_ms, self._since_ms = self._lost_ms, None, now_ms
            return [Entry("broker.found", f"worker:{self._worker}", data={"lost_ms": lost_ms})]
        if not is_listening and self._lost_ms is None:
            self._lost_ms = now_ms
            return [Entry("broker.lost", f"worker:{self._worker}")]
        return []

    def summarise(self, database: Database, *, told: Sequence[Entry], now_ms: int) -> list[SilenceChange]:
        """Writes down how all senders do, looks what other workers heard, and says whose silence is news."""
        self._skew.close_stretch(now_ms)
        self._gateway_skew.close_stretch(now_ms)
        changed = np.flatnonzero(self._is_changed)
        words = self._words(changed)
        gateways = [
            (site, gateway, self._gateway_heard_ms.get(place, 0), self._gateway_skew.skew_ms(place))
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
        return self._silence.changes(now_ms)

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
