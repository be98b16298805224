"""The evidence of a proposal: everything that is known, gathered at one click, and frozen when it is posted.

What is frozen is canonical JSON with its SHA-256: what was voted on stays what it was, and anybody can check it. Money
is in fen, areas in square metres as decimal text, rates are faults a year of one unit, times are ms.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.evidence_entries import OptionKind, covers_of, options_of, units_of
from governance.fault_facts import exposures_within
from governance.fund import account_for, standing_of
from governance.overhaul_effect import Effect, overhaul_effect
from governance.owners_share import owners_measure, share_of_area
from governance.proposal import Proposal
from governance.reliability_report import WINDOW_MS, Facts, Standing, UnitFacts, gather, standings_of
from governance.statutory_days import day_of
from models.equipment import Kind
from models.expected_faults import ExpectedFaults, expected_faults
from models.fault_statistics import Figure, Statistics, TimeTaken
from registry.database import BigId, Table, compact_json
from registry.service_record import RENEWING, ServiceKind, ServiceRecord, latest_service

FORMAT = "liandong-evidence/1"
PERIODS = 4
"""Quarters of the last year, from which the forecast learns how rates change."""
HORIZONS_YEARS = (1, 3)
EXAMPLE_AREAS_M2 = ("60", "90", "120")
PLACES = 4


class CannotSay(StrEnum):
    """What the figures of a pack cannot say."""

    NO_UNITS = "no_units"
    NO_STATISTICS = "no_statistics"
    POOR_COVERAGE = "poor_coverage"
    CAUSES_UNKNOWN = "causes_unknown"
    NO_FORECAST = "no_forecast"
    NO_EARLIER_OVERHAUL = "no_earlier_overhaul"
    EFFECT_UNSURE = "effect_unsure"
    CHOSEN_BECAUSE_BAD = "chosen_because_bad"
    NO_COST_OF_FAULTS = "no_cost_of_faults"
    NO_ROLL = "no_roll"
    NO_FUND = "no_fund"
    NOTHING_COVERED = "nothing_covered"
    ONE_QUOTE = "one_quote"
    QUOTES_AS_ENTERED = "quotes_as_entered"


class EvidencePack(Table):
    """A pack as it was frozen; `digest` is the SHA-256 of `content` in UTF-8."""

    __tablename__ = "evidence_pack"
    __table_args__ = (UniqueConstraint("proposal_id", "round"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    proposal_id: Mapped[int] = mapped_column(ForeignKey("proposal.id"))
    round: Mapped[int] = mapped_column(Integer)
    frozen_ms: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(Text)

    @property
    def is_intact(self) -> bool:
        """Whether the content is still what its hash says."""
        return digest_of(self.content) == self.digest


def digest_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Gathered:
    """A pack that was gathered before the step that freezes it, of this version of the proposal."""

    version: int
    content: dict[str, Any]


def gather_ahead(session: Session, proposal: Proposal, *, now_ms: int) -> Gathered:
    """Gathering takes a second or more: done in a reading transaction, it keeps nobody from writing."""
    return Gathered(proposal.version, gather_evidence(session, proposal, now_ms=now_ms))


def freeze(
    session: Session, proposal: Proposal, *, version: int, gathered: Gathered | None, now_ms: int
) -> EvidencePack:
    """Keeps the pack; each round of a proposal freezes once. One of another version is gathered anew."""
    if gathered is not None and gathered.version == version:
        content = compact_json(gathered.content)
    else:
        content = compact_json(gather_evidence(session, proposal, now_ms=now_ms))
    pack = EvidencePack(
        proposal_id=proposal.id,
        round=proposal.round,
        frozen_ms=now_ms,
        digest=digest_of(content),
        content=content,
    )
    session.add(pack)
    session.flush()
    return pack


def frozen_packs(session: Session, proposal_id: int) -> list[EvidencePack]:
    """Of all rounds, the newest first."""
    query = select(EvidencePack).where(EvidencePack.proposal_id == proposal_id).order_by(EvidencePack.round.desc())
    return list(session.scalars(query))


def frozen_pack(session: Session, proposal: Proposal) -> EvidencePack | None:
    """That of the present round; None before it is posted."""
    return next((pack for pack in frozen_packs(session, proposal.id) if pack.round == proposal.round), None)


def content_of(pack: EvidencePack) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(pack.content)
    return content


def gather_evidence(session: Session, proposal: Proposal, *, now_ms: int) -> dict[str, Any]:
    """The pack as it would be frozen now: JSON values only."""
    by_kind: dict[Kind, set[int]] = defaultdict(set)
    for unit in units_of(session, proposal.id):
        by_kind[Kind(unit.kind)].add(unit.id)
    sections = [_section(session, proposal, kind, by_kind[kind], now_ms) for kind in sorted(by_kind)]
    money = _money(session, proposal)
    covers = [
        {
            "kind": row.kind,
            "what": row.what,
            "covered_fen": row.covered_fen,
            "until_on": _iso(row.until_on),
        }
        for row in covers_of(session, proposal.id)
    ]
    options = _options(session, proposal, sections)
    return {
        "format": FORMAT,
        "gathered_ms": now_ms,
        "proposal": {
            "site": proposal.site.key,
            "site_name": proposal.site.name,
            "number": proposal.number,
            "round": proposal.round,
            "title": proposal.title,
            "matter": proposal.matter,
            "procedure": proposal.procedure,
            "building": proposal.building,
            "amount_fen": proposal.amount_fen,
            "reason": proposal.reason,
            "plan": proposal.plan,
        },
        "span": {"start_ms": now_ms - WINDOW_MS, "end_ms": now_ms},
        "sections": sections,
        "options": options,
        "covers": covers,
        "money": money,
        "cannot_say": _cannot_say(sections, options, covers, money),
    }


def _section(session: Session, proposal: Proposal, kind: Kind, ids: set[int], now_ms: int) -> dict[str, Any]:
    facts = gather(session, kind=kind, site=proposal.site.key, start_ms=now_ms - WINDOW_MS, end_ms=now_ms)
    concerned = [unit for unit in facts.units if unit.id in ids]
    others = [unit for unit in facts.units if unit.id not in ids]
    standings = standings_of(facts)
    services = latest_service(session, sorted(ids), as_of=day_of(now_ms, proposal.site.timezone))
    effect = overhaul_effect(session, facts.units, now_ms=now_ms)
    statistics = facts.of(concerned)
    forecasts = _forecasts(session, facts, ids)
    per_fault = statistics.cost_fen // statistics.faults.n if statistics.faults.n and statistics.cost_fen else None
    today = day_of(now_ms, proposal.site.timezone)
    return {
        "kind": kind.value,
        "concerned": _statistics(statistics),
        "others": _statistics(facts.of(others)) if others else None,
        "units": [_unit(unit, facts, standings.get(unit.id), services.get(unit.id, {}), today) for unit in concerned],
        "all_units": len(facts.units),
        "earlier_overhauls": _effect(effect),
        "forecasts": forecasts,
        "cost_per_fault_fen": per_fault,
    }


def _unit(
    unit: UnitFacts,
    facts: Facts,
    standing: Standing | None,
    services: Mapping[ServiceKind, ServiceRecord],
    today: date,
) -> dict[str, Any]:
    own = facts.of([unit])
    renewed = max((record.done_on for kind, record in services.items() if kind in RENEWING), default=None)
    return {
        "unit": unit.path,
        "name": unit.name,
        "building": unit.building,
        "make": unit.make,
        "maintainer": unit.maintainer,
        "installed_on": unit.installed_on,
        "age_years": _age(unit.installed_on, today),
        "last_overhaul_on": _iso(renewed),
        "faults": own.faults.n,
        "entrapments": own.entrapments.n,
        "exposure_years": _rounded(own.exposure.years),
        "coverage": _rounded(own.exposure.coverage),
        "rate": _rounded(own.faults.value),
        "rate_low": _rounded(own.faults.low),
        "rate_high": _rounded(own.faults.high),
        "standing": None
        if standing is None
        else {
            "rank": standing.rank,
            "rank_low": standing.rank_low,
            "rank_high": standing.rank_high,
            "peers": standing.peers,
            "rate": _rounded(standing.rate_per_year),
            "rate_low": _rounded(standing.rate_low),
            "rate_high": _rounded(standing.rate_high),
            "p_worst_decile": _rounded(standing.p_worst_decile),
        },
    }


def _age(installed_on: str | None, today: date) -> float | None:
    try:
        return round((today - date.fromisoformat(installed_on or "")).days / 365.25, 1)
    except ValueError:
        return None


def _statistics(of: Statistics) -> dict[str, Any]:
    return {
        "units": of.units,
        "exposure_years": _rounded(of.exposure.years),
        "coverage": _rounded(of.exposure.coverage),
        "faults": _figure(of.faults),
        "entrapments": _figure(of.entrapments),
        "causes": {cause.value: len(records) for cause, records in of.causes.items()},
        "downtime_ms": of.downtime_ms,
        "availability": _rounded(of.availability.value),
        "mtbf_days": _figure(of.mtbf_days) | {"censored": of.mtbf_censored},
        "response": _time(of.response),
        "arrival": _time(of.arrival),
        "repair": _time(of.repair),
        "restoration": _time(of.restoration),
        "repeats": len(of.repeats),
        "cost_fen": of.cost_fen,
        "cautions": [caution.value for caution in of.cautions],
    }


def _figure(of: Figure) -> dict[str, Any]:
    return {
        "value": _rounded(of.value),
        "low": _rounded(of.low),
        "high": _rounded(of.high),
        "n": of.n,
        "cautions": [caution.value for caution in of.cautions],
    }


def _time(of: TimeTaken) -> dict[str, Any]:
    return {"median_ms": of.median_ms, "most_ms": of.most_ms, "n": of.n, "censored": of.censored}


def _effect(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {
        "units": len(effect.units),
        "first_on": effect.first_on.isoformat(),
        "last_on": effect.last_on.isoformat(),
        "before": {"faults": effect.before.faults, "years": _rounded(effect.before.years)},
        "after": {"faults": effect.after.faults, "years": _rounded(effect.after.years)},
        "ratio": _rounded(effect.change.ratio),
        "low": _rounded(effect.change.low),
        "high": _rounded(effect.change.high),
        "others": None
        if effect.others is None
        else {
            "units": effect.others_units,
            "ratio": _rounded(effect.others.ratio),
            "low": _rounded(effect.others.low),
            "high": _rounded(effect.others.high),
        },
        "cautions": [caution.value for caution in effect.cautions],
    }


def _forecasts(session: Session, facts: Facts, ids: set[int]) -> list[dict[str, Any]]:
    """Faults of the units together over the coming years, if all goes on as it does."""
    step_ms = (facts.end_ms - facts.start_ms) // PERIODS
    edges = [facts.start_ms + number * step_ms for number in range(PERIODS + 1)]
    pairs = [(unit.id, unit.created_ms) for unit in facts.units]
    counts = np.zeros((len(pairs), PERIODS), dtype=np.int64)
    days = np.zeros((len(pairs), PERIODS))
    spans = [(unit_id, span) for unit_id, _ in pairs for span in pairwise(edges)]
    for place, exposure in enumerate(exposures_within(session, spans, dict(pairs))):
        days[divmod(place, PERIODS)] = exposure.days
    for place, (unit_id, _) in enumerate(pairs):
        for fault in facts.begun_within(unit_id):
            counts[place, min((fault.began_ms - facts.start_ms) // step_ms, PERIODS - 1)] += 1
    counts[days <= 0] = 0
    chosen = np.array([unit_id in ids for unit_id, _ in pairs], dtype=bool)
    horizons_days = [years * 365.25 for years in HORIZONS_YEARS]
    found = expected_faults(counts, days, chosen, horizons_days=horizons_days)
    return [{"years": years, **_expected(each)} for years, each in zip(HORIZONS_YEARS, found, strict=False)]


def _expected(of: ExpectedFaults) -> dict[str, Any]:
    return {"mean": round(of.mean, 1), "low": of.low, "high": of.high}


def _options(session: Session, proposal: Proposal, sections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": row.kind,
            "title": row.title,
            "company": row.company,
            "quoted_fen": row.quoted_fen,
            "quoted_on": _iso(row.quoted_on),
            "is_chosen": row.is_chosen,
            "note": row.note,
            "outlook": _outlook(OptionKind(row.kind), row.quoted_fen, sections),
        }
        for row in options_of(session, proposal.id)
    ]


def _outlook(kind: OptionKind, quoted_fen: int, sections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faults and cost over the coming years if this option is taken; empty where nothing is known of it.

    A repair leaves the rate as it is. An overhaul or a replacement changes it as earlier overhauls here did; the ends
    of both intervals are multiplied, which is wider than it need be rather than narrower.
    """
    if len(sections) != 1 or kind is OptionKind.OTHER:
        return []
    section = sections[0]
    factor = (1.0, 1.0, 1.0)
    if kind is not OptionKind.REPAIR:
        effect = section["earlier_overhauls"]
        if effect is None or not is_shown_to_help(effect):
            return []
        factor = (effect["ratio"], effect["low"], effect["high"])
    per_fault = section["cost_per_fault_fen"]
    found = []
    for forecast in section["forecasts"]:
        mean, low, high = forecast["mean"] * factor[0], forecast["low"] * factor[1], forecast["high"] * factor[2]
        costs = None
        if per_fault is not None:
            mean_fen, low_fen, high_fen = (quoted_fen + round(each * per_fault) for each in (mean, low, high))
            costs = {"mean_fen": mean_fen, "low_fen": low_fen, "high_fen": high_fen}
        faults = {"mean": round(mean, 1), "low": int(low), "high": int(np.ceil(high))}
        found.append({"years": forecast["years"], "faults": faults, "cost": costs})
    return found


