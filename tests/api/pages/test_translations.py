"""Every message that people may read has its Chinese, and the Chinese holds nothing that nobody says."""

import ast
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache

import pytest
from jinja2 import nodes

from alerts.alarm import AlarmState
from alerts.severity import Severity
from alerts.ticket_stages import MOVES, Stage, TicketKind
from api.pages import wording
from api.pages.rendering import TEMPLATES, environment
from api.translations import LANGUAGES, as_language, catalogues, preferred_language, translator
from ingest.errors import Reason
from models.equipment import METRICS, Kind, ServiceMode
from tests.api.pages.messages import KEYWORDS, ROOT, all_messages

PLACE = re.compile(r"%\((\w+)\)s")


@cache
def catalogue() -> dict[object, tuple[str, ...]]:
    found = [message for _, each in catalogues("zh") for message in each if message.id]
    assert not any(message.fuzzy for message in found)
    return {m.id: m.string if isinstance(m.string, tuple) else (m.string,) for m in found}


def test_a_message_is_translated_in_one_file_only() -> None:
    files: dict[object, list[str]] = {}
    for path, found in catalogues("zh"):
        for message in found:
            if message.id:
                files.setdefault(message.id, []).append(path.name)
    assert {message: names for message, names in files.items() if len(names) > 1} == {}


def test_every_message_has_its_chinese() -> None:
    chinese = catalogue()
    missing = [
        f"{where}: {message!r}" for message, where in all_messages().items() if not any(chinese.get(message, ()))
    ]
    assert missing == []


def test_the_chinese_has_no_entry_that_nobody_uses() -> None:
    assert [message for message in catalogue() if message not in all_messages()] == []


def test_a_translation_fills_the_same_places_as_its_message() -> None:
    for message, translations in catalogue().items():
        source = message[-1] if isinstance(message, tuple) else str(message)
        for translation in translations:
            assert set(PLACE.findall(translation)) == set(PLACE.findall(source)), message


def test_a_translation_is_chinese_and_not_the_message_again() -> None:
    for message, translations in catalogue().items():
        if message == ", " or message in (" (%(ago)s)", "%(large)s %(small)s", "%(name)s (%(role)s)"):
            continue
        assert all(re.search(r"[\u4e00-\u9fff]", translation) for translation in translations), message


@pytest.mark.parametrize(
    ("table", "vocabulary"),
    [
        (wording.KIND_TITLES, Kind),
        (wording.SEVERITY_TITLES, Severity),
        (wording.ALARM_STATE_TITLES, AlarmState),
        (wording.STAGE_TITLES, Stage),
        (wording.MOVE_TITLES, Stage),
        (wording.TICKET_KIND_TITLES, TicketKind),
        (wording.SERVICE_MODE_TITLES, ServiceMode),
        (wording.REASON_TITLES, Reason),
    ],
)
def test_a_table_of_words_is_total(table: Mapping[Enum, str], vocabulary: type[Enum]) -> None:
    assert set(table) == set(vocabulary)


def test_every_boolean_metric_has_words_for_its_two_states() -> None:
    booleans = {metric.name for metrics in METRICS.values() for metric in metrics.values() if metric.is_boolean}
    assert set(wording.BOOLEAN_WORDS) == booleans


def test_the_titles_of_backward_moves_are_of_moves_that_exist() -> None:
    assert all(to in MOVES[current] for current, to in wording.BACKWARD_MOVE_TITLES)


def test_everything_that_is_recorded_as_an_activity_has_its_words() -> None:
    recorded = set()
    for folder in ("alerts", "ingest", "registry", "api/commands"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    recorded |= set(re.findall(r"^(?:alarm|ticket|unit|person|quarantine|site)\.[a-z_]+$", node.value))
    # Names of columns in foreign keys look the same.
    recorded -= {"alarm.id", "ticket.id", "unit.id", "person.id", "site.id"}
    assert recorded <= set(wording.ACTIVITY_TITLES)
    assert "alarm.raised" in recorded


def test_templates_translate_only_what_stands_in_them() -> None:
    """A text from outside must not go through the catalogue: it would be changed where it happens to be a message."""
    bridge = environment("en")
    for path in TEMPLATES.glob("*.html"):
        tree = bridge.parse(path.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in KEYWORDS:
                assert isinstance(call.args[0], nodes.Const), f"{path.name}:{call.lineno}"


def test_a_message_without_values_is_told_as_it_stands() -> None:
    assert translator("zh")("62 % of it") == "62 % of it"
    assert translator("en")("") == translator("zh")("") == ""


def test_a_plural_fits_its_number() -> None:
    speak = {language: translator(language) for language in LANGUAGES}
    forms = ("%(n)s open alarm", "%(n)s open alarms")
    assert [speak["en"].plural(*forms, n) for n in (0, 1, 2)] == ["0 open alarms", "1 open alarm", "2 open alarms"]
    assert [speak["zh"].plural(*forms, n) for n in (1, 2)] == ["1 条报警", "2 条报警"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9", "en"),
        ("fr, en;q=0.4, zh;q=0.6", "zh"),
        ("fr-FR, de", None),
        ("en;q=0, zh", "zh"),
        ("en;q=nonsense", None),
        ("", None),
    ],
)
def test_the_language_a_browser_asks_for(header: str, language: str | None) -> None:
    assert preferred_language(header) == language


def test_an_unknown_language_is_none() -> None:
    assert as_language("klingon") is None
