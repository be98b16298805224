"""Which columns of a block a detector is given."""

from collections.abc import Collection

import numpy as np

from models.equipment import METRICS
from models.reading import ReadingBlock


def channels_only(block: ReadingBlock, metrics: Collection[str] | None) -> ReadingBlock:
    """The block without counters, which only ever grow; if `metrics` are named only these, and rows that tell them."""
    known = METRICS[block.kind]
    kept = [
        c
        for c, name in enumerate(block.metrics)
        if (name in metrics if metrics is not None else name not in known or not known[name].is_counter)
    ]
    if len(kept) == len(block.metrics):
        return block
    names = tuple(block.metrics[c] for c in kept)
    chosen = block.values[:, kept]
    if metrics is not None:
        told = ~np.isnan(chosen).all(axis=1)
        return ReadingBlock(block.kind, names, block.units, block.unit_index[told], block.ts_ms[told], chosen[told])
    return ReadingBlock(block.kind, names, block.units, block.unit_index, block.ts_ms, chosen)
