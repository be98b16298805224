"""The district on one page: every compound and company with its rate, searched, sorted and filtered on the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.rendering import Reader, reader_of, render
from api.pages.statistics_words import CAUTION_WORDS, Bar, bar_of, exposure_text, rate_texts, share_text
from api.pages.values import number_text
from api.pages.wording import KIND_TITLES
from api.resources import Held
from api.security import PageActor, permitted_sites
from api.translations import msgid
from governance.district import District, Standing, Trouble, district_view
from governance.district_rates import DistrictRates, Order, Rates, arranged, district_rates
from models.equipment import Kind

ROWS_ON_PAGE = 100
COMPANIES_SHOWN = 50

TROUBLE_TITLES: Mapping[Trouble, str] = MappingProxyType(
    {
        Trouble.BLOCKED: msgid("Blocked by governance"),
        Trouble.OVERDUE: msgid("Deadline missed"),
        Trouble.ON_HOLD: msgid("On hold"),
        Trouble.WATCHED: msgid("On the watch-list"),
        Trouble.SILENT: msgid("Units that are silent"),
        Trouble.CALL_OUT: msgid("Call-outs of people"),
    }
)
ORDER_TITLES: Mapping[Order, str] = MappingProxyType(
    {
        Order.HARD: msgid("Hard cases first"),
        Order.RATE: msgid("Highest fault rate first, by its lower bound"),
        Order.OPEN: msgid("Open cases first"),
        Order.SILENT: msgid("Silent units first"),
        Order.UNITS: msgid("Largest first"),
        Order.NAME: msgid("By name"),
    }
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class DistrictRow:
    """A compound or a company: its counts, and its rate with the interval and what it rests on."""

    standing: Standing
    heard: str
    rate: str
    interval: str
    bar: Bar | None
    faults: int | None
    years: str
    coverage: str
    cautions: Sequence[str]


@router.get("/district")
def show_district(
    request: Request,
    actor: PageActor,
    held: Held,
    search: str = "",
    sort: str = "",
    trouble: str = "",
    kind: str = "",
    page: int = 1,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    chosen_kind = next((each for each in Kind if each.value == kind), Kind.ELEVATOR)
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        district = district_view(session, visible=visible, now_ms=reader.now_ms)
        rates = district_rates(session, kind=chosen_kind, visible=visible, now_ms=reader.now_ms)
    order = next((each for each in Order if each.value == sort), Order.HARD)
    chosen = next((each for each in Trouble if each.value == trouble), None)
    found = arranged(district.sites, rates.sites, search=search[:200], trouble=chosen, order=order)
    pages = max(1, -(-len(found) // ROWS_ON_PAGE))
    place = min(max(page, 1), pages)
    companies = arranged(district.companies, rates.companies, order=order)[:COMPANIES_SHOWN]
    return render(
        request,
        "district.html",
        reader,
        rows=_rows(found[(place - 1) * ROWS_ON_PAGE : place * ROWS_ON_PAGE], rates.sites, reader),
        found=len(found),
        total=len(district.sites),
        sums=_sums(district),
        overall=_overall(rates, reader),
        troubles=[
            (each, _(title), sum(1 for site in district.sites if site.has(each)), each is chosen)
            for each, title in TROUBLE_TITLES.items()
        ],
        sorts=[(each.value, _(title), each is order) for each, title in ORDER_TITLES.items()],
        kinds=[(each.value, _(KIND_TITLES[each]), each is chosen_kind) for each in Kind],
        kind=chosen_kind.value,
        kind_title=_(KIND_TITLES[chosen_kind]),
        companies=_rows(companies, rates.companies, reader),
        companies_total=len(district.companies),
        search=search[:200],
        query={
            "search": search[:200],
            "sort": order.value,
            "kind": chosen_kind.value,
            "trouble": chosen.value if chosen else "",
        },
        page=place,
        pages=pages,
    )


def _sums(district: District) -> Mapping[str, int]:
    return {
        "units": sum(each.units for each in district.sites),
        "open": sum(each.open_cases for each in district.sites),
    }


def _overall(rates: DistrictRates, reader: Reader) -> Mapping[str, object]:
    _, told = reader._, rates.total
    rate, interval = rate_texts(told.faults, _=_)
    return {
        "rate": rate,
        "interval": interval,
        "faults": told.faults.n,
        "exposure": exposure_text(told.exposure, _=_),
        "cautions": [_(CAUTION_WORDS[caution]) for caution in told.faults.cautions],
        "span": (reader.moment(rates.start_ms).iso[:10], reader.moment(rates.end_ms).iso[:10]),
    }


def _rows(standings: Sequence[Standing], rates: Rates, reader: Reader) -> list[DistrictRow]:
    _ = reader._
    known = [rates[each.key].faults.high or 0.0 for each in standings if each.key in rates]
    # One compound that was hardly watched would press all other bars together.
    most = sorted(known)[-(1 + len(known) // 20)] if known else 0.0
    found = []
    for each in standings:
        heard = share_text(each.heard / each.units if each.units else None)
        told = rates.get(each.key)
        if told is None:
            found.append(DistrictRow(each, heard, "–", "", None, None, "–", "–", ()))
            continue
        rate, interval = rate_texts(told.faults, _=_)
        found.append(
            DistrictRow(
                standing=each,
                heard=heard,
                rate=rate,
                interval=interval,
                bar=bar_of(told.faults, most=most),
                faults=told.faults.n,
                years=number_text(told.exposure.years),
                coverage=share_text(told.exposure.coverage),
                cautions=[_(CAUTION_WORDS[caution]) for caution in told.faults.cautions],
            )
        )
    return found
