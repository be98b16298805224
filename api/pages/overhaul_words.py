"""What an overhaul brought, in words that cannot be taken for more than is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from api.pages.values import number_text
from api.translations import Translator, msgid
from governance.overhaul_effect import Effect, EffectCaution, Side
from models.reliability import Change

EFFECT_CAUTION_WORDS: Mapping[EffectCaution, str] = MappingProxyType(
    {
        EffectCaution.NOTHING_BEFORE: msgid("No fault was counted before: there is nothing to compare with."),
        EffectCaution.SHORT: msgid("Watched for less than half a year on one side: a season can make the difference."),
        EffectCaution.FEW_FAULTS: msgid("Fewer than ten faults in all: a single one changes the figure visibly."),
        EffectCaution.UNITS_DIFFER: msgid("The units did very differently: the interval was widened for that."),
        EffectCaution.CHOSEN: msgid(
            "Whoever overhauls the worst sees some of them improve by chance alone; the interval does not know that."
        ),
        EffectCaution.OTHERS_TOO: msgid(
            "The units that were not overhauled improved as well: part of the change has another reason."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class EffectWords:
    headline: str
    before: str
    after: str
    width: str
    others: str
    basis: str
    cautions: list[str]


def effect_words(effect: Effect, *, _: Translator) -> EffectWords:
    others = ""
    if effect.others is not None and effect.others.ratio is not None:
        others = _(
            msgid("The %(n)s units that were not overhauled, over the same time: %(change)s."),
            n=effect.others_units,
            change=change_text(effect.others, _=_),
        )
    days = effect.first_on.isoformat()
    if effect.last_on != effect.first_on:
        days = f"{effect.first_on.isoformat()} – {effect.last_on.isoformat()}"
    basis = _(
        msgid("%(n)s units overhauled on %(days)s; a year at most on either side."), n=len(effect.units), days=days
    )
    if effect.not_judged:
        words = msgid(" %(n)s more were overhauled, but not watched for a month on both sides.")
        basis += _(words, n=len(effect.not_judged))
    return EffectWords(
        headline=change_text(effect.change, _=_),
        before=_side(effect.before, _=_),
        after=_side(effect.after, _=_),
        width=width_text(effect.change, _=_),
        others=others,
        basis=basis,
        cautions=[_(EFFECT_CAUTION_WORDS[each]) for each in effect.cautions],
    )


def _side(side: Side, *, _: Translator) -> str:
    return _(
        msgid("%(n)s faults in %(years)s unit-years with data: %(rate)s a year"),
        n=side.faults,
        years=number_text(side.years),
        rate="–" if side.rate_per_year is None else number_text(side.rate_per_year),
    )


def change_text(change: Change, *, _: Translator) -> str:
    """`80 % fewer faults; 95 % sure: between 68 % and 88 % fewer`."""
    if change.ratio is None or change.high is None:
        return _(msgid("no comparison"))
    return _(
        msgid("%(change)s faults; 95 %% sure between %(low)s and %(high)s"),
        change=_amount(change.ratio, _=_),
        low=_amount(change.low, _=_),
        high=_amount(change.high, _=_),
    )


def _amount(ratio: float, *, _: Translator) -> str:
    share = round(100 * abs(1 - ratio))
    if share == 0:
        return _(msgid("equally many"))
    return _(msgid("%(share)s %% fewer") if ratio < 1 else msgid("%(share)s %% more"), share=share)


def width_text(change: Change, *, _: Translator) -> str:
    """What the interval lets one say."""
    if change.ratio is None or change.high is None:
        return ""
    if change.low <= 1.0 <= change.high:
        return _(msgid("This may be chance: the interval holds “no change”."))
    if change.low > 1.0:
        return _(msgid("There were more faults afterwards, beyond what chance explains."))
    least = round(100 * (1 - change.high))
    if change.high - change.low <= 0.25:
        words = msgid("Well known: at least %(least)s %% fewer, whatever chance did.")
    elif change.high - change.low <= 0.5:
        words = msgid("Fairly well known: at least %(least)s %% fewer, whatever chance did.")
    else:
        words = msgid("An improvement, but how large is hardly known: at least %(least)s %% fewer.")
    return _(words, least=least)
