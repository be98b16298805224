"""A load of plain readings: many units, each message one reading, as fast as the broker takes them or at a set rate.

A general client spends more on a message than the service that is to be measured, so packets are made beforehand and
written in large pieces; only what MQTT 3.1.1 needs for that is spoken here.
"""

import json
import select
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.equipment import Kind

WINDOW = 2_000
PIECE = 64
KIND_CYCLE = (Kind.ELEVATOR, Kind.ELEVATOR, Kind.PUMP, Kind.FIRE)
VALUES: dict[Kind, dict[str, float]] = {
    Kind.ELEVATOR: {
        "speed_m_s": 1.75,
        "position_floor": 7,
        "occupied": 1,
        "door_closed": 1,
        "service_mode": 1,
        "motor_temp_c": 48.5,
    },
    Kind.PUMP: {
        "level_m": 0.81,
        "flow_m3_h": 0,
        "pump1_running": 0,
        "pump2_running": 0,
        "pump1_current_a": 0,
        "pump2_current_a": 0,
    },
    Kind.FIRE: {
        "hydrant_pressure_mpa": 0.31,
        "sprinkler_pressure_mpa": 0.42,
        "tank_level_m": 3.02,
        "pump_auto": 1,
        "mains_ok": 1,
        "battery_v": 27.1,
    },
}


@dataclass(frozen=True, slots=True)
class Load:
    """`messages` in all, spread over `units` in turn; `rate_per_s` 0 is as fast as it goes.

    With more than one of `readings_per_message` a gateway speaks for the units.
    """

    messages: int
    units: int
    qos: int
    rate_per_s: float = 0.0
    readings_per_message: int = 1


class LoadRefused(Exception):
    """The broker did not accept the connection."""


def topics(units: int) -> list[tuple[str, str]]:
    """(topic, values as JSON) of each unit."""
    found = []
    for number in range(units):
        kind = KIND_CYCLE[number % len(KIND_CYCLE)]
        found.append((f"liandong/v1/bench/{kind.value}/unit-{number}/telemetry", json.dumps(VALUES[kind])))
    return found


def publish_load(
    broker_url: str, load: Load, *, clock_ms: Callable[[], int], monotonic_s: Callable[[], float], client_id: str
) -> float:
    """Publishes it all and returns the seconds it took until the last message was at the broker."""
    where = urlsplit(broker_url)
    connection = socket.create_connection((where.hostname or "127.0.0.1", where.port or 1883), timeout=10)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_connect_packet(client_id))
        if connection.recv(4)[3:4] != b"\0":
            raise LoadRefused(broker_url)
        began_s = monotonic_s()
        unconfirmed = sent = 0
        for piece in _pieces(load, first_ms=clock_ms(), clock_ms=clock_ms):
            if load.rate_per_s:
                _wait_until(began_s + sent / load.rate_per_s, monotonic_s, connection)
            connection.sendall(piece)
            sent += PIECE
            if load.qos:
                unconfirmed += piece_count(load, sent)
                while unconfirmed > WINDOW or _is_readable(connection):
                    unconfirmed -= len(connection.recv(65536)) // 4
        while load.qos and unconfirmed > 0:
            unconfirmed -= len(connection.recv(65536)) // 4
        taken_s = monotonic_s() - began_s
        connection.sendall(b"\xe0\x00")
        return taken_s


def piece_count(load: Load, sent: int) -> int:
    """Messages in the piece that ends at `sent`; the last one may be shorter."""
    return PIECE if sent <= load.messages else PIECE - (sent - load.messages)


def _pieces(load: Load, *, first_ms: int, clock_ms: Callable[[], int]) -> Iterator[bytes]:
    packet_id = 0
    prepared: list[bytes] = []
    for topic, payload in _messages(load, first_ms=first_ms, clock_ms=clock_ms):
        packet_id = packet_id % 65_535 + 1
        prepared.append(_publish_packet(topic, payload, load.qos, packet_id))
        if len(prepared) == PIECE:
            yield b"".join(prepared)
            prepared.clear()
    if prepared:
        yield b"".join(prepared)


def _messages(load: Load, *, first_ms: int, clock_ms: Callable[[], int]) -> Iterator[tuple[str, str]]:
    bodies = topics(load.units)
    last_ms: dict[int, int] = {}
    number = 0
    for _ in range(load.messages):
        readings = []
        for _ in range(load.readings_per_message):
            unit = number % load.units
            # Paced messages bear the moment they are sent; unpaced ones only need to differ.
            ts_ms = clock_ms() if load.rate_per_s else first_ms + number // load.units
            ts_ms = last_ms[unit] = max(ts_ms, last_ms.get(unit, 0) + 1)
            topic, values = bodies[unit]
            readings.append((topic, f'"ts":{ts_ms},"values":{values}}}'))
            number += 1
        if load.readings_per_message == 1:
            topic, reading = readings[0]
            yield topic, "{" + reading
        else:
            named = []
            for topic, reading in readings:
                _, _, _, kind, name, _ = topic.split("/")
                named.append(f'{{"kind":"{kind}","unit":"{name}",{reading}')
            yield "liandong/v1/bench/gateway/load/telemetry", f"[{','.join(named)}]"


def _wait_until(moment_s: float, monotonic_s: Callable[[], float], connection: socket.socket) -> None:
    while (left := moment_s - monotonic_s()) > 0:
        select.select([], [], [], min(left, 0.01))


def _is_readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def _connect_packet(client_id: str) -> bytes:
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + _text(client_id)
    return b"\x10" + _length(len(body)) + body


def _publish_packet(topic: str, payload: str, qos: int, packet_id: int) -> bytes:
    body = _text(topic) + (struct.pack(">H", packet_id) if qos else b"") + payload.encode()
    return bytes([0x30 | qos << 1]) + _length(len(body)) + body


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)
