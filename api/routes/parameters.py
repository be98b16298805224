"""What requests may say, checked before a route sees it."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from api.instants import UnreadableInstant, read_instant

LARGEST_ID = 2**63 - 1
MOST_ITEMS = 500
DEFAULT_ITEMS = 100


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


AbsentIfEmpty = BeforeValidator(_absent_if_empty)
"""Some clients write `site=&kind=` for what they do not ask for."""

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
UnitPath = Annotated[str, Path(description="`{site}~{unit}`", max_length=129, examples=["xiaohe~b3-l1"])]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{0,18}$", description="`next` of the page before; absent or empty for the first page"),
]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="items at most")]


def _without_nul(text: str) -> str:
    # PostgreSQL keeps no NUL in text, and no person types one.
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_without_nul)]
"""What people wrote, without the space around it."""
Filter = Annotated[str | None, Query(max_length=200)]


def _instant(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableInstant("must be epoch milliseconds or look like 2026-11-23T10:00:00+08:00")
    return read_instant(value)


Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "format": "int64"}],
            "description": "RFC 3339 with offset, or epoch milliseconds",
        }
    ),
]
