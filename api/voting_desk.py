"""The door for owners who vote by a personal link: how often an address may come, codes, receipts, counted refusals."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from api.report_desk import ALPHABET, AddressLimit, draw_code
from governance.ballot import count_refusal
from governance.vote_errors import BallotRefused
from registry.database import Database

RECEIPT_LENGTH = 20
LOOKS_OF_ADDRESS = 240
LOOKS_WINDOW_MS = 60_000
BALLOTS_OF_ADDRESS = 60
"""A household, and a desk in the compound's office from which neighbours vote one after the other."""
BALLOTS_WINDOW_MS = 60_000


def draw_link_code() -> str:
    """About 99 bits."""
    return draw_code()


def draw_receipt() -> str:
    """About 99 bits, in groups that can be read aloud."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(RECEIPT_LENGTH))
    return grouped(drawn)


def grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def as_code(text: str) -> str:
    """A code or receipt as it was drawn, of what a person typed, without its groups."""
    return "".join(sign for sign in text.upper() if sign in ALPHABET)[:RECEIPT_LENGTH]


def as_receipt(text: str) -> str:
    return grouped(as_code(text))


@contextmanager
def counting_refusals(database: Database) -> Iterator[None]:
    """Counts a refused ballot after its own transaction was undone, and lets the refusal go on."""
    try:
        yield
    except BallotRefused as refused:
        with database.writing() as session:
            count_refusal(session, refused)
        raise


@dataclass(frozen=True, slots=True)
class VotingDesk:
    """Counts by address live in the memory of one process: they slow a flood down, no truth depends on them."""

    ballots: AddressLimit = field(default_factory=lambda: AddressLimit(BALLOTS_OF_ADDRESS, BALLOTS_WINDOW_MS))
    looks: AddressLimit = field(default_factory=lambda: AddressLimit(LOOKS_OF_ADDRESS, LOOKS_WINDOW_MS))
    notices: AddressLimit = field(default_factory=lambda: AddressLimit(LOOKS_OF_ADDRESS, LOOKS_WINDOW_MS))
