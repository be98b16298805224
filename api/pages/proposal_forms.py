"""What people type into the forms of proposals: money in yuan, days, and choices, read strictly."""

import re
from datetime import date
from enum import StrEnum
from typing import TypeVar

from api.translations import msgid
from governance.errors import InvalidProposal
from governance.execution import yuan

_YUAN = re.compile(r"(-?)([0-9]{1,11})(?:\.([0-9]{1,2}))?", re.ASCII)
NO_AMOUNT = msgid("must be an amount in yuan, like 1234.50")
NO_DAY = msgid("must be a day, like 2026-03-01")
NO_CHOICE = msgid("must be one of those offered")
Choice = TypeVar("Choice", bound=StrEnum)


def read_fen(field: str, text: str) -> int:
    """Yuan as people write them, with separators or without, in fen. Raises InvalidProposal.

    >>> read_fen("amount", " 1,234.5 "), read_fen("amount", "８0")
    (123450, 8000)
    """
    plain = text.strip()[:30].replace(",", "").replace("，", "").replace(" ", "")
    plain = "".join(chr(ord(sign) - 0xFEE0) if "０" <= sign <= "９" else sign for sign in plain)
    match = _YUAN.fullmatch(plain)
    if match is None:
        raise InvalidProposal(field, NO_AMOUNT)
    fen = int(match[2]) * 100 + int((match[3] or "").ljust(2, "0"))
    return -fen if match[1] else fen


def read_day(field: str, text: str) -> date:
    """Raises InvalidProposal."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError as error:
        raise InvalidProposal(field, NO_DAY) from error


def optional_day(field: str, text: str) -> date | None:
    return read_day(field, text) if text.strip() else None


def read_choice(field: str, kind: type[Choice], text: str) -> Choice:
    """Raises InvalidProposal."""
    found = next((each for each in kind if each.value == text), None)
    if found is None:
        raise InvalidProposal(field, NO_CHOICE)
    return found


def number_or_none(text: str) -> int | None:
    return int(text[:18]) if text.isascii() and text.isdigit() else None


def yuan_typed(fen: int) -> str:
    """An amount as it stands in a form."""
    return yuan(fen).replace(",", "")
