"""Debian's Mosquitto: a broker with persistence that can be stopped, killed and started again on its port."""

import os
import signal
from pathlib import Path

from tests.left_out import program
from tests.servers.child import LOOPBACK, Child, answers, free_port
from tests.waiting import wait_until

CONFIGURATION = """
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {directory}/
autosave_interval 1
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
set_tcp_nodelay true
log_type error
log_type warning
log_type notice
{user}
"""


class Mosquitto:
    """`start`, `stop`, `kill` and `start` again: the port and what was kept on disk stay."""

    def __init__(self, directory: Path) -> None:
        self._program = program("mosquitto")
        self._directory = directory
        self._child: Child | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def log_file(self) -> Path:
        return self._directory / "mosquitto.log"

    def start(self) -> None:
        configuration = self._directory / "mosquitto.conf"
        # As root it would turn into a user of its own, who may not enter the directories of a test.
        user = "user root" if os.geteuid() == 0 else ""
        configuration.write_text(
            CONFIGURATION.format(port=self.port, host=LOOPBACK, directory=self._directory, user=user)
        )
        self._child = Child([self._program, "-c", configuration], log=self.log_file)
        self._child.wait_until_serving(lambda: answers(self.port))

    def stop(self) -> None:
        """An orderly end: what is queued is on disk."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """As a crash would: what came since the last save, at most about a second ago, is lost."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def pause(self) -> None:
        """It answers nobody until `resume`, and keeps its connections."""
        assert self._child is not None, "not running"
        self._child.send(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._child is not None, "not running"
        self._child.send(signal.SIGCONT)

    def save(self) -> None:
        """Returns when everything that is queued now is on disk."""
        assert self._child is not None, "not running"
        kept = self._directory / "mosquitto.db"
        kept.unlink(missing_ok=True)
        self._child.send(signal.SIGUSR1)
        # It writes a new file and renames it, so that a file that is there is complete.
        wait_until(kept.exists, within_s=10, what="Mosquitto has saved its queue")
