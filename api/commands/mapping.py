"""Checks a mapping file, and shows what its rules make of a message."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.errors import Unreadable
from ingest.foreign import RuleBook
from ingest.mapping_file import MappingRefused, Rules, load_rules
from ingest.wire import RawMessage, decode_batch
from models.event_codes import states_in, status_point


class MappingFailed(Exception):
    """A file that cannot be meant, or a message that its rules cannot take; one line says why."""


def check(path: Path) -> Rules:
    try:
        return load_rules(path)
    except OSError as error:
        raise MappingFailed(f"{path}: {error.strerror}") from error
    except MappingRefused as error:
        raise MappingFailed(f"{path}: {error}") from error


def tried(path: Path, *, topic: str, payload: bytes, now_ms: int) -> list[str]:
    """One JSON line for each reading and event that comes out."""
    check(path)
    book = RuleBook(path)
    book.refresh()
    message = RawMessage(topic, payload, now_ms)
    try:
        said = book.read(message)
    except Unreadable as error:
        raise MappingFailed(f"{error.reason.value}: {error.detail}") from error
    decoded = decode_batch([message], book.read)
    if decoded.rejected:
        raise MappingFailed(f"{decoded.rejected[0].reason.value}: {decoded.rejected[0].detail}")
    lines: list[dict[str, Any]] = []
    for unit, ts_ms, values in said.readings:
        line: dict[str, Any] = {"site": unit.site, "kind": unit.kind.value, "unit": unit.unit, "ts": _told(ts_ms)}
        line["values"] = values
        states = {
            point or "the system": sorted(states_in(int(value)))
            for name, value in values.items()
            if (point := status_point(name)) is not None
        }
        if states:
            line["states"] = states
        lines.append(line)
    for event in said.events:
        told = {
            "site": event.unit.site,
            "kind": event.unit.kind.value,
            "unit": event.unit.unit,
            "ts": _told(event.ts_ms),
        }
        lines.append(told | {"event": event.code, "on": event.is_on, "point": event.point})
    return [json.dumps(line, ensure_ascii=False) for line in lines]


def _told(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="milliseconds")
