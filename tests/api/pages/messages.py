"""Every message that people may read, found where it stands: templates, Python, tables of lower folders."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_dir

from alerts.conditions import condition_table
from alerts.incident import JOINT_TITLE, POWER_CUT_TITLE
from alerts.limits import Limits
from alerts.patrol_due import MISSED_TITLES
from alerts.patrol_items import ALL_ITEMS
from alerts.patrol_statutory import OVERDUE_TITLES
from alerts.resident_report import TITLE_OF_MATTER
from models.equipment import EVENT_TITLES, METRICS
from models.explain import CAUSES
from models.hours_by_kind import FEATURES
from registry.role import ROLE_TITLES

ROOT = Path(__file__).parents[3]
KEYWORDS = {"_": None, "msgid": None, "plural": (1, 2)}
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]

Message = str | tuple[str, str]


def extracted_messages() -> Iterator[tuple[str, Message]]:
    """(where, message); a message with a plural is a pair."""
    found = extract_from_dir(
        str(ROOT / "api"), METHODS, keywords=KEYWORDS, options_map={"templates/**.html": {"trimmed": "true"}}
    )
    for path, line, message, _, _ in found:
        yield f"api/{path}:{line}", (message[0], message[1]) if isinstance(message, tuple) else message


def table_messages() -> Iterator[tuple[str, str]]:
    for kind, metrics in METRICS.items():
        yield from ((f"METRICS[{kind}]", metric.title) for metric in metrics.values())
    for kind, features in FEATURES.items():
        yield from ((f"FEATURES[{kind}]", feature.metric.title) for feature in features.values())
    for kind, titles in EVENT_TITLES.items():
        yield from ((f"EVENT_TITLES[{kind}]", title) for title in titles.values())
    yield from (("ROLE_TITLES", title) for title in ROLE_TITLES.values())
    yield "the ticket of many units", JOINT_TITLE
    yield "the ticket of a power cut", POWER_CUT_TITLE
    yield from (("TITLE_OF_MATTER", title) for title in TITLE_OF_MATTER.values())
    yield from (("MISSED_TITLES", title) for title in MISSED_TITLES.values())
    yield from (("OVERDUE_TITLES", title) for title in OVERDUE_TITLES.values())
    for item in ALL_ITEMS.values():
        yield f"item {item.code}", item.title
        yield f"item {item.code}", item.failed
        yield f"item {item.code}", item.source
    for kind, causes in CAUSES.items():
        for cause in causes:
            yield f"CAUSES[{kind}]", cause.title
            yield f"CAUSES[{kind}]", cause.look_at
    for kind, conditions in condition_table(Limits()).items():
        for condition in conditions:
            yield f"condition {kind}/{condition.code}", condition.title
            yield f"advice {kind}/{condition.code}", condition.advice


@cache
def all_messages() -> dict[Message, str]:
    """Every message with one place where it stands."""
    return {message: where for where, message in (*table_messages(), *extracted_messages())}
