"""Fault statistics as people read them: numbers with their intervals, what they rest on, and what they cannot say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from api.pages.moments import duration_text, local_time
from api.pages.values import number_text
from api.translations import Translator, msgid
from governance.reliability_report import Facts, Standing, UnitFacts
from models.fault_statistics import (
    MS_PER_DAY,
    WITHHOLDING,
    Cause,
    Caution,
    Exposure,
    Fault,
    Figure,
    Statistics,
    TimeTaken,
)

CAUTION_WORDS: Mapping[Caution, str] = MappingProxyType(
    {
        Caution.NO_EXPOSURE: msgid("Withheld: there is no data of this time, so nothing to divide by."),
        Caution.SHORT_HISTORY: msgid("Short history: less than 90 days; a season or a bad week can make this figure."),
        Caution.POOR_COVERAGE: msgid("Poor coverage: for more than a fifth of the time there is no data."),
        Caution.COVERAGE_TOO_POOR: msgid("Withheld: there is data of less than a fifth of the time."),
        Caution.NO_FAULTS: msgid("No fault was counted: only a lower bound is known."),
        Caution.FEW_CASES: msgid("Fewer than five cases: one of them decides the figure."),
        Caution.CLUSTERED: msgid("Faults come in clusters (many repeats): the true interval is wider than this one."),
        Caution.CAUSES_UNKNOWN: msgid(
            "Of more than half of the faults nobody recorded a cause: the split cannot carry a decision."
        ),
        Caution.STILL_OPEN: msgid("Some cases are still open; they count with the time they have lasted so far."),
        Caution.SOURCES_DISAGREE: msgid(
            "Of some faults the unit was well again over an hour before people said so; theirs is counted."
        ),
        Caution.REPLACED: msgid("Replaced within this time: only the new machine is counted, since it runs."),
    }
)
CAUSE_TITLES: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.MISUSE: msgid("Misuse"),
        Cause.EQUIPMENT: msgid("Equipment"),
        Cause.POWER: msgid("Power supply"),
        Cause.UNKNOWN: msgid("Not recorded"),
    }
)
WITHHELD = msgid("withheld")
MOST_SOURCES = 300
MOST_REPLACED = 10


@dataclass(frozen=True, slots=True)
class Source:
    """A record that a figure counts, and where it can be opened."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class FigureCard:
    """One figure: `text` with its interval in `range_text`, and the records behind it."""

    title: str
    text: str
    range_text: str
    basis: str
    sources: Sequence[Source]
    more: int
    cautions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on a scale from 0 to 100."""

    low: float
    value: float
    width: float


@dataclass(frozen=True, slots=True)
class CauseRow:
    title: str
    n: int
    percent: str
    sources: Sequence[Source]
    more: int


class Teller:
    """Tells the statistics of one span in the reader's language."""

    def __init__(self, facts: Facts, *, units: Sequence[UnitFacts], _: Translator) -> None:
        """`units` are those that the page is about."""
        self._, self._units = _, units
        self._renewed_ms = facts.renewed_ms
        self._start_ms = facts.start_ms
        self._faults: dict[str, Fault] = {
            fault.source: fault for faults in facts.faults_of_unit.values() for fault in faults
        }
        self._zone_of = {unit.id: unit.zone for unit in facts.units}

    def cards(self, told: Statistics) -> list[FigureCard]:
        _ = self._
        return [
            self._rate_card(_("Faults per unit and year"), told.faults, told.exposure),
            self._rate_card(_("People trapped per unit and year"), told.entrapments, told.exposure),
            self._availability(told),
            self._mtbf(told),
            self._time_card(_("Response: until somebody takes it up"), told.response),
            self._time_card(_("Arrival: until people are there"), told.arrival),
            self._time_card(_("Repair: work alone"), told.repair),
            self._time_card(_("Restoration: until it runs again"), told.restoration),
            self._repeats(told),
            self._costs(told),
        ]

    def causes(self, told: Statistics) -> list[CauseRow]:
        n = told.faults.n
        return [
            CauseRow(
                self._(CAUSE_TITLES[cause]),
                len(sources),
                f"{100 * len(sources) / n:.0f} %" if n else "",
                *self.sources(sources),
            )
            for cause, sources in told.causes.items()
        ]

    def sources(self, names: Sequence[str]) -> tuple[list[Source], int]:
        """The records as links, at most so many, and how many more there are."""
        return [self._source(name) for name in names[:MOST_SOURCES]], max(0, len(names) - MOST_SOURCES)

    def _source(self, name: str) -> Source:
        kind, _, number = name.partition(":")
        fault = self._faults.get(name)
        label = f"#{number}" if kind == "ticket" else self._(msgid("alarm %(n)s"), n=number)
        if fault is not None:
            day = local_time(fault.began_ms, self._zone_of[fault.unit_id]).strftime("%Y-%m-%d")
            label = f"{day} {label}"
        return Source(label, f"/tickets/{number}" if kind == "ticket" else f"/alarms/{number}")

    def words(self, cautions: Iterable[Caution]) -> list[str]:
        return [
            self._replaced() if caution is Caution.REPLACED else self._(CAUTION_WORDS[caution]) for caution in cautions
        ]

    def _replaced(self) -> str:
        """Which units are other machines now, and since when."""
        told = [
            self._(
                msgid("%(name)s on %(day)s"), name=unit.name, day=local_time(renewed_ms, unit.zone).date().isoformat()
            )
            for unit in self._units
            if (renewed_ms := self._renewed_ms.get(unit.id, 0)) > self._start_ms
        ]
        words = msgid("Replaced within this time: only the new machine is counted, since it runs (%(units)s).")
        more = self._(msgid(" and %(n)s more"), n=len(told) - MOST_REPLACED) if len(told) > MOST_REPLACED else ""
        return self._(words, units=", ".join(told[:MOST_REPLACED]) + more)

    def _card(
        self, title: str, text: str, range_text: str, basis: str, names: Sequence[str], cautions: Iterable[Caution]
    ) -> FigureCard:
        return FigureCard(title, text, range_text, basis, *self.sources(names), self.words(cautions))

    def _rate_card(self, title: str, figure: Figure, exposure: Exposure) -> FigureCard:
        _ = self._
        text, range_text = rate_texts(figure, _=_)
        basis = _("%(n)s cases in %(years)s unit-years with data", n=figure.n, years=number_text(exposure.years))
        return self._card(title, text, range_text, basis, figure.sources, figure.cautions)

    def _availability(self, told: Statistics) -> FigureCard:
        _, figure = self._, told.availability
        text = _(WITHHELD) if figure.value is None else f"{100 * figure.value:.2f} %"
        basis = _("%(time)s out of use", time=duration_text(told.downtime_ms, _=_))
        return self._card(_("Availability"), text, "", basis, figure.sources, figure.cautions)

    def _mtbf(self, told: Statistics) -> FigureCard:
        _, figure = self._, told.mtbf_days
        if WITHHOLDING & set(figure.cautions):
            text = range_text = _(WITHHELD)
        elif figure.value is None:
            text = _("more than %(days)s days", days=number_text(figure.low or 0.0))
            range_text = ""
        else:
            text = _("%(days)s days", days=number_text(figure.value))
            range_text = interval_text(figure, _=_)
        basis = _(
            "%(n)s failures; %(censored)s units still run since their last one", n=figure.n, censored=told.mtbf_censored
        )
        title = _("Operating time between failures (MTBF)")
        return self._card(title, text, range_text, basis, figure.sources, figure.cautions)

    def _time_card(self, title: str, taken: TimeTaken) -> FigureCard:
        _ = self._
        text = "–" if taken.median_ms is None else duration_text(taken.median_ms, _=_)
        most = "" if taken.most_ms is None else _("nine of ten within %(time)s", time=duration_text(taken.most_ms, _=_))
        basis = _("median of %(n)s cases, %(open)s still open", n=taken.n, open=taken.censored)
        return self._card(title, text, most, basis, taken.sources, taken.cautions)

    def _repeats(self, told: Statistics) -> FigureCard:
        _ = self._
        n = told.faults.n
        basis = _("of %(n)s faults; the same matter within 30 days of its repair", n=n)
        return self._card(_("Repeated faults"), str(len(told.repeats)), "", basis, told.repeats, ())

    def _costs(self, told: Statistics) -> FigureCard:
        _ = self._
        text = _("%(amount)s yuan", amount=f"{told.cost_fen / 100:,.2f}")
        names = [name for name in told.faults.sources if self._faults[name].cost_fen]
        basis = _("as written down on %(n)s tickets", n=len(names))
        return self._card(_("Costs of repairs"), text, "", basis, names, ())


