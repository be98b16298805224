"""Measured values and evidence as people read them: with titles, units and words instead of codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.pages.moments import duration_text
from api.pages.wording import BOOLEAN_WORDS, DERIVED_METRICS, SERVICE_MODE_TITLES
from api.translations import Translator, msgid
from models.equipment import EVENT_TITLES, METRICS, Kind, Metric, ServiceMode
from models.explain import Difference, likely_causes
from models.hours_by_kind import FEATURES, SEEN_IN

MAX_POINTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence: what, and its value in words."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one channel contributed to a verdict; `share` from 0 to 1. `metric` is the reading it is seen in.

    `now` and `usual` are its value then and the range it kept before, in words; empty where that was not told.
    """

    metric: str
    title: str
    share: float
    now: str = ""
    usual: str = ""

    @property
    def percent(self) -> str:
        return f"{self.share * 100:.0f} %"


@dataclass(frozen=True, slots=True)
class CauseWords:
    """A likely failure mode and what to look at on site."""

    title: str
    look_at: str


def find_metric(kind: Kind, name: str) -> Metric:
    """The metric of that name; one that nobody knows is titled by its name."""
    if name in FEATURES[kind]:
        return FEATURES[kind][name].metric
    return METRICS[kind].get(name) or DERIVED_METRICS.get(name) or Metric(name, name, is_signed=True)


def is_known_metric(kind: Kind, name: str) -> bool:
    return name in METRICS[kind] or name in DERIVED_METRICS or name in FEATURES[kind]


def metric_title(kind: Kind, name: str, *, _: Translator) -> str:
    # An unknown metric's name is somebody's own word: it is not looked up in the catalogue.
    return _(find_metric(kind, name).title) if is_known_metric(kind, name) else name


def number_text(value: float) -> str:
    """Three or four significant digits, thousands grouped, no trailing zeros."""
    size = abs(value)
    decimals = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3 if size >= 0.01 else 5
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def value_text(kind: Kind, name: str, value: float, *, _: Translator) -> str:
    """The value with its unit, or in a word where it stands for a state."""
    if name in BOOLEAN_WORDS and value in (0, 1):
        return _(BOOLEAN_WORDS[name][int(value)])
    if name == "service_mode" and kind is Kind.ELEVATOR and value in set(ServiceMode):
        return _(SERVICE_MODE_TITLES[ServiceMode(int(value))])
    unit = find_metric(kind, name).unit
    return f"{number_text(value)} {unit}" if unit else number_text(value)


def contributions(kind: Kind, evidence: Mapping[str, Any], *, _: Translator) -> list[Contribution]:
    """Contributions of an anomaly's evidence, largest first; empty for other alarms."""
    differences = {each.channel: each for each in _differences(evidence)}
    found = []
    for row in evidence.get("contributions", ()):
        name, share = str(row[0]), float(row[1])
        now = usual = ""
        if (each := differences.get(name)) is not None:
            now, usual = _level_text(kind, name, each.now), _range_text(kind, name, each.low, each.high)
        found.append(Contribution(SEEN_IN.get(name, name), metric_title(kind, name, _=_), share, now, usual))
    return sorted(found, key=lambda contribution: -contribution.share)


def causes(kind: Kind, evidence: Mapping[str, Any], *, _: Translator) -> list[CauseWords]:
    """What an anomaly likely is and where to look, by the directions in which its values moved; empty where unclear."""
    return [CauseWords(_(cause.title), _(cause.look_at)) for cause in likely_causes(kind, _differences(evidence))]


def _differences(evidence: Mapping[str, Any]) -> list[Difference]:
    shares = {str(row[0]): float(row[1]) for row in evidence.get("contributions", ())}
    return [
        Difference(str(name), shares.get(str(name), 0.0), float(now), float(low), float(high))
        for name, now, low, high in evidence.get("differences", ())
        if None not in (now, low, high)
    ]


def _level_text(kind: Kind, name: str, value: float) -> str:
    """A mean, also of a state: three of ten rows running are 30 %, not a word."""
    metric = find_metric(kind, name)
    if metric.is_boolean:
        return f"{100 * min(max(value, 0.0), 1.0):.0f} %"
    # A mean or a margin may come out below what can be measured.
    shown = number_text(value if metric.is_signed else max(value, 0.0))
    return f"{shown} {metric.unit}" if metric.unit else shown


def _range_text(kind: Kind, name: str, low: float, high: float) -> str:
    return f"{_level_text(kind, name, low).split(' ')[0]} – {_level_text(kind, name, high)}"


def evidence_facts(kind: Kind, evidence: Mapping[str, Any], *, _: Translator) -> list[Fact]:
    """Values, event and points of an alarm's evidence in words; times are told elsewhere."""
    facts = []
    event = evidence.get("event")
    if isinstance(event, str) and event in EVENT_TITLES[kind]:
        facts.append(Fact(_(msgid("Message of the unit")), f"{_(EVENT_TITLES[kind][event])} ({event})"))
    points = evidence.get("points")
    if isinstance(points, list) and points:
        text = _(", ").join(str(point) for point in points[:MAX_POINTS_SHOWN])
        if len(points) > MAX_POINTS_SHOWN:
            text += _(msgid(" and %(n)s more"), n=len(points) - MAX_POINTS_SHOWN)
        facts.append(Fact(_(msgid("Points")), text))
    usual_s = evidence.get("usual_interval_s")
    if isinstance(usual_s, int | float):
        facts.append(Fact(_(msgid("Usually speaks every")), duration_text(max(1000, round(usual_s * 1000)), _=_)))
    for name, value in evidence.items():
        if is_known_metric(kind, name) and isinstance(value, int | float):
            facts.append(Fact(metric_title(kind, name, _=_), value_text(kind, name, float(value), _=_)))
    sisters = evidence.get("sisters")
    if isinstance(sisters, int):
        facts.append(Fact(_(msgid("Compared with")), _(msgid("%(n)s others of the same make"), n=sisters)))
    if "anomaly_score" in evidence and "threshold" in evidence:
        score, threshold = float(evidence["anomaly_score"]), float(evidence["threshold"])
        text = _(
            msgid("%(score)s (alarm above %(threshold)s)"), score=number_text(score), threshold=number_text(threshold)
        )
        facts.append(Fact(_(msgid("Deviation from its normal behaviour")), text))
    return facts
