"""`liandong replay`: a recorded CSV file published as if a unit told it now, with the times of the recording."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.wire import MAX_AHEAD_MS
from models.equipment import Kind
from models.reading import UnitKey
from simulators.errors import BadName, BadRecording
from simulators.message import Message, status, telemetry
from simulators.pace import wait_until
from simulators.publish import BrokerOutlet
from simulators.recording import Recording, read_recording
from simulators.scenario import SLUG
from simulators.stopping import stop_on_signals

TIMEZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was said; empty rows of the recording say nothing."""

    messages: int
    values: int
    was_stopped: bool


def replay(
    path: Path,
    *,
    site: str,
    kind: Kind | str,
    unit: str,
    speed: float = 1.0,
    broker_url: str,
    ignore: Sequence[str] = (),
    timezone: str = TIMEZONE,
    should_stop: Callable[[], bool] | None = None,
    clock_ms: Callable[[], int] = lambda: time_ns() // 1_000_000,
) -> Replayed:
    """Publishes the rows at the pace of the recording times `speed`; 0 is as fast as the broker acknowledges.

    Columns that are no metrics of the kind keep their names. At the end nothing is said of the connection: a recording
    that ends is not a unit that fails. Raises SimulatorError or ingest.mqtt.BrokerUnreachable, both before anything is
    sent, and BrokerLost.
    """
    key = _unit_key(site, kind, unit)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadName("time zone", timezone) from error
    recording = read_recording(path, ignore=ignore, zone=zone)
    _check_future(path, recording, now_ms=clock_ms())
    first_ms, last_ms = int(recording.ts_ms[0]), int(recording.ts_ms[-1])
    with ExitStack() as stack:
        stops = should_stop or stack.enter_context(stop_on_signals())
        # The service knows the unit's time from its readings: the connection is told in the same time.
        broker = stack.enter_context(
            BrokerOutlet(
                broker_url,
                client_id=f"liandong-replay-{os.getpid()}-{clock_ms()}",
                last_will=status(key, last_ms, is_online=False),
                should_stop=stops,
            )
        )
        broker.send(status(key, first_ms, is_online=True))
        began_ms = clock_ms()
        messages, values, told_ms = 1, 0, first_ms
        for message in _readings(key, recording):
            due_ms = began_ms + (message.ts_ms - first_ms) / speed if speed > 0 else began_ms
            if not wait_until(due_ms, clock_ms=clock_ms, should_stop=stops):
                broker.send(status(key, told_ms, is_online=False))
                return Replayed(messages + 1, values, was_stopped=True)
            broker.send(message)
            messages, values, told_ms = messages + 1, values + message.value_count, message.ts_ms
        return Replayed(messages, values, was_stopped=False)


def _readings(key: UnitKey, recording: Recording) -> Iterator[Message]:
    for ts_ms, row in zip(recording.ts_ms.tolist(), recording.values, strict=True):
        values = {name: value for name, value in zip(recording.names, row.tolist(), strict=True) if value == value}
        if values:
            yield telemetry(key, ts_ms, values)


def _unit_key(site: str, kind: Kind | str, unit: str) -> UnitKey:
    for what, name in (("site", site), ("unit", unit)):
        if not SLUG.fullmatch(name):
            raise BadName(what, name)
    if kind not in set(Kind):
        raise BadName("kind", str(kind))
    return UnitKey(site, Kind(kind), unit)


def _check_future(path: Path, recording: Recording, *, now_ms: int) -> None:
    for ts_ms, line in zip(recording.ts_ms.tolist(), recording.lines.tolist(), strict=True):
        if ts_ms > now_ms + MAX_AHEAD_MS:
            raise BadRecording(path, "the time lies more than a day ahead", line=line)
