"""Why a message cannot be taken, as facts."""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons for quarantine; each is told to people in their language under "data quality"."""

    BAD_TOPIC = "bad_topic"
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_SITE = "unknown_site"
    KIND_CONFLICT = "kind_conflict"
    TOO_LARGE = "too_large"
    TOO_MANY_READINGS = "too_many_readings"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    NO_VALUES = "no_values"
    BAD_METRIC_NAME = "bad_metric_name"
    NOT_FINITE = "not_finite"
    TIME_UNREADABLE = "time_unreadable"
    TIME_TOO_EARLY = "time_too_early"
    TIME_IN_FUTURE = "time_in_future"
    TIME_TOO_OLD = "time_too_old"
    UNKNOWN_EVENT_CODE = "unknown_event_code"
    NOT_PROTOBUF = "not_protobuf"
    NO_BIRTH = "no_birth"
    UNKNOWN_ALIAS = "unknown_alias"
    UNMAPPED = "unmapped"
    RULE_NOT_MET = "rule_not_met"
    INTERNAL_ERROR = "internal_error"


class BatchTooWide(Exception):
    """Messages that name too many different metrics to stand in one block; taken in smaller parts they do not."""

    def __init__(self, rows: int, metrics: int) -> None:
        super().__init__(f"{rows} readings of {metrics} different metrics")
        self.rows = rows
        self.metrics = metrics


class Unreadable(Exception):
    """A message that cannot be taken, with the reason and what exactly was wrong."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
