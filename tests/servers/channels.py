"""What stands at the other end of a channel, on loopback: one that answers, one that hangs, one that talks nonsense."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler


@dataclass
class Hook:
    """An HTTP server that keeps what it was sent. `status` is what it answers."""

    url: str = ""
    status: int = 200
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def hook() -> Iterator[Hook]:
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def accepting(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that accepts connections and does what it is told with each."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            held.append(connection)
            with suppress(OSError):
                answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in held:
            connection.close()


def hang(_connection: socket.socket) -> None:
    """Says nothing, and does not hang up."""


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\x00\xff nonsense \r\n\r\n" * 10)
    connection.close()


class _Kept(MessageHandler):
    def __init__(self, mails: list[Message]) -> None:
        super().__init__()
        self._mails = mails

    def handle_message(self, message: Message) -> None:
        self._mails.append(message)


@contextmanager
def mailbox() -> Iterator[tuple[int, list[Message]]]:
    """The port of a mail server, and the mails it took."""
    mails: list[Message] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(_Kept(mails), hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield port, mails
    finally:
        server.stop()