def is_shown_to_help(effect: Mapping[str, Any]) -> bool:
    """Whether the whole interval of the effect of earlier overhauls lies below no change at all."""
    return effect["ratio"] is not None and effect["high"] is not None and effect["high"] < 1


def _money(session: Session, proposal: Proposal) -> dict[str, Any]:
    measure = owners_measure(session, proposal)
    account = account_for(session, proposal)
    fund = None
    if account is not None:
        standing = standing_of(session, account)
        after_fen = standing.balance_fen - proposal.amount_fen
        fund = {
            "building": account.building,
            "initial_fen": account.initial_fen,
            "balance_fen": standing.balance_fen,
            "line_fen": standing.line_fen,
            "after_fen": after_fen,
            "is_below_line": standing.is_below_line,
            "is_below_line_after": after_fen < standing.line_fen,
            "is_enough": after_fen >= 0,
        }
    return {
        "amount_fen": proposal.amount_fen,
        "roll": None
        if measure is None
        else {
            "owners": measure.owners,
            "parts": measure.parts,
            "area_m2": measure.area_m2,
            "examples": [
                {"area_m2": area, "share_fen": share_of_area(proposal.amount_fen, area, measure)}
                for area in EXAMPLE_AREAS_M2
            ],
        },
        "fund": fund,
    }


