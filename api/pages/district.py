"""The district on one page: every compound and company, searched, sorted and filtered on the server."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.rendering import reader_of, render
from api.pages.statistics_words import share_text
from api.resources import Held
from api.security import PageActor, permitted_sites
from api.translations import msgid
from governance.district import Standing, Trouble, district_view

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
SORTS: Mapping[str, tuple[str, Callable[[Standing], tuple[object, ...]]]] = MappingProxyType(
    {
        "hard": (msgid("Hard cases first"), lambda each: (-each.hard_cases, -each.watched, each.key)),
        "open": (msgid("Open cases first"), lambda each: (-each.open_cases, each.key)),
        "silent": (msgid("Silent units first"), lambda each: (-each.silent, each.key)),
        "units": (msgid("Largest first"), lambda each: (-each.units, each.key)),
        "name": (msgid("By name"), lambda each: (each.name, each.key)),
    }
)

router = APIRouter(include_in_schema=False)


@router.get("/district")
def show_district(
    request: Request,
    actor: PageActor,
    held: Held,
    search: str = "",
    sort: str = "",
    trouble: str = "",
    page: int = 1,
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    with held.database.reading() as session:
        district = district_view(session, visible=permitted_sites(request, actor), now_ms=reader.now_ms)
    chosen_sort = sort if sort in SORTS else "hard"
    chosen = next((each for each in Trouble if each.value == trouble), None)
    words = search[:200].lower().split()
    found = [
        each
        for each in district.sites
        if (chosen is None or each.has(chosen)) and all(word in f"{each.name} {each.key}".lower() for word in words)
    ]
    found.sort(key=SORTS[chosen_sort][1])
    pages = max(1, -(-len(found) // ROWS_ON_PAGE))
    place = min(max(page, 1), pages)
    return render(
        request,
        "district.html",
        reader,
        rows=[
            (each, share_text(each.heard / each.units if each.units else None))
            for each in found[(place - 1) * ROWS_ON_PAGE : place * ROWS_ON_PAGE]
        ],
        found=len(found),
        total=len(district.sites),
        sums={
            "units": sum(each.units for each in district.sites),
            "open": sum(each.open_cases for each in district.sites),
        },
        troubles=[
            (each, _(title), sum(1 for site in district.sites if site.has(each)), each is chosen)
            for each, title in TROUBLE_TITLES.items()
        ],
        sorts=[(key, _(title), key == chosen_sort) for key, (title, _key) in SORTS.items()],
        companies=[
            (each, share_text(each.heard / each.units if each.units else None))
            for each in sorted(district.companies, key=SORTS["hard"][1])[:COMPANIES_SHOWN]
        ],
        search=search[:200],
        query={"search": search[:200], "sort": chosen_sort, "trouble": chosen.value if chosen else ""},
        page=place,
        pages=pages,
    )
