"""What came in and what became of it: the ledger, and the messages that could not be taken."""

from fastapi import APIRouter, Request, Response

from api.errors import UnknownMessage
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, Cursor, Id, Limit
from api.routes.shapes import LedgerShape, MessageCounts, QuarantinedShape, QuarantinePage, ValueCounts
from api.security import ApiActor, permitted_sites
from ingest import quarantine
from ingest.ledger import read_ledger

router = APIRouter(tags=["data quality"])


@router.get("/ledger")
def show_ledger(_: ApiActor, held: Held) -> LedgerShape:
    """received = accepted + duplicate + quarantined, and accepted values = stored + pending, always."""
    with held.database.reading() as session:
        ledger = read_ledger(session)
    return LedgerShape(
        messages=MessageCounts(
            received=ledger.received,
            accepted=ledger.accepted,
            duplicate=ledger.duplicate,
            quarantined=ledger.quarantined,
        ),
        values=ValueCounts(
            accepted=ledger.values_accepted,
            stored=ledger.values_stored,
            pending=ledger.values_pending,
            refused=ledger.values_refused,
            late=ledger.values_late,
            repeated=ledger.values_repeated,
        ),
    )


@router.get("/quarantine")
def list_quarantine(
    request: Request, actor: ApiActor, held: Held, cursor: Cursor = None, limit: Limit = DEFAULT_ITEMS
) -> QuarantinePage:
    """Messages that could not be taken, newest first. Those whose topic names no site are for people of all sites."""
    visible = permitted_sites(request, actor)
    with held.database.reading() as session:
        messages = quarantine.newest(
            session, visible=visible, before_id=int(cursor) if cursor else None, limit=limit + 1
        )
        return QuarantinePage(
            items=[
                QuarantinedShape(
                    id=message.id,
                    received_at=rfc3339(message.received_ms),
                    topic=message.topic,
                    reason=message.reason,
                    detail=message.detail,
                    size_bytes=message.size_bytes,
                    digest=message.digest,
                    replayed_at=rfc3339(message.replayed_ms) if message.replayed_ms is not None else None,
                    discarded_at=rfc3339(message.discarded_ms) if message.discarded_ms is not None else None,
                )
                for message in messages[:limit]
            ],
            next=str(messages[limit - 1].id) if len(messages) > limit else None,
            counts=quarantine.count_by_reason(session, visible=visible),
        )


@router.get(
    "/quarantine/{message_id}/payload",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
def download_payload(request: Request, actor: ApiActor, held: Held, message_id: Id) -> Response:
    """The bytes as they came. They are anybody's, so that they are only ever saved, never shown."""
    with held.database.reading() as session:
        message = quarantine.find_message(session, message_id, visible=permitted_sites(request, actor))
        if message is None:
            raise UnknownMessage(message_id)
        return Response(
            message.payload,
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="quarantine-{message_id}.bin"',
                "Content-Security-Policy": "default-src 'none'; sandbox",
            },
        )


@router.post("/quarantine/{message_id}/replay", status_code=202, responses={202: {"description": "It will be taken."}})
def replay_message(request: Request, actor: ApiActor, held: Held, message_id: Id) -> Response:
    """The ingest takes the message again within seconds; once more changes nothing."""
    with held.database.writing() as session:
        if quarantine.find_message(session, message_id, visible=permitted_sites(request, actor)) is None:
            raise UnknownMessage(message_id)
        quarantine.ask_replay(session, message_id=message_id, by=actor.name, now_ms=held.clock())
    return Response(status_code=202)
