"""Other systems that are told what happens: each reads the activity log on, from where it got to.

A webhook has a place in the log instead of a queue: nothing is copied for it, nothing is lost while it is away, and it
is told in the order of the log. What was sent and not confirmed is sent again, with the same ids.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.errors import AlertsError
from registry import activity
from registry.activity import Activity
from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.site import Site

MOST_EVENTS = 100
"""In one request."""
MOST_SCANNED = 1000
CLAIM_MS = 60_000
FIRST_RETRY_MS, LAST_RETRY_MS = 5_000, 3_600_000
KEPT_DELIVERIES = 200
RESULT_LENGTH = 200
MOST_WEBHOOKS = 50
_EVENT = re.compile(r"[a-z_]{1,30}(\.[a-z_]{1,40})?")


class Webhook(Table):
    """`events` are beginnings of verbs, comma-separated; empty for all. `after_id` is the last row it was told of."""

    __tablename__ = "webhook"
    __table_args__ = (Index("ix_webhook_next", "is_active", "next_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    label: Mapped[str] = mapped_column(String(60))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    sealed: Mapped[str] = mapped_column(Text)
    """Address and secret, encrypted."""
    events: Mapped[str] = mapped_column(String(500), default="")
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    is_paused: Mapped[bool] = mapped_column(Boolean, default=False)
    """It is told nothing for now, and everything afterwards."""
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    after_id: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """In vain, since something was last taken."""
    next_ms: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[Site | None] = relationship(lazy="joined")

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(each for each in self.events.split(",") if each)

    def wants(self, row: Activity) -> bool:
        if row.verb == "webhook.tested":
            return row.subject == f"webhook:{self.id}"
        if self.site is not None and row.site != self.site.key:
            return False
        return not self.wanted or any(row.verb == each or row.verb.startswith(f"{each}.") for each in self.wanted)


class WebhookDelivery(Table):
    """One request, with its result: the rows of the log from `first_id` to `last_id` that were wanted."""

    __tablename__ = "webhook_delivery"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(Integer)
    is_sent: Mapped[bool] = mapped_column(Boolean)
    result: Mapped[str] = mapped_column(String(RESULT_LENGTH))


class UnknownWebhook(AlertsError):
    def __init__(self, webhook_id: int) -> None:
        super().__init__(f"no webhook {webhook_id}")
        self.webhook_id = webhook_id


@dataclass(frozen=True, slots=True)
class Consignment:
    """What one webhook is to be told next; `last_id` is how far the log was read for it."""

    webhook_id: int
    sealed: str
    rows: tuple[Activity, ...]
    last_id: int


def add_webhook(
    session: Session, *, label: str, site: Site | None, sealed: str, events: Sequence[str], by: str, now_ms: int
) -> Webhook:
    """It is told what happens from now on. Raises InvalidField."""
    if any(not _EVENT.fullmatch(each) for each in events) or len(",".join(events)) > 500:
        raise InvalidField("events", "must be beginnings of verbs, such as alarm or ticket.moved")
    if len(webhooks(session)) >= MOST_WEBHOOKS:
        raise InvalidField("webhook", f"is one too many: {MOST_WEBHOOKS} at most")
    made = Webhook(
        label=label[:60],
        site=site,
        sealed=sealed,
        events=",".join(dict.fromkeys(events)),
        is_active=True,
        created_by=by,
        created_ms=now_ms,
        after_id=activity.last_id(session),
        attempts=0,
        next_ms=now_ms,
    )
    session.add(made)
    session.flush()
    return made


def webhooks(session: Session) -> list[Webhook]:
    """Those in use."""
    return list(session.scalars(select(Webhook).where(Webhook.is_active).order_by(Webhook.id)))


def get_webhook(session: Session, webhook_id: int) -> Webhook:
    """Raises UnknownWebhook, also for one that is out of use."""
    found = session.get(Webhook, webhook_id)
    if found is None or not found.is_active:
        raise UnknownWebhook(webhook_id)
    return found


def drop_webhook(found: Webhook) -> None:
    """Out of use for good; its secret is forgotten, what it was told stays written."""
    found.is_active, found.sealed = False, ""


def deliveries_of(session: Session, webhook_id: int, *, limit: int = 50) -> list[WebhookDelivery]:
    """The newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return list(session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


def due_webhooks(session: Session, *, now_ms: int) -> list[int]:
    """Those for which there is something to read, and whose time it is."""
    query = select(Webhook.id).where(
        Webhook.is_active, ~Webhook.is_paused, Webhook.next_ms <= now_ms, Webhook.after_id < activity.last_id(session)
    )
    return list(session.scalars(query.order_by(Webhook.next_ms)))


def claim(session: Session, webhook_id: int, *, now_ms: int) -> Consignment | None:
    """What it is to be told, for nobody else to send for a minute. None for nothing, or if another one is at it."""
    held = select(Webhook).where(Webhook.id == webhook_id, Webhook.is_active, ~Webhook.is_paused)
    found = session.scalar(held.with_for_update(of=Webhook, skip_locked=True))
    if found is None or found.next_ms > now_ms:
        return None
    scanned = activity.after(session, found.after_id, limit=MOST_SCANNED)
    rows = [row for row in scanned if found.wants(row)][:MOST_EVENTS]
    if not scanned:
        return None
    last_id = rows[-1].id if len(rows) == MOST_EVENTS else scanned[-1].id
    if not rows:
        found.after_id = last_id
        return None
    found.next_ms = now_ms + CLAIM_MS
    return Consignment(found.id, found.sealed, tuple(rows), last_id)


def settle(session: Session, sent: Consignment, *, is_sent: bool, result: str, now_ms: int) -> None:
    """Writes down what became of it; what was not taken is sent again later, and later, and never given up."""
    found = session.scalar(select(Webhook).where(Webhook.id == sent.webhook_id).with_for_update(of=Webhook))
    if found is None:
        return
    if is_sent:
        found.after_id, found.attempts, found.next_ms = max(found.after_id, sent.last_id), 0, now_ms
    else:
        found.attempts += 1
        found.next_ms = now_ms + min(FIRST_RETRY_MS * 3 ** min(found.attempts - 1, 10), LAST_RETRY_MS)
    session.add(
        WebhookDelivery(
            webhook_id=found.id,
            at_ms=now_ms,
            first_id=sent.rows[0].id,
            last_id=sent.rows[-1].id,
            events=len(sent.rows),
            is_sent=is_sent,
            result=result[:RESULT_LENGTH],
        )
    )
    session.flush()
    kept = [row.id for row in deliveries_of(session, found.id, limit=KEPT_DELIVERIES)]
    session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.webhook_id == found.id, WebhookDelivery.id < min(kept))
    )
