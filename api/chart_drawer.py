"""Draws charts without holding up the process that serves pages and judges readings.

The library draws in a process of its own (`api/chart_process.py`), which is started when the first chart is wanted and
ends by itself when nobody wants one for a while, or when this process ends.
"""

import json
import selectors
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from api.charts import Chart, Size, chart_spec

DRAW_TIMEOUT_S = 20.0
# Whoever waits longer for his turn is better served with the table; the threads are needed for other pages.
TURN_TIMEOUT_S = 4.0
CACHED_CHARTS = 64
PROGRAM = Path(__file__).with_name("chart_process.py")
LOCALES = {"zh": "zh-CN", "en": "en-GB"}


class ChartUnavailable(Exception):
    """The chart could not be drawn; the values themselves are not in doubt."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"chart not drawn: {reason}")
        self.reason = reason


class Drawer:
    """The drawing process and the way to it: one chart at a time."""

    def __init__(self, program: Path = PROGRAM) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def draw(self, request: bytes) -> str:
        """The SVG of a request as `api/chart_process.py` reads it. Raises ChartUnavailable."""
        if not self._lock.acquire(timeout=TURN_TIMEOUT_S):
            raise ChartUnavailable("too many charts are wanted at once")
        try:
            try:
                return self._ask(request)
            except OSError:
                # It had ended for want of work, or died over an earlier chart: once more, with a new one.
                self._stop()
            return self._ask(request)
        except OSError as error:
            self._stop()
            raise ChartUnavailable(str(error)) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _ask(self, request: bytes) -> str:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter runs our own file
                # -I: neither the working directory nor this folder shadows the library's modules.
                [sys.executable, "-I", str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # An interrupt at the terminal is meant for us; the child ends when its input closes.
                start_new_session=True,
            )
        deadline = time.monotonic() + DRAW_TIMEOUT_S
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("!I", len(request)) + request)
        self._process.stdin.flush()
        is_drawn, length = struct.unpack("!BI", self._read(5, deadline))
        answer = self._read(length, deadline).decode(errors="replace")
        if not is_drawn:
            raise ChartUnavailable(answer)
        return answer

    def _read(self, count: int, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while len(received) < count:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._stop()
                    raise ChartUnavailable(f"no answer within {DRAW_TIMEOUT_S:g} s")
                part = self._process.stdout.read1(count - len(received))  # type: ignore[attr-defined]
                if not part:
                    raise BrokenPipeError("the drawing process has ended")
                received += part
        return bytes(received)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what could not be written any more is of no use to anybody
                    if pipe is not None:
                        pipe.close()
            process.wait()


_drawer = Drawer()


def draw_chart(chart: Chart, size: Size, *, language: str) -> str:
    """The chart as SVG without scripts, style attributes or outside references. Raises ChartUnavailable."""
    request = {"spec": chart_spec(chart, size), "locale": LOCALES.get(language, LOCALES["en"])}
    return _draw_cached(json.dumps(request, ensure_ascii=False, sort_keys=True))


@lru_cache(maxsize=CACHED_CHARTS)
def _draw_cached(request: str) -> str:
    return _drawer.draw(request.encode())
