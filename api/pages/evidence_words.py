"""The evidence of a proposal as lay people read it: plain words first, intervals told in words, bars beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages.moments import duration_text
from api.pages.overhaul_words import EFFECT_CAUTION_WORDS
from api.pages.proposal_words import CANNOT_SAY, COVER_TITLES, OPTION_TITLES
from api.pages.statistics_words import CAUSE_TITLES, Bar
from api.pages.values import number_text
from api.pages.wording import KIND_TITLES
from api.translations import Translator, msgid
from governance.evidence import CannotSay
from governance.evidence_entries import CoverKind, OptionKind
from governance.execution import yuan
from governance.overhaul_effect import EffectCaution
from models.equipment import Kind
from models.fault_statistics import Cause

Json = Mapping[str, Any]
WORST_SHOWN = 60
LESS_THAN_COUNTED = 0.9
ROUNDED_FROM = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, the figure, and how sure it is."""

    title: str
    text: str
    range_text: str = ""


@dataclass(frozen=True, slots=True)
class UnitLine:
    name: str
    building: str
    make: str
    age: str
    last_overhaul: str
    faults: int
    entrapments: int
    rate: str
    interval: str
    bar: Bar | None
    rank: str


@dataclass(frozen=True, slots=True)
class Section:
    """The statistics of one kind of unit."""

    title: str
    sentences: Sequence[str]
    facts: Sequence[Fact]
    causes: Sequence[tuple[str, int, float]]
    units: Sequence[UnitLine]
    more: int


@dataclass(frozen=True, slots=True)
class OptionLine:
    kind: str
    title: str
    company: str
    quote: str
    is_chosen: bool
    note: str
    outlook: Sequence[str]
    bars: Sequence[tuple[str, str, Bar]]


