"""The keeper of the store: works until nothing is left, outlives failures, and ends when told."""

from collections.abc import Callable

import pytest

from ingest import store_keeper
from ingest.store_keeper import StoreKeeper
from ingest.stores.contract import StoreUnavailable
from tests.ingest.line import FragileStore
from tests.waiting import wait_until


class Upkept(FragileStore):
    """Answers each step with what is next in the list."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.times: list[int] = []

    def maintain(self, *, now_ms: int) -> bool:
        self.times.append(now_ms)
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_keeper, "PAUSE_S", 0.0)


def counting() -> Callable[[], int]:
    times = iter(range(10**9))
    return lambda: next(times)


@pytest.mark.parametrize("failure", [StoreUnavailable("s", "away"), ZeroDivisionError("a defect")])
def test_it_works_until_nothing_is_left_and_outlives_failures(failure: Exception) -> None:
    store = Upkept(True, failure, True, True, False)
    keeper = StoreKeeper(store=store, clock=counting(), every_s=0.01)
    keeper.start()
    try:
        wait_until(lambda: len(store.times) > 8, within_s=20, what="the keeper goes on")
    finally:
        keeper.stop()
    assert store.answers == []
    assert store.times == sorted(store.times)
    steps = len(store.times)
    keeper.stop()
    assert len(store.times) == steps


def test_a_keeper_that_never_ran_can_be_told_to_end() -> None:
    StoreKeeper(store=Upkept(), clock=counting()).stop()
