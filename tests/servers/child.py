"""Servers as child processes that do not outlive the tests, however these end."""

import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

LOOPBACK = "127.0.0.1"
SETPRIV = shutil.which("setpriv")
TAIL_CHARACTERS = 2_000
STARTS = 5

_draw = random.SystemRandom()


class NotStarted(AssertionError):
    """A server ended or kept silent instead of serving; carries the end of its log."""


def free_port() -> int:
    """A port that nothing listens on.

    Below the range that the kernel takes for outgoing connections: a server that is stopped and started again must
    find its port still free.
    """
    for _ in range(200):
        port = _draw.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise NotStarted("no free port between 20000 and 32000")


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:] if path.exists() else ""


class Child:
    """One process with its output in a log file; killed by the kernel when the test process dies."""

    def __init__(
        self, command: Sequence[str | Path], *, log: Path, user: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        words = [str(word) for word in command]
        self.name = Path(words[0]).name
        self._log = log
        prefix: list[str] = []
        if user is not None:
            prefix = [SETPRIV or "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        if SETPRIV is not None:
            prefix = [*(prefix or [SETPRIV]), "--pdeathsig=KILL"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if env is None else {**os.environ, **env},
                cwd=log.parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_serving(self, is_serving: Callable[[], bool], *, within_s: float = 30.0) -> None:
        end = monotonic() + within_s
        while not is_serving():
            if not self.is_running:
                raise NotStarted(f"{self.name} ended with {self._process.returncode}:\n{tail(self._log)}")
            if monotonic() > end:
                self.kill()
                raise NotStarted(f"{self.name} did not serve within {within_s:g} s:\n{tail(self._log)}")
            sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 15.0) -> None:
        """Asks it to end; kills it when it does not."""
        if self.is_running:
            self.send(number)
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._process.kill()
        self._process.wait(15)


def started_on_a_free_port(start: Callable[[int], Child], is_serving: Callable[[int], bool]) -> tuple[Child, int]:
    """Starts a server on a port that was free a moment ago, and on another one if somebody was faster."""
    for left in reversed(range(STARTS)):
        port = free_port()
        child = start(port)
        try:
            child.wait_until_serving(lambda port=port: is_serving(port))  # type: ignore[misc]
        except NotStarted:
            if not left:
                raise
        else:
            return child, port
    raise NotStarted("unreachable")