def _cannot_say(
    sections: Sequence[dict[str, Any]],
    options: Sequence[dict[str, Any]],
    covers: Sequence[dict[str, Any]],
    money: Mapping[str, Any],
) -> list[str]:
    said = {
        CannotSay.NO_UNITS: not sections,
        CannotSay.NO_STATISTICS: any(each["concerned"]["faults"]["value"] is None for each in sections),
        CannotSay.POOR_COVERAGE: any("poor_coverage" in each["concerned"]["cautions"] for each in sections),
        CannotSay.CAUSES_UNKNOWN: any("causes_unknown" in each["concerned"]["cautions"] for each in sections),
        CannotSay.NO_FORECAST: any(not each["forecasts"] for each in sections),
        CannotSay.NO_EARLIER_OVERHAUL: any(each["earlier_overhauls"] is None for each in sections),
        CannotSay.EFFECT_UNSURE: any(
            each["earlier_overhauls"] is not None and not is_shown_to_help(each["earlier_overhauls"])
            for each in sections
        ),
        CannotSay.CHOSEN_BECAUSE_BAD: any(each["earlier_overhauls"] is not None for each in sections),
        CannotSay.NO_COST_OF_FAULTS: any(each["cost_per_fault_fen"] is None for each in sections),
        CannotSay.NO_ROLL: money["roll"] is None,
        CannotSay.NO_FUND: money["fund"] is None,
        CannotSay.NOTHING_COVERED: not covers,
        CannotSay.ONE_QUOTE: len(options) == 1,
        CannotSay.QUOTES_AS_ENTERED: bool(options),
    }
    return [code.value for code in CannotSay if said[code]]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), PLACES)


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