def rate_texts(figure: Figure, *, _: Translator) -> tuple[str, str]:
    """The rate, and its interval."""
    if figure.value is None:
        return _(WITHHELD), ""
    return number_text(figure.value), interval_text(figure, _=_)


def interval_text(figure: Figure, *, _: Translator) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return _(
        msgid("95 %% sure between %(low)s and %(high)s"), low=number_text(figure.low), high=number_text(figure.high)
    )


def bar_of(figure: Figure, *, most: float) -> Bar | None:
    """The interval of a rate on a scale that ends at `most`."""
    if figure.value is None or figure.low is None or figure.high is None or most <= 0:
        return None

    def place(rate: float) -> float:
        return round(min(100 * rate / most, 100.0), 1)

    return Bar(place(figure.low), place(figure.value), round(max(place(figure.high) - place(figure.low), 0.5), 1))


def exposure_text(exposure: Exposure, *, _: Translator) -> str:
    if exposure.coverage is None:
        return _(msgid("No unit was in service in this time."))
    return _(
        msgid("Data of %(share)s of the time in service: %(covered)s of %(days)s unit-days."),
        share=share_text(exposure.coverage),
        covered=number_text(exposure.days),
        days=number_text(exposure.in_service_ms / MS_PER_DAY),
    )


def share_text(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %" if 0.9 < share < 1 else f"{100 * share:.0f} %"


def rank_text(standing: Standing | None, *, _: Translator) -> str:
    """The rank as far as it is known, 1 being the worst."""
    if standing is None:
        return "–"
    if standing.rank_low == standing.rank_high:
        return str(standing.rank_low)
    return f"{standing.rank_low}–{standing.rank_high}"
