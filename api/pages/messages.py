"""What a person was told, and where they are reached: their channels, with a button that tries each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.call_out_summons import PROPOSAL
from alerts.notification import Delivery, DeliveryState, Notification, notifications_of, tell_through
from alerts.severity import Severity
from api.call_out_words import CALL_OUT_TEMPLATES
from api.message_words import TEST_TEMPLATE, title_and_lines
from api.pages.joint_people import clock_of, typed_minute
from api.pages.moments import Moment
from api.pages.rendering import reader_of, render
from api.pages.wording import SEVERITY_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf
from api.senders import EXAMPLES, checked_address, open_secret_box
from api.translations import Translator, msgid
from registry.channel import MAX_ADDRESS_LENGTH, ChannelKind, add_channel, channels_of, drop_channel, get_channel
from registry.errors import InvalidField
from registry.quiet_hours import LONGEST_MIN, clear_quiet_hours, quiet_hours_of, set_quiet_hours
from registry.role import Actor

SHOWN = 50
MAX_ID = 2**62

router = APIRouter(include_in_schema=False)

CHANNEL_TITLES: Mapping[ChannelKind, str] = MappingProxyType(
    {
        ChannelKind.WECOM: msgid("WeCom robot"),
        ChannelKind.DINGTALK: msgid("DingTalk robot"),
        ChannelKind.FEISHU: msgid("Feishu robot"),
        ChannelKind.MAIL: msgid("Mail"),
        ChannelKind.SMS: msgid("SMS gateway"),
        ChannelKind.WEBHOOK: msgid("Webhook, signed"),
        ChannelKind.CONSOLE: msgid("Log of the server"),
    }
)
STATE_TITLES: Mapping[DeliveryState, str] = MappingProxyType(
    {
        DeliveryState.WAITING: msgid("waiting"),
        DeliveryState.SENDING: msgid("being sent"),
        DeliveryState.SENT: msgid("sent"),
        DeliveryState.FAILED: msgid("given up"),
        DeliveryState.WITHDRAWN: msgid("withdrawn"),
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    title: str
    lines: list[str]
    severity: str
    severity_title: str
    at: Moment
    href: str
    """Leads to what it is about; empty when nowhere."""
    ways: list[str]


def _way(delivery: Delivery, *, _: Translator) -> str:
    parts = [
        delivery.channel.label or _(CHANNEL_TITLES[ChannelKind(delivery.channel.kind)]),
        _(STATE_TITLES[DeliveryState(delivery.state)]),
    ]
    if delivery.attempts > 1:
        parts.append(_("%(n)s attempts", n=delivery.attempts))
    if delivery.state != DeliveryState.SENT and delivery.result:
        parts.append(delivery.result)
    return " · ".join(parts)


@router.get("/messages")
def show_messages(request: Request, actor: PageActor, held: Held) -> HTMLResponse:
    return _page(request, actor, held)


def _page(
    request: Request, actor: Actor, held: Resources, *, problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    _ = reader._
    assert actor.person_id is not None, "a page is read by a person"
    with held.database.reading() as session:
        kept = notifications_of(session, actor.person_id, limit=SHOWN)
        told = [_told(each, _=_, now_ms=reader.now_ms, at=reader.moment(each.created_ms)) for each in kept]
        channels = [
            (
                channel.id,
                channel.label or _(CHANNEL_TITLES[ChannelKind(channel.kind)]),
                _(CHANNEL_TITLES[ChannelKind(channel.kind)]),
                _(SEVERITY_TITLES[Severity(channel.least_severity)]),
            )
            for channel in channels_of(session, [actor.person_id])
        ]
        kept_hours = quiet_hours_of(session, [actor.person_id]).get(actor.person_id)
        quiet = (clock_of(kept_hours.start_min), clock_of(kept_hours.end_min)) if kept_hours is not None else None
    return render(
        request,
        "messages.html",
        reader,
        status_code=status_code,
        told=told,
        channels=channels,
        kinds=[(kind.value, _(title), EXAMPLES[kind]) for kind, title in CHANNEL_TITLES.items()],
        severities=[(each.value, _(SEVERITY_TITLES[each])) for each in Severity],
        quiet=quiet,
        chosen_severity=Severity.ADVISORY.value,
        max_address_length=MAX_ADDRESS_LENGTH,
        problem=problem,
    )


def _told(notification: Notification, *, _: Translator, now_ms: int, at: Moment) -> Told:
    title, lines = title_and_lines(notification, _=_, now_ms=now_ms)
    return Told(
        title=title,
        lines=lines,
        severity=notification.severity,
        severity_title=_(SEVERITY_TITLES[Severity(notification.severity)]),
        at=at,
        href=_href(notification),
        ways=[_way(delivery, _=_) for delivery in notification.deliveries],
    )


def _href(notification: Notification) -> str:
    if notification.template in CALL_OUT_TEMPLATES:
        page = f"/call-outs/{notification.data['call_out_id']}"
        return page if notification.template == PROPOSAL else f"{page}/answer"
    return f"/tickets/{notification.ticket_id}" if notification.ticket_id else ""


@router.post("/messages/channels", dependencies=[Depends(check_csrf)])
def add_own_channel(
    request: Request,
    actor: PageActor,
    held: Held,
    kind: Annotated[str, Form()] = "",
    address: Annotated[str, Form()] = "",
    secret: Annotated[str, Form()] = "",
    label: Annotated[str, Form()] = "",
    least_severity: Annotated[str, Form()] = Severity.ADVISORY.value,
) -> Response:
    _ = reader_of(request)._
    assert actor.person_id is not None, "a page is read by a person"
    if kind not in set(ChannelKind) or least_severity not in set(Severity):
        return _page(request, actor, held, problem=_("Choose a channel."), status_code=422)
    wanted = ChannelKind(kind)
    try:
        kept = checked_address(wanted, address[: MAX_ADDRESS_LENGTH + 1], secret=secret[:200])
        with held.database.writing() as session:
            add_channel(
                session,
                person_id=actor.person_id,
                kind=wanted,
                address=kept,
                label=label.strip(),
                least_severity=least_severity,
                box=open_secret_box(held.settings),
                now_ms=held.clock(),
            )
    except InvalidField as error:
        if error.field == "channel":
            problem = _("You have enough channels: remove one first.")
        else:
            problem = _("The address is not one of this kind. It looks like: %(example)s", example=EXAMPLES[wanted])
        return _page(request, actor, held, problem=problem, status_code=422)
    return RedirectResponse("/messages#channels-title", status_code=303)


@router.post("/messages/channels/{channel_id}/remove", dependencies=[Depends(check_csrf)])
def remove_own_channel(actor: PageActor, held: Held, channel_id: int) -> Response:
    assert actor.person_id is not None, "a page is read by a person"
    with held.database.writing() as session:
        drop_channel(get_channel(session, min(channel_id, MAX_ID), person_id=actor.person_id))
    return RedirectResponse("/messages#channels-title", status_code=303)


@router.post("/messages/channels/{channel_id}/test", dependencies=[Depends(check_csrf)])
def test_own_channel(actor: PageActor, held: Held, channel_id: int) -> Response:
    """Sends a test message, whose result stands at the top of the page as soon as there is one."""
    assert actor.person_id is not None, "a page is read by a person"
    with held.database.writing() as session:
        channel = get_channel(session, min(channel_id, MAX_ID), person_id=actor.person_id)
        tell_through(session, channel, template=TEST_TEMPLATE, now_ms=held.clock())
    return RedirectResponse("/messages", status_code=303)


@router.post("/messages/quiet-hours", dependencies=[Depends(check_csrf)])
def set_own_quiet_hours(
    request: Request,
    actor: PageActor,
    held: Held,
    starts: Annotated[str, Form()] = "",
    ends: Annotated[str, Form()] = "",
    none: Annotated[str, Form()] = "",
) -> Response:
    """`none` takes them back."""
    assert actor.person_id is not None, "a page is read by a person"
    try:
        with held.database.writing() as session:
            if none:
                clear_quiet_hours(session, actor.person_id)
            else:
                start_min, end_min = typed_minute(starts), typed_minute(ends)
                set_quiet_hours(session, actor.person_id, start_min=start_min, end_min=end_min)
    except InvalidField:
        words = msgid("Quiet hours are two different times of the day, at most %(hours)s hours apart.")
        problem = reader_of(request)._(words, hours=LONGEST_MIN // 60)
        return _page(request, actor, held, problem=problem, status_code=422)
    return RedirectResponse("/messages#quiet-title", status_code=303)
