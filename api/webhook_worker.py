"""Tells other systems what happens, each by a thread of its own, so that none waits for another.

An address is resolved here, and the connection goes to what was found: a name that is answered differently the second
time leads nowhere else. This machine and its neighbours by link are never reached, unless we serve this machine alone.
"""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
import urllib3

from alerts.webhook import Consignment, claim, due_webhooks, settle
from api.routes.presenting import activity_shape
from api.senders import (
    ANSWER_BYTES,
    CONNECT_S,
    READ_S,
    SECRET_SEPARATOR,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Outcome,
    signature,
)
from registry.channel import SealBroken, SecretBox
from registry.database import Database
from registry.errors import InvalidField

EVERY_S = 1.0
AT_ONCE = 16
MIN_SECRET_LENGTH = 16

log = structlog.get_logger(__name__)


class Unreachable(Exception):
    """An address that is not to be spoken to, or that nobody knows."""


def with_secret(box: SecretBox, sealed: str, secret: str) -> str:
    """The same address, sealed with another secret. Raises SealBroken and InvalidField."""
    return box.seal(checked_webhook(box.open(sealed).partition(SECRET_SEPARATOR)[0], secret))


def checked_webhook(url: str, secret: str) -> str:
    """Address and secret as they are sealed. Raises InvalidField; it does not repeat them."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or any(letter.isspace() for letter in url) or parts.username is not None:
        raise InvalidField("url", "must be an http or https address without a user name")
    if len(secret) < MIN_SECRET_LENGTH or SECRET_SEPARATOR in secret:
        raise InvalidField("secret", f"must have at least {MIN_SECRET_LENGTH} characters")
    return url + SECRET_SEPARATOR + secret


def resolved(host: str, port: int, *, may_reach_loopback: bool) -> str:
    """The address to connect to. Raises Unreachable."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise Unreachable("the name of the server is not known") from error
    for text in sorted(found):
        address = ipaddress.ip_address(text.partition("%")[0])
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_loopback and not may_reach_loopback:
            continue
        if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
            continue
        return text
    raise Unreachable("the server is this machine or its neighbour by link, which is not spoken to")


def post(url: str, secret: str, body: bytes, *, sent_ms: int, may_reach_loopback: bool) -> Outcome:
    """One signed request, without redirects; raises nothing."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    timestamp = str(sent_ms // 1000)
    headers = {
        "Content-Type": "application/json",
        "Host": parts.netloc,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: "v1=" + signature(secret, timestamp=timestamp, body=body),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    try:
        address = resolved(host, port, may_reach_loopback=may_reach_loopback)
        pool: urllib3.HTTPConnectionPool
        if is_tls:
            pool = urllib3.HTTPSConnectionPool(
                address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED"
            )
        else:
            pool = urllib3.HTTPConnectionPool(address, port)
        with pool:
            answer = pool.urlopen(
                "POST",
                path,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=timeout,
                preload_content=False,
                assert_same_host=False,
            )
            try:
                answer.read(ANSWER_BYTES)
            finally:
                answer.close()
        return Outcome(200 <= answer.status < 300, f"HTTP {answer.status}")
    except Unreachable as error:
        return Outcome(False, str(error))
    except Exception as error:
        # What it says may hold the address; its kind is enough.
        return Outcome(False, type(error).__name__)


def body_of(sent: Consignment) -> bytes:
    """What happened, without names of people and without what they wrote: it leaves the house."""
    events = [activity_shape(row, is_named=False).model_dump(mode="json", exclude_none=True) for row in sent.rows]
    return json.dumps({"webhook": sent.webhook_id, "events": events}, ensure_ascii=False).encode()


class WebhookWorker:
    def __init__(
        self,
        database: Database,
        *,
        box: SecretBox,
        clock: Callable[[], int],
        may_reach_loopback: bool,
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._may_reach_loopback = may_reach_loopback
        self._every_s = every_s
        self._under_way: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is on its way is not waited for: unsettled, it is sent again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._look()
            except Exception:
                # Whatever it was, the next round tries again.
                log.exception("other systems were not told")

    def _look(self) -> None:
        with self._database.reading() as session:
            due = due_webhooks(session, now_ms=self._clock())
        with self._lock:
            wanted = [each for each in due if each not in self._under_way][: max(AT_ONCE - len(self._under_way), 0)]
            self._under_way.update(wanted)
        for webhook_id in wanted:
            threading.Thread(target=self._travel, args=(webhook_id,), name="webhook", daemon=True).start()

    def _travel(self, webhook_id: int) -> None:
        try:
            while not self._stopping.is_set() and self.tell(webhook_id):
                pass
        except Exception:
            # Unsettled, it is sent again when its claim has run out.
            log.exception("the result of a webhook was not written down")
        finally:
            with self._lock:
                self._under_way.discard(webhook_id)

    def tell(self, webhook_id: int) -> bool:
        """Sends what is next; whether it was taken."""
        with self._database.writing() as session:
            sent = claim(session, webhook_id, now_ms=self._clock())
        if sent is None:
            return False
        try:
            url, _, secret = self._box.open(sent.sealed).partition(SECRET_SEPARATOR)
            outcome = post(
                url, secret, body_of(sent), sent_ms=self._clock(), may_reach_loopback=self._may_reach_loopback
            )
        except SealBroken as error:
            outcome = Outcome(False, str(error))
        with self._database.writing() as session:
            settle(session, sent, is_sent=outcome.is_sent, result=outcome.said, now_ms=self._clock())
        return outcome.is_sent
