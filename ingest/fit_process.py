"""A process of the least priority that fits models beside the ingest; it ends when its input closes.

Fitting takes seconds and holds the interpreter lock; in a process of its own it cannot hold up an alarm. A request is a
pickled job and the answer a pickled result, each after eight bytes of its length: both ends are this program.
"""

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO

from ingest.fit_job import Job, JobResult, do_job

NICENESS = 19
HEADER = struct.Struct("!Q")
END_S = 2.0


class FittingEnded(Exception):
    """The process was stopped, or died, with a job under way."""


class LowPriorityProcess:
    """Runs one job after the other in a child that exists only while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def run(self, jobs: Iterable[Job]) -> Iterator[JobResult]:
        """Results in the order of the jobs. Raises FittingEnded."""
        try:
            for job in jobs:
                yield self._ask(job)
        finally:
            self._end()

    def stop(self) -> None:
        """From any thread: the job under way is given up."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _ask(self, job: Job) -> JobResult:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _write(process.stdin, pickle.dumps(job))
            answer = _read(process.stdout)
        except OSError as error:
            raise FittingEnded from error
        if answer is None:
            raise FittingEnded
        result = pickle.loads(answer)  # noqa: S301  from our own child
        assert isinstance(result, JobResult)
        return result

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise FittingEnded
            if self._process is None:
                # A session of its own: Ctrl-C reaches us, and we end it in order.
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "ingest.fit_process"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    os.nice(NICENESS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (request := _read(source)) is not None:
        _write(sink, pickle.dumps(do_job(pickle.loads(request))))  # noqa: S301  from our own parent


def _write(stream: IO[bytes], content: bytes) -> None:
    stream.write(HEADER.pack(len(content)))
    stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    """None where the stream has ended."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    content = stream.read(HEADER.unpack(header)[0])
    return content if len(content) == HEADER.unpack(header)[0] else None


if __name__ == "__main__":
    main()
