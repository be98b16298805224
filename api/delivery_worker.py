"""Takes messages to their channels, each channel by a thread of its own, so that none waits for another.

A channel that does not answer is given up after a while and tried again later; its thread cannot be ended and is left
behind, and as long as it hangs nothing else is sent through that channel.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Gauge

from alerts.notification import Parcel, claim_at_once, claim_parcels, is_any_due, settle
from api.message_words import LinkOf, message_of
from api.senders import Outcome, send
from api.settings import Language
from registry.channel import ChannelKind, SealBroken, SecretBox
from registry.database import Database

EVERY_S = 0.5
HARD_LIMIT_S = 30.0
AT_ONCE = 16
"""Channels that are served at the same time, those that hang not counted."""
TOGETHER_S = 0.05
"""Those that are back within so short a time are followed in one transaction."""
LEFT_BEHIND_AT_MOST = 200
CONSOLE_AT_ONCE = 500
"""What goes to our own log needs no thread and waits for nobody."""

sent_total = Counter("liandong_deliveries", "Messages given to channels", ["kind", "outcome"])
hanging = Gauge("liandong_channels_hanging", "Channels that have not answered for half a minute")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trip:
    """A parcel on its way. Whoever settles it first, its thread or the limit, is the only one to do so."""

    parcel: Parcel
    started_ms: int
    is_settled: bool = False
    is_over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        with self.lock:
            is_first, self.is_settled = not self.is_settled, True
            return is_first


class DeliveryWorker:
    def __init__(
        self,
        database: Database,
        *,
        box: SecretBox,
        language: Language,
        clock: Callable[[], int],
        every_s: float = EVERY_S,
        hard_limit_s: float = HARD_LIMIT_S,
        link_of: LinkOf | None = None,
    ) -> None:
        self._database = database
        self._box = box
        self._language = language
        self._link_of = link_of
        self._clock = clock
        self._every_s = every_s
        self._hard_limit_ms = hard_limit_s * 1000
        self._trips: list[_Trip] = []
        self._stopping = threading.Event()
        self._has_room = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery-worker", daemon=True)

    def start(self) -> None:
        self._has_room.set()
        self._thread.start()

    def stop(self) -> None:
        """What is on its way is not waited for: it is sent again by the next who finds it unsettled."""
        self._stopping.set()
        self._has_room.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Whoever is back makes room at once: with thousands to call nobody waits for the next beat. Those who come
            # back together are followed together.
            if self._has_room.wait(self._every_s):
                self._stopping.wait(TOGETHER_S)
                self._has_room.clear()
            if self._stopping.is_set():
                return
            try:
                self._look()
            except Exception:
                # Whatever it was, the next round tries again.
                log.exception("messages were not delivered")

    def _look(self) -> None:
        now_ms = self._clock()
        self._empty_console(now_ms)
        self._give_up(now_ms)
        self._trips = [trip for trip in self._trips if not trip.is_over]
        left_behind = sum(trip.is_settled for trip in self._trips)
        hanging.set(left_behind)
        room = AT_ONCE - (len(self._trips) - left_behind)
        if room <= 0 or left_behind >= LEFT_BEHIND_AT_MOST:
            return
        with self._database.reading() as session:
            if not is_any_due(session, now_ms=now_ms):
                return
        busy = {trip.parcel.channel.id for trip in self._trips}
        with self._database.writing() as session:
            parcels = claim_parcels(session, now_ms=now_ms, busy=busy, most=room)
        for parcel in parcels:
            trip = _Trip(parcel, now_ms)
            self._trips.append(trip)
            threading.Thread(target=self._travel, args=(trip,), name="delivery", daemon=True).start()

    def _empty_console(self, now_ms: int) -> None:
        with self._database.reading() as session:
            if not is_any_due(session, now_ms=now_ms):
                return
        while not self._stopping.is_set():
            with self._database.writing() as session:
                parcels = claim_at_once(session, ChannelKind.CONSOLE, now_ms=now_ms, most=CONSOLE_AT_ONCE)
            if not parcels:
                return
            for outcome, ids in self._written(parcels).items():
                self._settle_all(ids, outcome)

    def _written(self, parcels: list[Parcel]) -> dict[Outcome, list[int]]:
        found: dict[Outcome, list[int]] = {}
        for parcel in parcels:
            outcome = self._send(parcel)
            found.setdefault(outcome, []).extend(parcel.delivery_ids)
            sent_total.labels(parcel.channel.kind, "sent" if outcome.is_sent else "failed").inc()
        return found

    def _settle_all(self, ids: list[int], outcome: Outcome) -> None:
        with self._database.writing() as session:
            settle(session, ids, is_sent=outcome.is_sent, result=outcome.said, now_ms=self._clock())

    def _give_up(self, now_ms: int) -> None:
        for trip in self._trips:
            if now_ms - trip.started_ms >= self._hard_limit_ms and trip.take():
                self._settle(trip.parcel, Outcome(False, "no answer in time"))

    def _travel(self, trip: _Trip) -> None:
        try:
            outcome = self._send(trip.parcel)
            if trip.take():
                self._settle(trip.parcel, outcome)
        except Exception:
            # Unsettled, it is sent again when its claim has run out.
            log.exception("the result of a message was not written down")
        finally:
            trip.is_over = True
            self._has_room.set()

    def _send(self, parcel: Parcel) -> Outcome:
        try:
            address = self._box.open(parcel.channel.sealed) if parcel.channel.sealed else ""
        except SealBroken as error:
            return Outcome(False, str(error))
        message = message_of(parcel.notifications, fallback=self._language, now_ms=self._clock(), link_of=self._link_of)
        return send(ChannelKind(parcel.channel.kind), address, message)

    def _settle(self, parcel: Parcel, outcome: Outcome) -> None:
        sent_total.labels(parcel.channel.kind, "sent" if outcome.is_sent else "failed").inc()
        self._settle_all(list(parcel.delivery_ids), outcome)
