"""A unit as a sender, in the reader's words: how much data there is, how often it speaks, how its clock goes."""

from dataclasses import dataclass

from alerts.limits import Limits
from api.pages.moments import duration_text
from api.pages.rendering import Reader
from api.pages.values import number_text
from api.translations import Translator, msgid
from registry.coverage import Coverage
from registry.unit import Unit
from registry.unit_life import UnitLife

MS_PER_D = 24 * 3600 * 1000
COVERAGE_SPAN_MS = 30 * MS_PER_D
WORRYING_SHARE = 0.9
TOLD_SKEW_MS = 5_000
"""What is less may be the way of the message and not the clock."""


@dataclass(frozen=True, slots=True)
class SenderFact:
    """One line: what, and how it is."""

    label: str
    text: str
    is_worry: bool = False


def sender_facts(
    unit: Unit, life: UnitLife | None, coverage: Coverage, *, limits: Limits, reader: Reader
) -> list[SenderFact]:
    """`coverage` is that of the last thirty days. Empty for a unit that was never heard."""
    _ = reader._
    facts = []
    if coverage.share is not None:
        share, since = share_text(coverage.share), reader.moment(coverage.start_ms, unit.site.timezone)
        text = _("for %(share)s of the time since %(time)s", share=share, time=since.text)
        if coverage.total_ms >= COVERAGE_SPAN_MS:
            text = _("for %(share)s of the last 30 days", share=share)
        facts.append(SenderFact(_("Data"), text, coverage.share < WORRYING_SHARE))
    if life is None:
        return facts
    if life.interval_ms is not None:
        facts.append(SenderFact(_("Usually speaks every"), duration_text(max(life.interval_ms, 1000), _=_)))
    if life.skew_ms is not None:
        text = skew_text(life.skew_ms, _=_) if abs(life.skew_ms) >= TOLD_SKEW_MS else _("right")
        facts.append(SenderFact(_("Its clock"), text, abs(life.skew_ms) > limits.clock_skew_s * 1000))
    if life.late_values and life.late_ms is not None:
        last = reader.moment(life.late_ms, unit.site.timezone)
        text = _("%(n)s values, the last %(ago)s", n=number_text(life.late_values), ago=last.ago)
        facts.append(SenderFact(_("Came late"), text))
    return facts


def skew_text(skew_ms: int, *, _: Translator) -> str:
    """By how much a clock is wrong, and which way."""
    amount = duration_text(abs(skew_ms), _=_)
    return _(msgid("%(time)s behind"), time=amount) if skew_ms > 0 else _(msgid("%(time)s ahead"), time=amount)


def share_text(share: float) -> str:
    """Per cent, rounded down: what is not whole is never called 100 %.

    >>> share_text(0.99999)
    '99.9 %'
    """
    return f"{int(share * 1000) / 10:g} %"
