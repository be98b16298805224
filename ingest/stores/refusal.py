"""What a store refuses, taken apart until nothing that it would take is refused with it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ingest.stores.contract import Refusal
from models.reading import Bools, ReadingBlock

INFINITE = "not a finite number"

# InfluxDB 1 and 2 say alike: "partial write: points beyond retention policy dropped=3".
_DROPPED = re.compile(r"partial write: .*\bdropped=(\d+)")
BEYOND_RETENTION = "beyond retention policy"

Send = Callable[[ReadingBlock], str | None]


def only(block: ReadingBlock, is_kept: Bools) -> ReadingBlock:
    """The block with only these cells, shape (n, m), and without the rows that have none of them left."""
    values = np.where(is_kept, block.values, np.nan)
    has_any: Bools = np.count_nonzero(~np.isnan(values), axis=1) > 0
    return replace(block, values=values).rows(has_any)


def without_infinite(blocks: Sequence[ReadingBlock]) -> tuple[list[ReadingBlock], list[Refusal]]:
    """What no engine takes, set apart from what every engine does."""
    finite, refusals = [], []
    for block in blocks:
        is_infinite = np.isinf(block.values)
        if is_infinite.any():
            refusals.append(Refusal(INFINITE, only(block, is_infinite)))
            block = only(block, ~is_infinite)
        finite.append(block)
    return finite, refusals


def taken_apart(block: ReadingBlock, send: Send) -> list[Refusal]:
    """Send a block in ever smaller parts, until what is refused stands alone.

    `send` tells why a part was refused, None when all of it was taken; to send a value twice must add nothing. Rows
    are cut in order of time, for what is too old is found together, and then in columns, for a field of a wrong type
    costs its whole row.
    """
    in_time = block.rows(np.argsort(block.ts_ms, kind="stable"))
    return list(_joined(_refusals(in_time, send)))


def _refusals(block: ReadingBlock, send: Send) -> Iterator[Refusal]:
    if not block.value_count:
        return
    reason = send(block)
    if reason is None:
        return
    reported = np.flatnonzero(~np.isnan(block.values).all(axis=0))
    found = _DROPPED.search(reason)
    is_all = found is not None and int(found[1]) >= len(block)
    if (is_all and (BEYOND_RETENTION in reason or len(reported) == 1)) or block.value_count == 1:
        yield Refusal(reason, block)
    elif len(block) > 1:
        half = len(block) // 2
        yield from _refusals(block.rows(np.arange(half)), send)
        yield from _refusals(block.rows(np.arange(half, len(block))), send)
    else:
        for column in reported.tolist():
            is_this = np.zeros(block.values.shape, np.bool_)
            is_this[:, column] = True
            yield from _refusals(only(block, is_this), send)


def _joined(refusals: Iterator[Refusal]) -> Iterator[Refusal]:
    """One refusal for each reason and channel set; what is told of single points is cut from the reason."""
    groups: dict[str, list[ReadingBlock]] = {}
    for refusal in refusals:
        groups.setdefault(_DROPPED_COUNT.sub("", refusal.reason), []).append(refusal.block)
    for reason, blocks in groups.items():
        yield Refusal(
            reason,
            replace(
                blocks[0],
                unit_index=np.concatenate([block.unit_index for block in blocks]),
                ts_ms=np.concatenate([block.ts_ms for block in blocks]),
                values=np.concatenate([block.values for block in blocks]),
            ),
        )


_DROPPED_COUNT = re.compile(r" dropped=\d+")
