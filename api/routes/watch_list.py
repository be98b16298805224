"""The watch-list: who is on it, who left it, and by which figures."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.resources import Held
from api.routes.parameters import AbsentIfEmpty
from api.security import ApiActor, permitted_sites
from governance.watch_list import LeftBecause, WatchEntry, last_look, open_watch_entries, past_watch_entries
from models.equipment import Kind
from models.fault_prone import ENTRY_DOUBT, LEAST_DAYS, LEAST_FAULTS, LEAST_PEERS, PEER_QUANTILE, WINDOW_DAYS

router = APIRouter(tags=["statistics"])


class WatchFigures(BaseModel):
    """What the rule was given and what it said; faults a year."""

    faults: int
    exposure_days: float
    rate_per_year: float
    rate_low: float = Field(description="lower bound of its rate; 0 for fewer than three faults, which are not judged")
    quantile_per_year: float | None = Field(description="the peers' 90 % quantile")
    peers: int
    sources: list[str]


class WatchEntryShape(BaseModel):
    id: int
    kind: Kind
    site: str
    unit: str | None = Field(description="`{site}~{unit}`; null for a compound as a whole")
    name: str
    entered_on: date
    entry: WatchFigures
    left_on: date | None
    left_because: LeftBecause | None
    exit: WatchFigures | None


class WatchRuleShape(BaseModel):
    """The published rule."""

    window_days: int = WINDOW_DAYS
    peer_quantile: float = PEER_QUANTILE
    entry_doubt: float = Field(default=ENTRY_DOUBT, description="the rate lies below its lower bound so probably")
    least_faults: int = LEAST_FAULTS
    least_days: float = LEAST_DAYS
    least_peers: int = LEAST_PEERS


class WatchListPage(BaseModel):
    items: list[WatchEntryShape]
    next: str | None = None
    rule: WatchRuleShape
    looked_as_of: date | None = Field(description="null: the rule was not looked at yet")
    unit_quantile: float | None = Field(description="null: too few peers to judge anybody")
    site_quantile: float | None


@router.get("/watch-list")
def show_watch_list(
    request: Request,
    actor: ApiActor,
    held: Held,
    kind: Annotated[Kind | None, AbsentIfEmpty, Query(description="lifts when absent")] = None,
    state: Annotated[Literal["open", "past"] | None, AbsentIfEmpty, Query(description="`open` when absent")] = None,
) -> WatchListPage:
    """Entries of the compounds the person may see; the rule compares all compounds of the system."""
    chosen, visible = kind or Kind.ELEVATOR, permitted_sites(request, actor)
    with held.database.reading() as session:
        ask = past_watch_entries if state == "past" else open_watch_entries
        look = last_look(session, chosen)
        return WatchListPage(
            items=[watch_shape(row) for row in ask(session, kind=chosen, visible=visible)],
            rule=WatchRuleShape(),
            looked_as_of=None if look is None else look.as_of,
            unit_quantile=None if look is None else look.unit_quantile,
            site_quantile=None if look is None else look.site_quantile,
        )


def watch_shape(row: WatchEntry) -> WatchEntryShape:
    return WatchEntryShape(
        id=row.id,
        kind=Kind(row.kind),
        site=row.site.key,
        unit=row.unit.unit_key.path if row.unit is not None else None,
        name=row.unit.name if row.unit is not None else row.site.name,
        entered_on=row.entered_on,
        entry=WatchFigures(**row.entry),
        left_on=row.left_on,
        left_because=None if row.left_because is None else LeftBecause(row.left_because),
        exit=WatchFigures(**row.exit) if row.exit else None,
    )
