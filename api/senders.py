"""How a message goes out through a channel: Apprise for the services it knows, our own signed request for webhooks.

No address, token or secret is ever put into a result, a log line or an answer.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import apprise
import structlog
import urllib3

from api.settings import Settings
from registry.channel import ChannelKind, SecretBox, new_key
from registry.errors import InvalidField

CONNECT_S, READ_S = 4.0, 8.0
ANSWER_BYTES = 1024
KEY_FILE = "channel.key"
SECRET_SEPARATOR = "\n"  # noqa: S105  stands between a webhook's address and its secret
SIGNATURE_HEADER, TIMESTAMP_HEADER = "Liandong-Signature", "Liandong-Timestamp"

SCHEMES: Mapping[ChannelKind, frozenset[str]] = MappingProxyType(
    {
        ChannelKind.WECOM: frozenset({"wecombot"}),
        ChannelKind.DINGTALK: frozenset({"dingtalk"}),
        ChannelKind.FEISHU: frozenset({"feishu", "lark"}),
        ChannelKind.MAIL: frozenset({"mailto", "mailtos"}),
        # Gateways without a service of their own in Apprise take its JSON.
        ChannelKind.SMS: frozenset(
            {"json", "jsons", "httpsms", "smseagle", "smseagles", "twilio", "vonage", "bulksms"}
        ),
        ChannelKind.WEBHOOK: frozenset({"http", "https"}),
        ChannelKind.CONSOLE: frozenset(),
    }
)
EXAMPLES: Mapping[ChannelKind, str] = MappingProxyType(
    {
        ChannelKind.WECOM: "wecombot://BOT-KEY",
        ChannelKind.DINGTALK: "dingtalk://SECRET@ACCESS-TOKEN",
        ChannelKind.FEISHU: "feishu://BOT-TOKEN",
        ChannelKind.MAIL: "mailtos://USER:PASSWORD@smtp.example.com?to=NAME@example.com",
        ChannelKind.SMS: "jsons://USER:PASSWORD@gateway.example.com/send",
        ChannelKind.WEBHOOK: "https://example.com/hook",
        ChannelKind.CONSOLE: "",
    }
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, in the words of its reader; `facts` are for programs."""

    title: str
    body: str
    facts: tuple[Mapping[str, Any], ...]
    sent_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    is_sent: bool
    said: str


def open_secret_box(settings: Settings) -> SecretBox:
    """With the key of LIANDONG_CHANNEL_KEY, else with that of the data directory, which the first use makes."""
    return SecretBox(_key(settings))


def derived_key(settings: Settings, purpose: str) -> bytes:
    """A key for another purpose, made of that of the channels: servers that share the one share the other."""
    return hmac.new(_key(settings).encode(), purpose.encode(), hashlib.sha256).digest()


def _key(settings: Settings) -> str:
    return settings.channel_key.get_secret_value() or _own_key(settings.data_dir / KEY_FILE)


def _own_key(path: Path) -> str:
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new_key())
            file.flush()
            os.fsync(file.fileno())
    return path.read_text(encoding="ascii").strip()


def checked_address(kind: ChannelKind, address: str, *, secret: str = "") -> str:
    """The address as it is kept. Raises InvalidField for one that cannot be of that kind; it does not repeat it."""
    address = address.strip()
    if kind is ChannelKind.CONSOLE:
        return ""
    if urlsplit(address).scheme.lower() not in SCHEMES[kind] or SECRET_SEPARATOR in address:
        raise InvalidField("address", f"must look like {EXAMPLES[kind]}")
    if kind is ChannelKind.WEBHOOK:
        if not urlsplit(address).hostname:
            raise InvalidField("address", f"must look like {EXAMPLES[kind]}")
        return address + SECRET_SEPARATOR + secret.strip()
    if apprise.Apprise.instantiate(address, asset=_asset(), suppress_exceptions=True) is None:
        raise InvalidField("address", f"must look like {EXAMPLES[kind]}")
    return address


def _asset() -> apprise.AppriseAsset:
    # In memory: what it would keep on disk is nobody's business.
    return apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, app_id="liandong", app_desc="liandong")


def send(kind: ChannelKind, address: str, message: Message) -> Outcome:
    """Sends and says how it went; whatever the other side does, this raises nothing. May block for long."""
    try:
        return _WAYS.get(kind, _by_apprise)(address, message)
    except Exception as error:
        # What it says may hold the address; its kind is enough.
        return Outcome(False, type(error).__name__)


def _to_console(_address: str, message: Message) -> Outcome:
    log.info("message", title=message.title, body=message.body)
    return Outcome(True, "written to the log")


def _by_apprise(address: str, message: Message) -> Outcome:
    separator = "&" if "?" in address else "?"
    timed = f"{address}{separator}cto={CONNECT_S:g}&rto={READ_S:g}&format=text"
    service = apprise.Apprise.instantiate(timed, asset=_asset(), suppress_exceptions=True)
    if service is None:
        return Outcome(False, "the address is not valid any more")
    is_sent = bool(service.notify(body=message.body, title=message.title))
    return Outcome(is_sent, "taken" if is_sent else "refused, or did not answer in time")


def signature(secret: str, *, timestamp: str, body: bytes) -> str:
    """HMAC-SHA-256 over the timestamp, a full stop and the body: who knows the secret can tell age and sender."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _by_webhook(address: str, message: Message) -> Outcome:
    url, _, secret = address.partition(SECRET_SEPARATOR)
    body = json.dumps(
        {"title": message.title, "text": message.body, "events": list(message.facts)}, ensure_ascii=False
    ).encode()
    headers = {"Content-Type": "application/json", TIMESTAMP_HEADER: str(message.sent_ms // 1000)}
    if secret:
        headers[SIGNATURE_HEADER] = "v1=" + signature(secret, timestamp=headers[TIMESTAMP_HEADER], body=body)
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S)) as pool:
        answer = pool.request("POST", url, body=body, headers=headers, preload_content=False, redirect=False)
        try:
            answer.read(ANSWER_BYTES)
        finally:
            answer.close()
    return Outcome(200 <= answer.status < 300, f"HTTP {answer.status}")


_WAYS: Mapping[ChannelKind, Callable[[str, Message], Outcome]] = MappingProxyType(
    {ChannelKind.CONSOLE: _to_console, ChannelKind.WEBHOOK: _by_webhook}
)
