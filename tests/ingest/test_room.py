"""How full the outbox may be: loud in time, closed when full, and no fluttering in between."""

import pytest

from ingest.room import Room, room_left

MOST_BYTES = 1000


@pytest.mark.parametrize(
    ("size_bytes", "before", "expected"),
    [
        (0, Room.AMPLE, Room.AMPLE),
        (799, Room.AMPLE, Room.AMPLE),
        (800, Room.AMPLE, Room.SCARCE),
        (999, Room.AMPLE, Room.SCARCE),
        (1000, Room.AMPLE, Room.NONE),
        (5000, Room.SCARCE, Room.NONE),
        (960, Room.NONE, Room.NONE),
        (950, Room.NONE, Room.SCARCE),
        (760, Room.SCARCE, Room.SCARCE),
        (750, Room.SCARCE, Room.AMPLE),
        (0, Room.NONE, Room.AMPLE),
    ],
)
def test_what_is_left(size_bytes: int, before: Room, expected: Room) -> None:
    assert room_left(size_bytes, most_bytes=MOST_BYTES, before=before) is expected
