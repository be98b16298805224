"""Version 2's way in to an influxd 1.6: `/api/v2/write` becomes `/write`, a token is asked for, faults are made."""

import http.client
import json
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers.child import LOOPBACK, free_port

PRECISION_OF_VERSION_1 = {"ns": "n", "us": "u", "ms": "ms", "s": "s"}
OPEN_TO_ALL = frozenset({"/ping", "/health", "/ready"})
PASSED_HEADERS = ("Content-Type", "Content-Encoding", "Accept")
ENGINE_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server does wrong; `status` is that of a refusal, `delay_s` how long it takes over everything."""

    way: Literal["refuse", "hang", "lose the answer", "be unreachable", "be slow"]
    status: int = 503
    delay_s: float = 0.0


class InfluxFront:
    """Serves on a port of its own until closed; `take_on` makes it faulty, or sound again with None."""

    def __init__(self, *, engine_port: int, token: str) -> None:
        self.engine_port = engine_port
        self.token = token
        self.fault: Fault | None = None
        self.port = free_port()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._fault_over = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._listen()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def take_on(self, fault: Fault | None) -> None:
        had, self.fault = self.fault, fault
        if fault is not None and fault.way == "be unreachable":
            self._close_listener()
            self._cut_connections()
        elif had is not None and had.way == "be unreachable":
            self._listen()
        self._fault_over.set()
        self._fault_over = threading.Event()

    def hang(self, most_s: float = ENGINE_TIMEOUT_S) -> None:
        """Returns when the fault is over."""
        self._fault_over.wait(most_s)

    def remember(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def close(self) -> None:
        self._fault_over.set()
        self._close_listener()
        self._cut_connections()

    def _listen(self) -> None:
        handler = type("Handler", (_Handler,), {"front": self})
        self._server = _Server((LOOPBACK, self.port), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _close_listener(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # gone already


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    front: InfluxFront

    def setup(self) -> None:
        super().setup()
        self.front.remember(self.connection)

    def finish(self) -> None:
        self.front.forget(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent: what matters is asserted."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.front.fault
        path = urlsplit(self.path).path
        if fault is not None and fault.way == "be slow":
            self.front.hang(fault.delay_s)
        if fault is not None and fault.way == "hang":
            self.front.hang()
            self.close_connection = True
        elif fault is not None and fault.way == "refuse":
            self._answer_error(fault.status, "unavailable", "told to refuse")
        elif path not in OPEN_TO_ALL and self.headers.get("Authorization") != f"Token {self.front.token}":
            self._answer_error(401, "unauthorized", "unauthorized access")
        elif path in ("/health", "/ready"):
            self._answer_json(200, {"name": "influxdb", "status": "pass", "version": self._engine_version()})
        elif path == "/api/v2/write":
            self._pass_on(f"/write?{self._version_1_query()}", body)
        elif path in ("/query", "/ping"):
            self._pass_on(self.path, body)
        else:
            self._answer_error(404, "not found", f"path not found: {path}")

    def _version_1_query(self) -> str:
        query = parse_qs(urlsplit(self.path).query)
        precision = PRECISION_OF_VERSION_1[query.get("precision", ["ns"])[0]]
        return urlencode({"db": query["bucket"][0], "precision": precision})

    def _pass_on(self, target: str, body: bytes) -> None:
        status, headers, content = self._ask_engine(target, body)
        fault = self.front.fault
        if fault is not None and fault.way == "lose the answer":
            self.close_connection = True
            return
        self._answer(status, headers, content)

    def _ask_engine(self, target: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        engine = http.client.HTTPConnection(LOOPBACK, self.front.engine_port, timeout=ENGINE_TIMEOUT_S)
        headers = {name: self.headers[name] for name in PASSED_HEADERS if name in self.headers}
        try:
            engine.request(self.command, target, body=body or None, headers=headers)
            answer = engine.getresponse()
            kept = {
                name: answer.headers[name] for name in ("Content-Type", "X-Influxdb-Version") if answer.headers[name]
            }
            return answer.status, kept, answer.read()
        finally:
            engine.close()

    def _engine_version(self) -> str:
        return self._ask_engine("/ping")[1].get("X-Influxdb-Version", "")

    def _answer_error(self, status: int, code: str, message: str) -> None:
        self._answer_json(status, {"code": code, "message": message})

    def _answer_json(self, status: int, content: dict[str, str]) -> None:
        self._answer(status, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
