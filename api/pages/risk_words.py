"""The combined risk of a unit in words: each part with the fact behind it and by how much it raises the risk."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from api.pages.values import number_text
from api.translations import Translator, msgid
from governance.patrol_risk import UnitRisk
from models.patrol_risk import Part

PART_TITLES: Mapping[Part, str] = MappingProxyType(
    {
        Part.RATE: msgid("Own faults"),
        Part.ANOMALIES: msgid("Verdicts of models"),
        Part.AGE: msgid("Age"),
        Part.MAINTENANCE: msgid("Maintenance"),
        Part.INSPECTION: msgid("Inspection"),
    }
)


def part_rows(each: UnitRisk, *, _: Translator) -> list[tuple[str, str, str]]:
    """(part, the fact, its factor), every part of the product, also those that change nothing."""
    facts = _facts(each, _=_)
    return [(_(PART_TITLES[part]), facts[part], f"× {factor:.2f}") for part, factor in each.risk.factors.items()]


def _facts(each: UnitRisk, *, _: Translator) -> Mapping[Part, str]:
    signs = each.signs
    late, age = signs.maintenance_late_days, signs.age_years
    return {
        Part.RATE: _(
            msgid("%(n)s faults in %(days)s days with data, drawn towards its peers"),
            n=len(each.sources),
            days=number_text(each.exposure.days),
        ),
        Part.ANOMALIES: _.plural(
            "%(n)s verdict in the last 90 days", "%(n)s verdicts in the last 90 days", signs.anomalies
        ),
        Part.AGE: _(msgid("not recorded: raises nothing"))
        if age is None
        else _(msgid("%(years)s years"), years=number_text(age)),
        Part.MAINTENANCE: _(msgid("not recorded: raises nothing"))
        if late is None
        else _.plural("%(n)s day late", "%(n)s days late", late)
        if late
        else _(msgid("in time")),
        Part.INSPECTION: _(msgid("expired"))
        if signs.is_inspection_expired
        else _(msgid("not expired, as far as is recorded")),
    }


def risk_facts_words(facts: Mapping[str, Any], *, _: Translator) -> Sequence[str]:
    """What a round says of the risk for which a unit was put on it; of what raises nothing nothing is said."""
    if "times_peers" not in facts:
        return []
    parts = [
        _(
            msgid("%(expected)s faults expected in 30 days, %(times)s times its peers"),
            expected=number_text(facts.get("expected_30_days", 0.0)),
            times=number_text(facts["times_peers"]),
        )
    ]
    raising = set(facts.get("raising", ()))
    if Part.ANOMALIES in raising:
        n = int(facts["anomalies"])
        parts.append(_.plural("%(n)s verdict in the last 90 days", "%(n)s verdicts in the last 90 days", n))
    if Part.AGE in raising:
        parts.append(_(msgid("%(years)s years old"), years=number_text(facts["age_years"])))
    if Part.MAINTENANCE in raising:
        n = int(facts["maintenance_late_days"])
        parts.append(_.plural("maintenance %(n)s day late", "maintenance %(n)s days late", n))
    if Part.INSPECTION in raising:
        parts.append(_(msgid("inspection expired")))
    return parts
