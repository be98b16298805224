"""The activity log: as pages, and as a live stream."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field

from api.activity_feed import MOST_STREAMS, ActivityFeed, FeedResponse
from api.errors import TooManyStreams
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, LARGEST_ID, AbsentIfEmpty, Cursor, Limit
from api.routes.presenting import activity_shape, may_see_activity, zones_of
from api.routes.shapes import ActivityShape, Page
from api.security import ApiActor, caller, names_people
from registry import activity
from registry.role import Actor
from registry.site import DEFAULT_TIMEZONE

AfterId = Annotated[Annotated[int, Field(ge=0, le=LARGEST_ID)] | None, AbsentIfEmpty]

_EVENT_SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
}

router = APIRouter(prefix="/activity", tags=["activity"])


@router.get("")
def list_activity(
    actor: ApiActor,
    held: Held,
    after: Annotated[AfterId, Query(description="id of the last row already known")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[ActivityShape]:
    """Rows after an id, oldest first; `next` is the `cursor` (or the `after`) to go on with."""
    with held.database.reading() as session:
        after_id = int(cursor) if cursor else after or 0
        rows = activity.after(session, after_id, visible=actor.sites, limit=limit + 1)
        zones = zones_of(session, {row.site for row in rows})
        shown = [
            activity_shape(
                row, zone=zones.get(row.site, DEFAULT_TIMEZONE), is_named=names_people(actor, row.site or None)
            )
            for row in rows[:limit]
            if may_see_activity(actor, row.site)
        ]
        return Page(items=shown, next=str(rows[limit - 1].id) if len(rows) > limit else None)


@router.get(
    "/stream",
    status_code=200,
    response_class=FeedResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT_SCHEMA}}}},
)
def stream_activity(
    request: Request,
    actor: ApiActor,
    held: Held,
    after: Annotated[AfterId, Query(description="where a first connection begins")] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST_ID)] = None,
) -> FeedResponse:
    """Server-sent events: `id` is the id of the activity, `data` the row as `GET /activity` gives it.

    A client that comes back with `Last-Event-ID` gets what it missed. Without it, and without `after`, the stream
    begins now. An event of the type `reset` says that the log does not reach as far as the id that was named.
    """
    feed = request.app.state.activity_feed
    assert isinstance(feed, ActivityFeed)
    if feed.is_full:
        raise TooManyStreams(MOST_STREAMS)
    after_id = after if last_event_id is None else last_event_id
    if after_id is None:
        with held.database.reading() as session:
            after_id = activity.last_id(session)

    def recheck() -> Actor | None:
        login = caller(request, is_remembered=False)
        return login.actor if login is not None else None

    return FeedResponse(feed, feed.follow(actor, after_id=after_id, recheck=recheck))
