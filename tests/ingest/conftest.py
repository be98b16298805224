"""Logs of the ingest as plain lines: the pictures of tracebacks for terminals take seconds to draw."""

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ],
)
