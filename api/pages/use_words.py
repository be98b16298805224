"""Faults by use in words: what the counters told, what was left out, and why a figure is withheld."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from api.pages.moments import local_time
from api.pages.record_links import record_links
from api.pages.statistics_words import Source
from api.pages.values import number_text
from api.translations import Translator, msgid
from api.use_figures import UseFigure

TITLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "trips_total": (msgid("Faults per 100,000 trips"), msgid("%(n)s trips counted from %(first)s to %(last)s.")),
        "run_hours_total": (
            msgid("Faults per 1,000 running hours"),
            msgid("%(n)s running hours counted from %(first)s to %(last)s."),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class UseCard:
    title: str
    text: str
    range_text: str
    basis: str
    cautions: Sequence[str]
    sources: Sequence[Source]


def use_cards(figures: Sequence[UseFigure], *, zone: str, _: Translator) -> list[UseCard]:
    return [_card(figure, zone=zone, _=_) for figure in figures]


def _card(figure: UseFigure, *, zone: str, _: Translator) -> UseCard:
    title, counted = TITLES[figure.metric]
    use = figure.use
    if use is None:
        words = _(msgid("Withheld: its counter told nothing in this time."))
        return UseCard(_(title), _(msgid("withheld")), "", "", [words], ())
    basis = _(
        counted,
        n=f"{use.counted:,.0f}",
        first=local_time(use.first_ms, zone).strftime("%Y-%m-%d"),
        last=local_time(use.last_ms - 1, zone).strftime("%Y-%m-%d"),
    )
    cautions = []
    if figure.rate is None:
        cautions.append(_(msgid("Withheld: too little use was counted to divide by.")))
    if use.resets_ms:
        days = ", ".join(dict.fromkeys(local_time(t, zone).strftime("%Y-%m-%d") for t in use.resets_ms))
        words = msgid("The counter was reset (%(days)s): what it counted unseen around that is left out.")
        cautions.append(_(words, days=days))
    if use.jumps_ms:
        days = ", ".join(dict.fromkeys(local_time(t, zone).strftime("%Y-%m-%d") for t in use.jumps_ms))
        words = msgid("The counter rose faster than a lift can (%(days)s): those rises are left out.")
        cautions.append(_(words, days=days))
    text = range_text = ""
    if figure.rate is not None and figure.low is not None and figure.high is not None:
        text = number_text(figure.rate)
        words = msgid("95 %% sure between %(low)s and %(high)s")
        range_text = _(words, low=number_text(figure.low), high=number_text(figure.high))
    basis = f"{basis} " + _.plural("%(n)s fault", "%(n)s faults", len(figure.sources))
    return UseCard(
        _(title), text or _(msgid("withheld")), range_text, basis, cautions, record_links(figure.sources, _=_)
    )
