"""A scenario published live keeps step with the clock, brings its history first, and goes in order."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from time import time_ns

import pytest

from ingest.broker import EmbeddedBroker
from ingest.mqtt import BrokerUnreachable
from simulators.errors import StartsInFuture, UnknownScenario
from simulators.pace import CATCH_UP_FROM_S, Pace, live_start_ms
from simulators.run import Simulated, simulate
from tests.servers.child import free_port
from tests.servers.liandong import StartLiandong
from tests.simulators.hearing import Listener, listening
from tests.waiting import wait_until

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def never() -> bool:
    return False


def real_ms() -> int:
    return time_ns() // 1_000_000


def test_at_its_own_pace_a_moment_is_due_when_it_happens() -> None:
    pace = Pace(NOW_MS, NOW_MS, 1.0)
    assert pace.due_ms(NOW_MS + 12_345) == NOW_MS + 12_345


def test_fast_time_never_overtakes_the_clock_and_then_keeps_step() -> None:
    pace = Pace(live_start_ms(NOW_MS, speed=10, duration_s=None), NOW_MS, 10.0)
    assert pace.sim_ms == NOW_MS - CATCH_UP_FROM_S * 1000
    assert pace.due_ms(pace.sim_ms + 10_000) == NOW_MS + 1_000
    caught_up = NOW_MS + DAY_MS / 9
    assert pace.due_ms(caught_up) == pytest.approx(caught_up, abs=1, rel=0)
    assert pace.due_ms(caught_up + 60_000) == pytest.approx(caught_up + 60_000, abs=1, rel=0)


@pytest.mark.parametrize("speed", [1.0, 2.0, 60.0, 1000.0])
def test_a_run_of_fixed_length_ends_about_now(speed: float) -> None:
    start_ms = live_start_ms(NOW_MS, speed=speed, duration_s=3600)
    pace = Pace(start_ms, NOW_MS, speed)
    end_ms = start_ms + 3_600_000
    assert pace.due_ms(end_ms) == pytest.approx(NOW_MS + 3_600_000 / speed, abs=2, rel=0)
    assert pace.due_ms(end_ms) >= end_ms - 1


def test_slow_time_falls_behind() -> None:
    pace = Pace(live_start_ms(NOW_MS, speed=0.5, duration_s=3600), NOW_MS, 0.5)
    assert pace.due_ms(NOW_MS + 1000) == NOW_MS + 2000


class Live:
    """A run in a thread of its own, until it is stopped."""

    def __init__(self, **options: object) -> None:
        self._stop = threading.Event()
        self.result: Simulated | None = None

        def run() -> None:
            self.result = simulate("quiet-day", should_stop=self._stop.is_set, **options)  # type: ignore[arg-type]

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def stop(self) -> Simulated:
        self._stop.set()
        self._thread.join(30)
        assert self.result is not None
        return self.result


@pytest.fixture
def listener(embedded_broker: EmbeddedBroker) -> Iterator[Listener]:
    with listening(embedded_broker.url) as opened:
        yield opened


def test_nothing_is_said_before_it_happens(listener: Listener, embedded_broker: EmbeddedBroker) -> None:
    run = Live(broker_url=embedded_broker.url, units=5)
    try:
        listener.wait_for(7)
        latest_ms = max(json.loads(payload)["ts"] for _, payload, _ in listener.came)
        assert latest_ms <= real_ms()
    finally:
        result = run.stop()
    assert result.was_stopped


def test_all_units_say_that_they_are_there_and_that_they_go(
    listener: Listener, embedded_broker: EmbeddedBroker
) -> None:
    run = Live(broker_url=embedded_broker.url, units=5)
    listener.wait_for(5)
    run.stop()
    wait_until(lambda: sum(b'"online":false' in p for _, p, _ in listener.came) == 5, within_s=10, what="all went")
    for statuses in listener.heard.statuses.values():
        assert [status["online"] for status in statuses] == [True, False]
        assert statuses[0]["ts"] <= statuses[1]["ts"] <= real_ms()


def test_history_comes_before_live_time_and_leaves_no_gap(listener: Listener, embedded_broker: EmbeddedBroker) -> None:
    run = Live(broker_url=embedded_broker.url, units=4, history_s=7200)
    wait_until(
        lambda: sum(p.startswith(b"{") and b"values" in p for _, p, _ in listener.came) >= 1,
        within_s=30,
        what="a unit speaks live",
    )
    live_ms = run.stop().live_ms
    heard = listener.heard
    for unit in heard.readings:
        times = heard.times(unit)
        assert (times[1:] > times[:-1]).all()
        assert times[0] < live_ms - 6_800_000
        assert (times[1:] - times[:-1]).max() < 620_000


def test_a_fast_run_tells_all_of_its_time(listener: Listener, embedded_broker: EmbeddedBroker) -> None:
    began_ms = real_ms()
    done = simulate("quiet-day", units=4, speed=600, duration_s=1200, broker_url=embedded_broker.url, should_stop=never)
    took_ms = real_ms() - began_ms
    assert not done.was_stopped
    assert 1_800 < took_ms < 20_000
    listener.wait_for(done.messages)
    heard = listener.heard
    assert all(len(readings) == 120 for readings in heard.readings.values())
    newest_ms = max(int(heard.times(unit)[-1]) for unit in heard.readings)
    assert began_ms < newest_ms <= real_ms()
    # It came to its end; nobody took the units away.
    assert {status["online"] for statuses in heard.statuses.values() for status in statuses} == {True}


def test_a_start_in_the_future_is_refused(embedded_broker: EmbeddedBroker) -> None:
    with pytest.raises(StartsInFuture, match=r"60 s in the future"):
        simulate("quiet-day", broker_url=embedded_broker.url, start_ms=real_ms() + 60_500, should_stop=never)


def test_an_unknown_scenario_is_told_before_a_broker_is_asked() -> None:
    with pytest.raises(UnknownScenario):
        simulate("no-such-day", broker_url=f"mqtt://127.0.0.1:{free_port()}", should_stop=never)


def test_a_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(BrokerUnreachable):
        simulate("quiet-day", broker_url=f"mqtt://127.0.0.1:{free_port()}", should_stop=never)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_in_order_when_it_is_told_to(
    listener: Listener, embedded_broker: EmbeddedBroker, liandong_process: StartLiandong, number: signal.Signals
) -> None:
    process = liandong_process(
        "simulate", "quiet-day", "--units", "3", "--broker", embedded_broker.url, ready_within_s=None
    )
    listener.wait_for(3, within_s=60)
    process.process.send_signal(number)
    assert process.wait(within_s=20) == 0
    assert process.stderr_text() == ""
    assert sum(b'"online":false' in payload for _, payload, _ in listener.came) == 3


def test_the_command_tells_a_missing_broker_in_one_line(liandong_process: StartLiandong) -> None:
    port = free_port()
    process = liandong_process("simulate", "quiet-day", "--broker", f"mqtt://127.0.0.1:{port}", ready_within_s=None)
    assert process.wait(within_s=60) == 1
    assert process.stderr_text().count("\n") == 1
    assert f"127.0.0.1:{port} cannot be reached" in process.stderr_text()
    assert "Traceback" not in process.stderr_text()


def test_a_file_written_by_the_command_shows_no_progress_where_nobody_watches(
    tmp_path: Path, liandong_process: StartLiandong
) -> None:
    out = tmp_path / "said.jsonl"
    options = ("--out", str(out), "--duration", "60", "--history", "3600")
    process = liandong_process("simulate", "quiet-day", *options, ready_within_s=None)
    assert process.wait(within_s=60) == 0
    assert process.stderr_text() == ""
    assert out.stat().st_size > 10_000