class EvidenceTeller:
    """Tells one pack in the reader's language."""

    def __init__(self, content: Json, *, _: Translator) -> None:
        self._, self._content = _, content

    def yuan(self, fen: int) -> str:
        return self._("%(amount)s yuan", amount=yuan(fen))

    def span(self, years: int) -> str:
        return self._.plural("%(n)s year", "%(n)s years", years)

    def sections(self) -> list[Section]:
        return [self._section(each) for each in self._content["sections"]]

    def _section(self, of: Json) -> Section:
        concerned = of["concerned"]
        causes = [
            (self._(CAUSE_TITLES[Cause(name)]), n, 100 * n / concerned["faults"]["n"])
            for name, n in concerned["causes"].items()
            if n
        ]
        most = max((unit["rate_high"] or 0.0 for unit in of["units"]), default=0.0)
        ordered = sorted(of["units"], key=lambda unit: -(unit["rate"] or 0.0))
        return Section(
            title=self._(KIND_TITLES[Kind(of["kind"])]),
            sentences=self._sentences(of),
            facts=self._facts(concerned),
            causes=causes,
            units=[self._unit(unit, most) for unit in ordered[:WORST_SHOWN]],
            more=max(0, len(ordered) - WORST_SHOWN),
        )

    def _sentences(self, of: Json) -> list[str]:
        _, concerned, others = self._, of["concerned"], of["others"]
        faults, trapped = concerned["faults"], concerned["entrapments"]
        said = [
            _(
                "It is about %(units)s of %(all)s units. Within the last year, in the time with data, they had "
                "%(faults)s faults; people were trapped %(trapped)s times.",
                units=concerned["units"],
                all=of["all_units"],
                faults=faults["n"],
                trapped=trapped["n"],
            )
        ]
        if faults["value"] is not None:
            said.append(
                _(
                    "That is %(rate)s faults for each of them in a year; as far as can be known, the true figure lies "
                    "between %(low)s and %(high)s (95 %% sure).",
                    rate=number_text(faults["value"]),
                    low=number_text(faults["low"]),
                    high=number_text(faults["high"]),
                )
            )
        if others is not None and others["faults"]["value"] is not None:
            said.append(
                _(
                    "The other %(units)s units of the compound have %(rate)s a year (between %(low)s and %(high)s).",
                    units=others["units"],
                    rate=number_text(others["faults"]["value"]),
                    low=number_text(others["faults"]["low"]),
                    high=number_text(others["faults"]["high"]),
                )
            )
        said += [self._forecast(each) for each in of["forecasts"]]
        first = next(iter(of["forecasts"]), None)
        if first is not None and faults["value"] is not None:
            as_counted = faults["value"] * concerned["units"] * first["years"]
            if first["mean"] < LESS_THAN_COUNTED * as_counted:
                said.append(
                    _("That is less than their rate so far: units that stand out owe a part of it to bad luck.")
                )
        said += self._effect(of["earlier_overhauls"])
        return said

    def _forecast(self, forecast: Json) -> str:
        return self._(
            "If all goes on as it does, these units together are to be expected to have about %(mean)s faults in "
            "%(years)s; it would be a surprise to see fewer than %(low)s or more than %(high)s.",
            years=self.span(forecast["years"]),
            mean=count_text(forecast["mean"]),
            low=forecast["low"],
            high=forecast["high"],
        )

    def _effect(self, effect: Json | None) -> list[str]:
        _ = self._
        if effect is None or effect["ratio"] is None or effect["high"] is None:
            return []
        said = [
            _(
                "%(units)s units here were overhauled before: %(before)s faults in %(before_years)s unit-years before, "
                "%(after)s in %(after_years)s after. The rate after is %(ratio)s %% of that before; between %(low)s "
                "and %(high)s %% are possible.",
                units=effect["units"],
                before=effect["before"]["faults"],
                before_years=number_text(effect["before"]["years"]),
                after=effect["after"]["faults"],
                after_years=number_text(effect["after"]["years"]),
                ratio=number_text(100 * effect["ratio"]),
                low=number_text(100 * effect["low"]),
                high=number_text(100 * effect["high"]),
            )
        ]
        return said + [_(EFFECT_CAUTION_WORDS[EffectCaution(each)]) for each in effect["cautions"]]

    def _facts(self, told: Json) -> list[Fact]:
        _ = self._
        found = [
            Fact(
                _("Watched"),
                _("%(years)s unit-years with data", years=number_text(told["exposure_years"])),
                ""
                if told["coverage"] is None
                else _("data of %(share)s %% of the time", share=round(100 * told["coverage"])),
            ),
            Fact(_("Out of use because of faults"), duration_text(told["downtime_ms"], _=_)),
        ]
        for title, figure in (
            (_("Faults per unit and year"), told["faults"]),
            (_("People trapped per unit and year"), told["entrapments"]),
            (_("Operating time between failures (MTBF), days"), told["mtbf_days"]),
        ):
            if figure["value"] is not None:
                found.append(Fact(title, number_text(figure["value"]), self._range(figure["low"], figure["high"])))
        for title, key in (
            (_("Response: until somebody takes it up"), "response"),
            (_("Arrival: until people are there"), "arrival"),
            (_("Repair: work alone"), "repair"),
            (_("Restoration: until it runs again"), "restoration"),
        ):
            if told[key]["median_ms"] is not None:
                found.append(
                    Fact(
                        title,
                        duration_text(told[key]["median_ms"], _=_),
                        _("median of %(n)s cases, %(open)s still open", n=told[key]["n"], open=told[key]["censored"]),
                    )
                )
        found.append(Fact(_("Repeated faults"), str(told["repeats"])))
        if told["cost_fen"]:
            found.append(Fact(_("Costs of repairs"), self.yuan(told["cost_fen"])))
        return found

    def _range(self, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return ""
        return self._(msgid("95 %% sure between %(low)s and %(high)s"), low=number_text(low), high=number_text(high))

    def _unit(self, unit: Json, most: float) -> UnitLine:
        standing = unit["standing"]
        rank = "–"
        if standing is not None:
            low, high, peers = standing["rank_low"], standing["rank_high"], standing["peers"]
            rank = f"{low}/{peers}" if low == high else f"{low}–{high}/{peers}"
        rate, interval, bar = "–", "", None
        if unit["rate"] is not None:
            rate = number_text(unit["rate"])
            interval = f"{number_text(unit['rate_low'])}–{number_text(unit['rate_high'])}"
            bar = bar_between(unit["rate_low"], unit["rate"], unit["rate_high"], most)
        return UnitLine(
            name=unit["name"],
            building=unit["building"],
            make=unit["make"],
            age="–" if unit["age_years"] is None else number_text(unit["age_years"]),
            last_overhaul=unit["last_overhaul_on"] or "–",
            faults=unit["faults"],
            entrapments=unit["entrapments"],
            rate=rate,
            interval=interval,
            bar=bar,
            rank=rank,
        )

    def options(self) -> list[OptionLine]:
        options = self._content["options"]
        most = max(
            (each["cost"]["high_fen"] for option in options for each in option["outlook"] if each["cost"]), default=0
        )
        return [self._option(option, float(most)) for option in options]

    def _option(self, option: Json, most: float) -> OptionLine:
        _ = self._
        said, bars = [], []
        for each in option["outlook"]:
            faults, cost = each["faults"], each["cost"]
            said.append(
                _(
                    "In %(years)s about %(mean)s faults (between %(low)s and %(high)s).",
                    years=self.span(each["years"]),
                    mean=count_text(faults["mean"]),
                    low=faults["low"],
                    high=faults["high"],
                )
            )
            if cost is not None:
                text = _(
                    "Quote and repairs of %(years)s together: about %(mean)s (between %(low)s and %(high)s).",
                    years=self.span(each["years"]),
                    mean=self.yuan(cost["mean_fen"]),
                    low=self.yuan(cost["low_fen"]),
                    high=self.yuan(cost["high_fen"]),
                )
                said.append(text)
                bar = bar_between(cost["low_fen"], cost["mean_fen"], cost["high_fen"], most)
                bars.append((self.span(each["years"]), self.yuan(cost["mean_fen"]), bar))
        if not said:
            said.append(_("What comes after it is not known from here."))
        return OptionLine(
            kind=_(OPTION_TITLES[OptionKind(option["kind"])]),
            title=option["title"],
            company=option["company"],
            quote=self.yuan(option["quoted_fen"]),
            is_chosen=option["is_chosen"],
            note=option["note"],
            outlook=said,
            bars=bars,
        )

    def covers(self) -> list[tuple[str, str, str]]:
        _ = self._
        return [
            (
                _(COVER_TITLES[CoverKind(each["kind"])]),
                each["what"],
                _(", ").join(
                    part
                    for part in (
                        "" if each["covered_fen"] is None else self.yuan(each["covered_fen"]),
                        "" if each["until_on"] is None else _("until %(day)s", day=each["until_on"]),
                    )
                    if part
                ),
            )
            for each in self._content["covers"]
        ]

    def money(self) -> list[Fact]:
        """What it costs, what each owner bears, and what is left of the fund."""
        _, money = self._, self._content["money"]
        found = [Fact(_("Estimated amount"), self.yuan(money["amount_fen"]))]
        roll, fund = money["roll"], money["fund"]
        if roll is not None:
            found.append(
                Fact(
                    _("Borne by"),
                    _("%(owners)s owners with %(area)s m²", owners=roll["owners"], area=roll["area_m2"]),
                )
            )
            found += [
                Fact(_("Share of %(area)s m²", area=each["area_m2"]), self.yuan(each["share_fen"]))
                for each in roll["examples"]
            ]
        if fund is not None:
            found += [
                Fact(_("In the fund now"), self.yuan(fund["balance_fen"])),
                Fact(
                    _("Left in the fund afterwards"),
                    self.yuan(fund["after_fen"]),
                    "" if fund["is_enough"] else _("The money does not suffice."),
                ),
                Fact(
                    _("Line of 30 % of the initial amount"),
                    self.yuan(fund["line_fen"]),
                    _("Afterwards the fund is below the line and is to be replenished.")
                    if fund["is_below_line_after"]
                    else _("Afterwards the fund is still above the line."),
                ),
            ]
        return found

    def cannot_say(self) -> list[str]:
        return [self._(CANNOT_SAY[CannotSay(code)]) for code in self._content["cannot_say"]]


def count_text(mean: float) -> str:
    """An expected number of faults: nobody knows the tenth of hundreds."""
    return number_text(round(mean)) if mean >= ROUNDED_FROM else number_text(round(mean, 1))


def bar_between(low: float, value: float, high: float, most: float) -> Bar:
    """An interval on a scale from 0 to 100 that ends at `most`."""

    def place(of: float) -> float:
        return round(min(100 * of / most, 100.0), 1) if most > 0 else 0.0

    return Bar(place(low), place(value), round(max(place(high) - place(low), 0.5), 1))
