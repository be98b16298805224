"""How often guessing may fail, at the edges of the window."""

import pytest

from api.errors import TooManyAttempts
from api.sign_in_limit import (
    FAILURES_OF_ADDRESS,
    FAILURES_OF_NAME,
    FAILURES_OF_PAIR,
    MAX_KEYS,
    WINDOW_MS,
    SignInLimit,
)


def fail(limit: SignInLimit, times: int, *, address: str = "192.0.2.1", name: str = "chen", now_ms: int = 0) -> None:
    for _ in range(times):
        limit.check(address=address, name=name, now_ms=now_ms)
        limit.failed(address=address, name=name, now_ms=now_ms)


def test_the_window_slides() -> None:
    limit = SignInLimit()
    fail(limit, 1)
    fail(limit, FAILURES_OF_PAIR - 1, now_ms=1_000)
    with pytest.raises(TooManyAttempts) as refused:
        limit.check(address="192.0.2.1", name="chen", now_ms=2_000)
    assert refused.value.retry_after_s == WINDOW_MS // 1000 - 2
    fail(limit, 1, now_ms=WINDOW_MS)
    with pytest.raises(TooManyAttempts):
        limit.check(address="192.0.2.1", name="chen", now_ms=WINDOW_MS + 1)


def test_many_names_from_one_address_are_guessing_too() -> None:
    limit = SignInLimit()
    for number in range(FAILURES_OF_ADDRESS):
        fail(limit, 1, name=f"name-{number}")
    with pytest.raises(TooManyAttempts):
        limit.check(address="192.0.2.1", name="another", now_ms=0)
    limit.check(address="192.0.2.2", name="another", now_ms=0)


def test_many_addresses_for_one_name_are_guessing_too() -> None:
    limit = SignInLimit()
    for number in range(FAILURES_OF_NAME):
        fail(limit, 1, address=f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts):
        limit.check(address="198.51.100.1", name="CHEN", now_ms=0)


def test_a_host_cannot_hide_among_its_own_ipv6_addresses() -> None:
    limit = SignInLimit()
    for number in range(FAILURES_OF_PAIR):
        fail(limit, 1, address=f"2001:db8::{number:x}")
    with pytest.raises(TooManyAttempts):
        limit.check(address="2001:db8::ffff", name="chen", now_ms=0)
    limit.check(address="2001:db8:0:1::1", name="chen", now_ms=0)


def test_who_signs_in_is_forgiven_but_the_address_is_not() -> None:
    limit = SignInLimit()
    failed = 0
    while failed < FAILURES_OF_ADDRESS:
        # One account of the guesser's own must not buy new guesses at the others.
        fail(limit, 1, name="victim" if failed % 2 else "own")
        failed += 1
        limit.succeeded(address="192.0.2.1", name="own")
        limit.succeeded(address="192.0.2.1", name="victim")
    with pytest.raises(TooManyAttempts):
        limit.check(address="192.0.2.1", name="own", now_ms=0)


def test_strangers_cannot_fill_the_memory() -> None:
    limit = SignInLimit()
    for number in range(MAX_KEYS):
        limit.failed(address=f"address-{number}", name=f"name-{number}", now_ms=0)
    assert len(limit._failures) == MAX_KEYS
