"""`liandong simulate`: a scenario published to a broker in step with the clock, or written to a file at once."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from simulators.errors import NothingToDo, StartsInFuture
from simulators.message import Message
from simulators.pace import Pace, live_start_ms, wait_until
from simulators.plan import LiftRate, with_plan
from simulators.publish import BrokerOutlet, FileOutlet, Outlet
from simulators.resize import with_units
from simulators.scenario import Scenario, load_scenario, scenario_names
from simulators.stopping import stop_on_signals
from simulators.truth import staged_faults, write_truth
from simulators.world import World

PLANNED_S = 366 * 86_400.0
"""Of a run without an end so much is planned."""
Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was said in a run; history is part of it."""

    messages: int
    values: int
    units: int
    live_ms: int
    was_stopped: bool


def scenario_titles() -> dict[str, str]:
    """Names of the scenarios that come with the program, with one line on each."""
    return {name: load_scenario(name).title for name in scenario_names()}


def simulate(
    scenario_name: str,
    *,
    seed: int = 1,
    speed: float = 1.0,
    units: int | None = None,
    duration_s: float | None = None,
    broker_url: str | None = None,
    out_path: Path | None = None,
    truth_path: Path | None = None,
    start_ms: int | None = None,
    history_s: float = 0.0,
    should_stop: Callable[[], bool] | None = None,
    clock_ms: Callable[[], int] = lambda: time_ns() // 1_000_000,
) -> Simulated:
    """Runs a scenario until its end, or until told to stop; without `should_stop` SIGINT and SIGTERM tell it.

    To a file it takes the scenario's own duration unless told otherwise, to a broker it goes on for ever. Raises
    SimulatorError, ingest.mqtt.BrokerUnreachable, OSError.
    """
    if (broker_url is None) == (out_path is None):
        raise NothingToDo("name either a broker or a file")
    scenario = load_scenario(scenario_name)
    if units is not None and units != len(scenario.register):
        scenario = with_units(scenario, units)
    with ExitStack() as stack:
        stops = should_stop or stack.enter_context(stop_on_signals())
        if out_path is not None:
            file = stack.enter_context(FileOutlet(out_path))
            run = _Run(scenario, file, seed=seed, truth_path=truth_path, should_stop=stops)
            begins_ms = scenario.start_ms if start_ms is None else start_ms
            run.to_file(begins_ms, scenario.duration_s if duration_s is None else duration_s, history_s=history_s)
        else:
            assert broker_url is not None
            now_ms = clock_ms()
            begins_ms = live_start_ms(now_ms, speed=speed, duration_s=duration_s) if start_ms is None else start_ms
            if begins_ms > now_ms:
                raise StartsInFuture((begins_ms - now_ms) / 1000)
            client_id = f"liandong-simulator-{os.getpid()}-{now_ms}"
            broker = stack.enter_context(BrokerOutlet(broker_url, client_id=client_id, should_stop=stops))
            run = _Run(scenario, broker, seed=seed, truth_path=truth_path, should_stop=stops)
            run.to_broker(
                begins_ms, duration_s, speed=speed, history_s=history_s, clock_ms=clock_ms, is_now=start_ms is None
            )
        return run.result()


class _Run:
    """One run: a world, where its messages go, and the counts."""

    def __init__(
        self,
        scenario: Scenario,
        outlet: Outlet,
        *,
        seed: int,
        truth_path: Path | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self._scenario, self._outlet, self._seed = scenario, outlet, seed
        self._truth_path, self._should_stop = truth_path, should_stop
        self._messages = self._values = self._live_ms = 0
        self._was_stopped = False
        self._rates: list[LiftRate] = []

    def result(self) -> Simulated:
        return Simulated(self._messages, self._values, len(self._scenario.register), self._live_ms, self._was_stopped)

    def to_file(self, live_ms: int, duration_s: float, *, history_s: float) -> None:
        self._draw_plan(live_ms, duration_s)
        world = self._world(live_ms, history_s)
        self._say_history(world, live_ms)
        end_ms = live_ms + round(duration_s * 1000)
        self._begin(world, live_ms, end_ms)
        with _progress("simulating", total=duration_s) as tick:
            while world.now_ms < end_ms and not self._is_stopped():
                for message in world.next_interval():
                    if message.ts_ms < end_ms:
                        self._say(message)
                tick(min((world.now_ms - live_ms) / 1000, duration_s))

    def to_broker(
        self,
        begins_ms: int,
        duration_s: float | None,
        *,
        speed: float,
        history_s: float,
        clock_ms: Callable[[], int],
        is_now: bool,
    ) -> None:
        self._draw_plan(begins_ms, PLANNED_S if duration_s is None else duration_s)
        world = self._world(begins_ms, history_s)
        began_ms = clock_ms()
        self._say_history(world, begins_ms)
        # History took its time: live time begins only now, and so do the faults.
        live_ms = begins_ms + (clock_ms() - began_ms) if is_now and speed <= 1 else begins_ms
        pace = Pace(live_ms, clock_ms(), speed)
        end_ms = None if duration_s is None else live_ms + round(duration_s * 1000)
        self._begin(world, live_ms, end_ms)
        while (end_ms is None or world.now_ms < end_ms) and not self._is_stopped():
            for message in world.next_interval():
                if end_ms is not None and message.ts_ms >= end_ms:
                    break
                if not wait_until(pace.due_ms(message.ts_ms), clock_ms=clock_ms, should_stop=self._should_stop):
                    break
                self._say(message)
        if self._is_stopped():
            # The compound goes because somebody ended it. A run that comes to its end says nothing about its units.
            for message in world.farewell(min(clock_ms(), world.now_ms)):
                self._say(message)

    def _draw_plan(self, live_ms: int, duration_s: float) -> None:
        self._scenario, self._rates = with_plan(self._scenario, seed=self._seed, live_ms=live_ms, duration_s=duration_s)

    def _world(self, live_ms: int, history_s: float) -> World:
        return World(self._scenario, seed=self._seed, start_ms=live_ms - round(history_s * 1000))

    def _begin(self, world: World, live_ms: int, end_ms: int | None) -> None:
        self._live_ms = live_ms
        if self._truth_path is not None:
            staged = staged_faults(self._scenario, live_ms=live_ms, end_ms=end_ms)
            write_truth(self._truth_path, staged, site=self._scenario.site, rates=self._rates)
        for message in world.begin(live_ms):
            self._say(message)

    def _say_history(self, world: World, until_ms: int) -> None:
        total_s = (until_ms - world.now_ms) / 1000
        if total_s <= 0:
            return
        with _progress("history", total=total_s * len(world.unit_keys)) as tick:
            for said_s, message in world.history(until_ms):
                if self._is_stopped():
                    return
                self._say(message)
                tick(said_s)

    def _say(self, message: Message) -> None:
        self._outlet.send(message)
        self._messages += 1
        self._values += message.value_count

    def _is_stopped(self) -> bool:
        self._was_stopped = self._was_stopped or self._should_stop()
        return self._was_stopped


@contextmanager
def _progress(title: str, *, total: float) -> Iterator[Tick]:
    """A progress bar for a person at a terminal, and nothing else."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
