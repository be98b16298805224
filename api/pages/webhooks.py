"""Other systems that are told what happens: what each was told, a test, another secret, a pause, an end."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import webhook as hooks
from alerts.webhook import Webhook, WebhookDelivery, deliveries_of, get_webhook
from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.moments import Moment
from api.pages.rendering import Reader, reader_of, render
from api.pages.ticket_cards import actor_name
from api.resources import Held, Resources
from api.routes.parameters import LARGEST_ID
from api.routes.webhooks import noted
from api.security import PageActor, check_csrf
from api.senders import open_secret_box
from api.translations import msgid
from api.webhook_worker import checked_webhook, with_secret
from registry import activity
from registry.channel import MAX_ADDRESS_LENGTH, SealBroken
from registry.errors import InvalidField
from registry.role import Actor
from registry.site import get_site, list_sites

LIST = "/webhooks"
SHOWN_DELIVERIES = 20
PROBLEMS = {
    "url": msgid("The address must begin with http:// or https://, and hold no user name."),
    "events": msgid("Events are beginnings of verbs, such as alarm or ticket.moved, separated by commas."),
    "webhook": msgid("There are enough webhooks: end one first."),
}

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=4000)]


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    at: Moment
    events: int
    is_sent: bool
    result: str


@dataclass(frozen=True, slots=True)
class WebhookCard:
    id: int
    label: str
    site_name: str
    """Empty for all compounds."""
    events: str
    """Empty for all."""
    is_paused: bool
    waiting: int
    """How many rows of the log it is behind."""
    attempts: int
    next: Moment | None
    """When it is tried again; None when nothing is amiss."""
    added: Moment
    by: str
    deliveries: list[DeliveryLine]


def _line(row: WebhookDelivery, *, reader: Reader) -> DeliveryLine:
    return DeliveryLine(reader.moment(row.at_ms), row.events, row.is_sent, row.result)


def _card(found: Webhook, deliveries: list[WebhookDelivery], *, last_id: int, reader: Reader) -> WebhookCard:
    return WebhookCard(
        id=found.id,
        label=found.label or reader._("Webhook %(id)s", id=found.id),
        site_name=found.site.name if found.site is not None else "",
        events=", ".join(found.wanted),
        is_paused=found.is_paused,
        waiting=last_id - found.after_id,
        attempts=found.attempts,
        next=reader.moment(found.next_ms) if found.attempts else None,
        added=reader.moment(found.created_ms),
        by=actor_name(found.created_by, reader=reader),
        deliveries=[_line(row, reader=reader) for row in deliveries],
    )


@router.get(LIST)
def show_webhooks(request: Request, _actor: PageActor, held: Held) -> HTMLResponse:
    return _page(request, held)


def _page(
    request: Request,
    held: Resources,
    *,
    secret: str = "",
    entered: tuple[str, str, str] = ("", "", ""),
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    """`secret` is shown this once."""
    reader = reader_of(request)
    with held.database.reading() as session:
        last_id = activity.last_id(session)
        cards = [
            _card(each, deliveries_of(session, each.id, limit=SHOWN_DELIVERIES), last_id=last_id, reader=reader)
            for each in hooks.webhooks(session)
        ]
        return render(
            request,
            "webhooks.html",
            reader,
            status_code=status_code,
            cards=cards,
            sites=[SiteChoice(each.key, each.name, each.key == entered[2]) for each in list_sites(session)],
            secret=secret,
            entered=entered,
            problem=problem,
            max_address_length=MAX_ADDRESS_LENGTH,
            form_key=secrets.token_urlsafe(16),
        )


@router.post(LIST, dependencies=[Depends(check_csrf)])
def add(
    request: Request,
    actor: PageActor,
    held: Held,
    url: Text = "",
    label: Text = "",
    site: Text = "",
    events: Text = "",
    form_key: Text = "",
) -> Response:
    """Draws the secret, and shows it once."""
    now_ms, secret = held.clock(), secrets.token_urlsafe(24)
    wanted = [each.strip() for each in events.split(",") if each.strip()]
    try:
        sealed = open_secret_box(held.settings).seal(checked_webhook(url[: MAX_ADDRESS_LENGTH + 1], secret))
        with held.database.writing() as session:
            asked = ["webhook", url, label, site, events]
            claim = claimed(session, actor=actor, key=form_key, request=asked, now_ms=now_ms)
            if claim is not None and claim.earlier is not None:
                # It has its secret already, and that was shown.
                return RedirectResponse(LIST, status_code=303)
            place = get_site(session, site) if site else None
            made = hooks.add_webhook(
                session,
                label=label.replace("\0", "").strip(),
                site=place,
                sealed=sealed,
                events=wanted,
                by=actor.name,
                now_ms=now_ms,
            )
            activity.append(session, [noted(made, "webhook.added", actor)], now_ms=now_ms)
            if claim is not None:
                claim.row.result = str(made.id)
    except InvalidField as error:
        problem = reader_of(request)._(PROBLEMS.get(error.field, PROBLEMS["url"]))
        return _page(request, held, entered=(label, events, site), problem=problem, status_code=422)
    return _page(request, held, secret=secret)


@router.post("/webhooks/{webhook_id}/secret", dependencies=[Depends(check_csrf)])
def renew_secret(request: Request, actor: PageActor, held: Held, webhook_id: int, form_key: Text = "") -> Response:
    """Another secret from now on, shown once; the old one ends."""
    now_ms, secret = held.clock(), secrets.token_urlsafe(24)
    box = open_secret_box(held.settings)
    try:
        with held.database.writing() as session:
            found = get_webhook(session, min(webhook_id, LARGEST_ID))
            claim = claimed(session, actor=actor, key=form_key, request=["renew", found.id], now_ms=now_ms)
            if claim is not None and claim.earlier is not None:
                return RedirectResponse(LIST, status_code=303)
            found.sealed = with_secret(box, found.sealed, secret)
            activity.append(session, [noted(found, "webhook.renewed", actor)], now_ms=now_ms)
            if claim is not None:
                claim.row.result = str(found.id)
    except SealBroken:
        words = msgid("Its address was encrypted with another key: end it, and add it anew.")
        return _page(request, held, problem=reader_of(request)._(words), status_code=409)
    return _page(request, held, secret=secret)


@router.post("/webhooks/{webhook_id}/test", dependencies=[Depends(check_csrf)])
def test(actor: PageActor, held: Held, webhook_id: int) -> Response:
    _note(held, webhook_id, "webhook.tested", actor)
    return RedirectResponse(f"{LIST}#webhook-{webhook_id}", status_code=303)


@router.post("/webhooks/{webhook_id}/pause", dependencies=[Depends(check_csrf)])
def pause(actor: PageActor, held: Held, webhook_id: int) -> Response:
    _note(held, webhook_id, "webhook.paused", actor)
    return RedirectResponse(f"{LIST}#webhook-{webhook_id}", status_code=303)


@router.post("/webhooks/{webhook_id}/resume", dependencies=[Depends(check_csrf)])
def resume(actor: PageActor, held: Held, webhook_id: int) -> Response:
    _note(held, webhook_id, "webhook.resumed", actor)
    return RedirectResponse(f"{LIST}#webhook-{webhook_id}", status_code=303)


@router.post("/webhooks/{webhook_id}/end", dependencies=[Depends(check_csrf)])
def end(actor: PageActor, held: Held, webhook_id: int) -> Response:
    _note(held, webhook_id, "webhook.removed", actor)
    return RedirectResponse(LIST, status_code=303)


def _note(held: Resources, webhook_id: int, verb: str, actor: Actor) -> None:
    now_ms = held.clock()
    with held.database.writing() as session:
        found = get_webhook(session, min(webhook_id, LARGEST_ID))
        activity.append(session, [noted(found, verb, actor)], now_ms=now_ms)
        if verb == "webhook.removed":
            hooks.drop_webhook(found)
        elif verb in ("webhook.paused", "webhook.resumed"):
            found.is_paused = verb == "webhook.paused"
        if verb in ("webhook.tested", "webhook.resumed"):
            found.next_ms = min(found.next_ms, now_ms)
