"""Other systems that are told what happens; for administrators."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from alerts.webhook import (
    Webhook,
    add_webhook,
    deliveries_of,
    drop_webhook,
    get_webhook,
    webhooks,
)
from api.idempotency import IdempotencyKey, claimed
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, Id, Limit, Text
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor
from api.senders import open_secret_box
from api.webhook_worker import checked_webhook, with_secret
from registry import activity
from registry.activity import Entry
from registry.channel import MAX_ADDRESS_LENGTH
from registry.role import Actor
from registry.site import get_site

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class WebhookShape(BaseModel):
    id: int
    label: str
    site: str | None = Field(description="absent for all compounds")
    events: list[str] = Field(description="beginnings of verbs; empty for all")
    told_up_to: int = Field(description="the activity it was last told of")
    failed_attempts: int
    is_paused: bool
    created_by: str
    created_at: Rfc3339


class NewWebhook(BaseModel):
    url: Annotated[Text, Field(max_length=MAX_ADDRESS_LENGTH, description="http or https; kept encrypted, never shown")]
    secret: Annotated[Text, Field(max_length=200, description="of its signature; at least 16 characters")]
    label: Annotated[Text, Field(max_length=60)] = ""
    site: Annotated[Text, Field(max_length=64)] = ""
    events: Annotated[list[str], Field(max_length=30)] = []


class ChangedWebhook(BaseModel):
    secret: Annotated[Text, Field(max_length=200, description="another one from now on")] | None = None
    is_paused: bool | None = None


class WebhookDeliveryShape(BaseModel):
    at: Rfc3339
    first_id: int
    last_id: int
    events: int
    is_sent: bool
    result: str


def _shape(found: Webhook) -> WebhookShape:
    return WebhookShape(
        id=found.id,
        label=found.label,
        site=found.site.key if found.site is not None else None,
        events=list(found.wanted),
        told_up_to=found.after_id,
        failed_attempts=found.attempts,
        is_paused=found.is_paused,
        created_by=found.created_by,
        created_at=rfc3339(found.created_ms),
    )


def noted(found: Webhook, verb: str, actor: Actor) -> Entry:
    """The line of the log that says what became of it."""
    site = found.site.key if found.site is not None else ""
    return Entry(verb=verb, subject=f"webhook:{found.id}", actor=actor.name, site=site, data={"label": found.label})


@router.get("")
def list_webhooks(_actor: ApiActor, held: Held) -> Page[WebhookShape]:
    with held.database.reading() as session:
        return Page(items=[_shape(each) for each in webhooks(session)], next=None)


@router.post("", status_code=201)
def create_webhook(
    actor: ApiActor, held: Held, new: NewWebhook, idempotency_key: IdempotencyKey = None
) -> WebhookShape:
    """Tells another system what happens from now on, in signed requests of up to 100 events, in order, until taken.

    `Liandong-Signature` is `v1=` and the HMAC-SHA-256 of `Liandong-Timestamp`, a full stop and the body.
    """
    sealed = open_secret_box(held.settings).seal(checked_webhook(new.url, new.secret))
    with held.database.writing() as session:
        now_ms = held.clock()
        asked = ["webhook", new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=now_ms)
        if claim is not None and claim.earlier is not None:
            return _shape(get_webhook(session, int(claim.earlier)))
        site = get_site(session, new.site) if new.site else None
        made = add_webhook(
            session, label=new.label, site=site, sealed=sealed, events=new.events, by=actor.name, now_ms=now_ms
        )
        activity.append(session, [noted(made, "webhook.added", actor)], now_ms=now_ms)
        if claim is not None:
            claim.row.result = str(made.id)
        return _shape(made)


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(actor: ApiActor, held: Held, webhook_id: Id) -> WebhookShape:
    """Writes a line into the log of which it is told as of any other; see its deliveries for what became of it."""
    with held.database.writing() as session:
        found = get_webhook(session, webhook_id)
        now_ms = held.clock()
        activity.append(session, [noted(found, "webhook.tested", actor)], now_ms=now_ms)
        found.next_ms = min(found.next_ms, now_ms)
        return _shape(found)


@router.patch("/{webhook_id}")
def change_webhook(actor: ApiActor, held: Held, webhook_id: Id, change: ChangedWebhook) -> WebhookShape:
    """Gives it another secret, pauses it, or lets it go on: it is then told whatever happened meanwhile."""
    box, now_ms = open_secret_box(held.settings), held.clock()
    with held.database.writing() as session:
        found = get_webhook(session, webhook_id)
        entries = []
        if change.secret is not None:
            found.sealed = with_secret(box, found.sealed, change.secret)
            entries.append(noted(found, "webhook.renewed", actor))
        if change.is_paused is not None and change.is_paused != found.is_paused:
            found.is_paused = change.is_paused
            entries.append(noted(found, "webhook.paused" if change.is_paused else "webhook.resumed", actor))
        if entries:
            activity.append(session, entries, now_ms=now_ms)
        return _shape(found)


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(actor: ApiActor, held: Held, webhook_id: Id) -> None:
    with held.database.writing() as session:
        found = get_webhook(session, webhook_id)
        drop_webhook(found)
        activity.append(session, [noted(found, "webhook.removed", actor)], now_ms=held.clock())


@router.get("/{webhook_id}/deliveries")
def list_webhook_deliveries(
    _actor: ApiActor, held: Held, webhook_id: Id, limit: Limit = DEFAULT_ITEMS
) -> Page[WebhookDeliveryShape]:
    """The newest first; the last 200 are kept."""
    with held.database.reading() as session:
        found = get_webhook(session, webhook_id)
        return Page(
            items=[
                WebhookDeliveryShape(
                    at=rfc3339(each.at_ms),
                    first_id=each.first_id,
                    last_id=each.last_id,
                    events=each.events,
                    is_sent=each.is_sent,
                    result=each.result,
                )
                for each in deliveries_of(session, found.id, limit=limit)
            ],
            next=None,
        )
