"""A way between a client and a server that can be cut in the middle of whatever passes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.servers.child import LOOPBACK


class Cable:
    """Listens on a port of its own and passes everything on, until `cut`; then it takes new connections."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port = self._listening.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """What is on its way in either direction is gone."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            # Reset, not closed: neither side hears a word.
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection((LOOPBACK, self._server_port), timeout=10)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self.connections += 1
                with self._lock:
                    self._ends += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(4096):
            target.sendall(said)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def cable_to(server_port: int) -> Iterator[Cable]:
    cable = Cable(server_port)
    try:
        yield cable
    finally:
        cable.close()
