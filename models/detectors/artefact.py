"""A fitted model of one unit as bytes and back: plain arrays and a plain description, never an object to be run."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.detectors.contract import DetectorError, StateArrays

FORMAT = 1
MOST_BYTES = 64 << 20
"""Unpacked; the largest state (48 channels, 3 lags) is a thousandth of it."""


class ArtefactRefused(DetectorError):
    """Bytes that are no model of this program: damaged, foreign, or of another version."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"model refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FittedModel:
    """What a bank needs to go on judging a unit, and what the model was made of.

    The fit rows lie between `first_ms` and `last_ms`; `data_sha256` is over them. `arrays` is the detector's state,
    `reference` what `models.detectors.drift` remembers the fit rows by; models of earlier versions have none.
    """

    channels: tuple[str, ...]
    interval_ms: int
    longest_step_ms: int
    first_ms: int
    last_ms: int
    rows: int
    data_sha256: str
    constant: tuple[str, ...]
    missing: tuple[str, ...]
    arrays: StateArrays
    reference: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Artefact:
    """`sha256` binds the description to the arrays. Equal models give equal bytes."""

    description: Mapping[str, Any]
    arrays: bytes
    sha256: str


def pack(model: FittedModel) -> Artefact:
    """The model as JSON values and a NumPy archive without pickles."""
    arrays = pack_arrays(model.arrays)
    description = {
        "format": FORMAT,
        "channels": list(model.channels),
        "interval_ms": model.interval_ms,
        "longest_step_ms": model.longest_step_ms,
        "first_ms": model.first_ms,
        "last_ms": model.last_ms,
        "rows": model.rows,
        "data_sha256": model.data_sha256,
        "constant": list(model.constant),
        "missing": list(model.missing),
    }
    if model.reference is not None:
        description["reference"] = model.reference
    return Artefact(description, arrays, _digest(description, arrays))


def unpack(artefact: Artefact) -> FittedModel:
    """Raises ArtefactRefused; whether the arrays suit a detector is for the detector to say."""
    told = artefact.description
    if told.get("format") != FORMAT:
        raise ArtefactRefused(f"it has the format {told.get('format')!r}, this program reads {FORMAT}")
    if _digest(told, artefact.arrays) != artefact.sha256:
        raise ArtefactRefused("its content is not what its hash says")
    try:
        return FittedModel(
            channels=tuple(map(str, told["channels"])),
            interval_ms=int(told["interval_ms"]),
            longest_step_ms=int(told["longest_step_ms"]),
            first_ms=int(told["first_ms"]),
            last_ms=int(told["last_ms"]),
            rows=int(told["rows"]),
            data_sha256=str(told["data_sha256"]),
            constant=tuple(map(str, told["constant"])),
            missing=tuple(map(str, told["missing"])),
            arrays=_read_arrays(artefact.arrays),
            reference=told.get("reference"),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactRefused(f"it cannot be read ({type(error).__name__})") from error


def pack_arrays(arrays: StateArrays) -> bytes:
    """A NumPy archive without pickles. Equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{name: np.asarray(arrays[name]) for name in sorted(arrays)})
    return buffer.getvalue()


def unpack_arrays(packed: bytes) -> dict[str, npt.NDArray[Any]]:
    """What `pack_arrays` made. Raises ArtefactRefused."""
    try:
        return _read_arrays(packed)
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactRefused(f"it cannot be read ({type(error).__name__})") from error


def _read_arrays(packed: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise ArtefactRefused("its arrays are larger than any model")
    with np.load(io.BytesIO(packed), allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def _digest(description: Mapping[str, Any], arrays: bytes) -> str:
    text = json.dumps(description, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode() + b"\0" + arrays).hexdigest()
