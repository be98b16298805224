"""The program itself, as a process of its own, started as a person would start it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Protocol

from tests.servers.child import tail

ROOT = Path(__file__).parents[2]
READY = re.compile(r"ready (.+)")


class LiandongProcess:
    """`python -m api.command_line ARGUMENTS`; `settings` are those of the environment, without their prefix.

    Unless told otherwise it keeps everything in `directory/var` and takes free ports; it knows neither the settings of
    whoever runs the tests nor their `.env` file.
    """

    def __init__(
        self, *arguments: str, directory: Path, number: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        self.arguments = arguments
        self.data_dir = Path((settings or {}).get("DATA_DIR", directory / "var"))
        self._stderr = directory / f"liandong-{number}.stderr"
        told = {"DATA_DIR": str(self.data_dir), "HTTP_PORT": "0", "MQTT_URL": "embedded://127.0.0.1:0"}
        # An empty one is not set at all, so that a file of secrets may name it.
        told = {name: value for name, value in (told | dict(settings or {})).items() if value}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIANDONG_")}
        with self._stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.command_line", *arguments],
                env={
                    **inherited,
                    **{f"LIANDONG_{name}": value for name, value in told.items()},
                    "PYTHONPATH": str(ROOT),
                },
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self, *, within_s: float) -> None:
        """Returns when it has printed `ready …`; AssertionError with its errors when it ends or takes longer."""
        end = monotonic() + within_s
        with self._news:
            while self._ready_line() is None:
                self._news.wait(0.1)
                if self._ready_line() is None and not self._reader.is_alive():
                    raise AssertionError(f"{self!r} ended with {self.process.wait(15)}: {self.stderr_text()}")
                if monotonic() > end:
                    raise AssertionError(f"{self!r} was not ready within {within_s:g} s: {tail(self._stderr)}")

    def wait(self, *, within_s: float) -> int:
        """The exit status of a command that ends by itself."""
        status = self.process.wait(within_s)
        self._reader.join(within_s)
        return status

    def stop(self, *, within_s: float = 20.0) -> None:
        """SIGTERM, on which it must end with exit status 0."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self!r} did not end within {within_s:g} s of SIGTERM: {tail(self._stderr)}"
            ) from None
        assert status == 0, f"{self!r} ended with {status}: {tail(self._stderr)}"

    def kill(self) -> None:
        """SIGKILL to it alone, as a crash would; what it started must end by itself."""
        self.process.kill()
        self.process.wait(15)

    def clear_away(self) -> None:
        """Kills whatever is left of it, its own child processes included."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(15)

    @property
    def http_url(self) -> str:
        return self._url("http://")

    @property
    def mqtt_url(self) -> str:
        return self._url("mqtt://")

    def stdout_lines(self) -> list[str]:
        with self._news:
            return list(self._lines)

    def stderr_text(self) -> str:
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def _ready_line(self) -> str | None:
        return next((line for line in self._lines if READY.fullmatch(line)), None)

    def _url(self, scheme: str) -> str:
        words = (self._ready_line() or "").split()
        found = [word for word in words if word.startswith(scheme)]
        assert found, f"{self!r} told no {scheme} address: {words}"
        return found[0]

    def __repr__(self) -> str:
        return f"liandong {' '.join(self.arguments)}"


class StartLiandong(Protocol):
    """What the fixture `liandong_process` is."""

    def __call__(
        self, *arguments: str, settings: dict[str, str] | None = None, ready_within_s: float | None = 60
    ) -> LiandongProcess: ...
