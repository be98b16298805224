"""The page of the watch-list: the rule, who is on it and why, who left it, and the words of the public notice."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.record_links import record_links
from api.pages.rendering import reader_of, render
from api.pages.statistics_words import Source
from api.pages.values import number_text
from api.pages.wording import KIND_TITLES
from api.resources import Held
from api.security import PageActor, permitted_sites
from api.translations import Translator, msgid
from governance.watch_list import LeftBecause, WatchEntry, last_look, open_watch_entries, past_watch_entries
from models.equipment import Kind
from models.fault_prone import LEAST_DAYS, LEAST_FAULTS, LEAST_PEERS, WINDOW_DAYS

router = APIRouter(include_in_schema=False)

LEFT_WORDS: Mapping[LeftBecause, str] = MappingProxyType(
    {
        LeftBecause.BELOW: msgid("its rate no longer lies above its peers beyond doubt"),
        LeftBecause.REPLACED: msgid("it was replaced by a new unit"),
    }
)


@dataclass(frozen=True, slots=True)
class WatchLine:
    """One stay on the list; `href` leads to its statistics, `sources` to the faults that were counted."""

    name: str
    site_name: str
    href: str
    entered_on: str
    why: str
    left_on: str
    left_why: str
    sources: list[Source]
    notice: str


@router.get("/watch-list")
def show_watch_list(request: Request, actor: PageActor, held: Held, kind: str = "") -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    chosen = next((each for each in Kind if each.value == kind), Kind.ELEVATOR)
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        look = last_look(session, chosen)
        lines = [watch_line(row, _=_) for row in open_watch_entries(session, kind=chosen, visible=visible)]
        past = [watch_line(row, _=_) for row in past_watch_entries(session, kind=chosen, visible=visible)]
        quantiles = (
            [] if look is None else _quantiles(look.unit_quantile, look.site_quantile, look.units, look.sites, _=_)
        )
        looked = "" if look is None else look.as_of.isoformat()
    return render(
        request,
        "watch_list.html",
        reader,
        kinds=[(each, _(KIND_TITLES[each]), each is chosen) for each in Kind],
        lines=lines,
        past=past,
        looked=looked,
        quantiles=quantiles,
        window_days=WINDOW_DAYS,
        least_faults=LEAST_FAULTS,
        least_days=round(LEAST_DAYS),
        least_peers=LEAST_PEERS,
    )


def watch_line(row: WatchEntry, *, _: Translator) -> WatchLine:
    name = row.unit.name if row.unit is not None else _(msgid("The compound as a whole"))
    href = f"/statistics?unit={row.unit.unit_key.path}" if row.unit is not None else f"/statistics?site={row.site.key}"
    left_why = _(LEFT_WORDS[LeftBecause(row.left_because)]) if row.left_because else ""
    if row.exit:
        left_why = _(msgid("%(why)s: %(figures)s"), why=left_why, figures=figures_text(row.exit, _=_))
    return WatchLine(
        name=name,
        site_name=row.site.name,
        href=href,
        entered_on=row.entered_on.isoformat(),
        why=figures_text(row.entry, _=_),
        left_on="" if row.left_on is None else row.left_on.isoformat(),
        left_why=left_why,
        sources=record_links(row.entry.get("sources", []), _=_),
        notice=notice_text(row, name, _=_),
    )


def figures_text(figures: Mapping[str, Any], *, _: Translator) -> str:
    quantile = figures.get("quantile_per_year")
    words = msgid(
        "%(faults)s faults in %(days)s days with data, %(rate)s a year; at least %(low)s, the peers' limit is %(limit)s"
    )
    return _(
        words,
        faults=figures["faults"],
        days=number_text(figures["exposure_days"]),
        rate=number_text(figures["rate_per_year"]),
        low=number_text(figures["rate_low"]),
        limit="–" if quantile is None else number_text(quantile),
    )


def notice_text(row: WatchEntry, name: str, *, _: Translator) -> str:
    """What may be posted in the compound: who, since when, why, and that nobody is blamed by it."""
    facts = {
        "site": row.site.name,
        "name": name,
        "day": row.entered_on.isoformat(),
        "figures": figures_text(row.entry, _=_),
    }
    if row.left_on is None:
        words = msgid(
            "%(site)s, %(name)s: on the watch-list since %(day)s. Counted were %(figures)s. The list says how often it "
            "failed, not whose fault it is. It is looked at again on the first of each month."
        )
        return _(words, **facts)
    words = msgid("%(site)s, %(name)s: entered the watch-list on %(day)s and left it on %(left)s, because %(why)s.")
    why = _(LEFT_WORDS[LeftBecause(row.left_because or LeftBecause.BELOW)])
    return _(words, **facts, left=row.left_on.isoformat(), why=why)


def _quantiles(units: float | None, sites: float | None, n_units: int, n_sites: int, *, _: Translator) -> list[str]:
    found = []
    for value, n, words, too_few in (
        (
            units,
            n_units,
            msgid("Units: the peers' limit is %(limit)s faults a year, from %(n)s units."),
            msgid("Units: only %(n)s are known well enough; nobody is judged."),
        ),
        (
            sites,
            n_sites,
            msgid("Compounds: the peers' limit is %(limit)s faults per unit and year, from %(n)s compounds."),
            msgid("Compounds: only %(n)s are known well enough; none is judged."),
        ),
    ):
        found.append(_(too_few, n=n) if value is None else _(words, limit=number_text(value), n=n))
    return found
