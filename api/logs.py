"""What the program writes about itself: one line for each thing, as JSON unless a person looks on, and no secrets.

Lines of libraries come the same way. A secret may slip into an error's text (an address with its password, a header);
so what is known to be secret is taken out of every finished line, whatever brought it there.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from io import TextIOBase
from typing import Any, TextIO, cast

import structlog
from prometheus_client import Counter
from structlog.typing import EventDict, Processor, WrappedLogger

from api.settings import Settings

HIDDEN = "***"
SHORTEST_SECRET = 6
"""Shorter ones would take ordinary words out of the lines, and are no secrets."""

_SECRET_KEYS = re.compile(r"password|passwd|secret|token|authorization|cookie|api_?key", re.IGNORECASE)
_URL_PASSWORD = re.compile(r'(?<=://)([^/\s:@"]*):([^/\s@"]+)@')
_CREDENTIALS = re.compile(r"\b(Bearer|Basic|Token) [A-Za-z0-9._~+/=-]{8,}")


lost_writes_total = Counter("liandong_log_lost_writes", "Writes to the log that failed, as on a full disk")


class Veil:
    """Takes secrets out of finished lines."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # As they stand, and as JSON writes them; the longest first, for one may be part of another.
        forms = {form for secret in secrets for form in (secret, json.dumps(secret, ensure_ascii=False)[1:-1])}
        self._forms = sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)

    def over(self, line: str) -> str:
        """The line without secrets.

        >>> Veil(["hunter2-hunter2"]).over("broker mqtt://gw:pass@host said: hunter2-hunter2 is wrong")
        'broker mqtt://gw:***@host said: *** is wrong'
        """
        for form in self._forms:
            line = line.replace(form, HIDDEN)
        line = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", line)
        return _CREDENTIALS.sub(rf"\1 {HIDDEN}", line)


class _Steadfast(TextIOBase):
    """A line that cannot be written, as on a full disk, is counted and must not stop the work it tells of."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        try:
            return self._out.write(text)
        except OSError:
            lost_writes_total.inc()
            return len(text)

    def flush(self) -> None:
        try:
            self._out.flush()
        except OSError:
            lost_writes_total.inc()

    def isatty(self) -> bool:
        return self._out.isatty()


def configure_logs(
    *, level: int = logging.INFO, is_json: bool | None = None, veil: Veil | None = None, file: TextIO | None = None
) -> None:
    """Lines go to standard error; `is_json` None leaves the form to whether a person looks on."""
    out = _Steadfast(file or sys.stderr)
    for_eyes = out.isatty() if is_json is None else not is_json
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if for_eyes
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    veiled = _veiled(renderer, veil or Veil())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secret_keys,
        # The console would render tracebacks with local variables, and a local variable may be a password.
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, veiled],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, out)),
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, veiled],
        )
    )
    root = logging.getLogger()
    for before in [
        known for known in root.handlers if isinstance(known.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(before)
    root.addHandler(handler)
    # Libraries tell what they do at INFO; that is for those who look for something.
    root.setLevel(max(level, logging.WARNING) if level > logging.DEBUG else logging.INFO)


def configure_logs_of(settings: Settings) -> None:
    configure_logs(
        level=logging.getLevelNamesMapping()[settings.log_level.upper()],
        is_json=None if settings.log_format == "auto" else settings.log_format == "json",
        veil=Veil(settings.secrets()),
    )


def _veiled(renderer: Processor, veil: Veil) -> Processor:
    def render(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return veil.over(str(renderer(logger, name, event)))

    return render


def _without_secret_keys(_logger: WrappedLogger, _name: str, event: MutableMapping[str, Any]) -> EventDict:
    for key in event:
        if _SECRET_KEYS.search(key):
            event[key] = HIDDEN
    return event
