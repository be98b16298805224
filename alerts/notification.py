"""What people are told: one notification for a person and a step of a case, and its way through their channels.

Notifications and deliveries are written in the transaction of what they tell about. A delivery is claimed before it is
sent and settled after; one whose sender died is sent again, so that a message may come twice but is never lost.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, case, func, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, lazyload, mapped_column, relationship

from alerts.deadlines import Matter
from alerts.severity import Severity
from registry.calendar import Hours
from registry.channel import Channel, ChannelKind, channels_of
from registry.database import BigId, Table
from registry.person import Person
from registry.quiet_hours import QuietHours, quiet_hours_of, quiet_until

DIGEST_MS = 15 * 60_000
"""Minor messages are gathered for so long into one."""
CLAIM_MS = 120_000
"""A delivery that was claimed so long ago and not settled has lost its sender."""
FIRST_RETRY_MS, LAST_RETRY_MS = 15_000, 3_600_000
MOST_ATTEMPTS = 8
MOST_IN_DIGEST = 50
RESULT_LENGTH = 200
KEYS_A_QUERY = 1_000
_DIGESTED = frozenset({Severity.MINOR, Severity.ADVISORY})
_NEVER_QUIET = frozenset({Matter.ENTRAPMENT, Matter.FIRE})


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """What it says has been overtaken before it went out."""


class Notification(Table):
    """What one person is told about one step; `template` and `data` become words in their language."""

    __tablename__ = "notification"
    __table_args__ = (Index("ix_notification_person", "person_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(160), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    # No foreign key: whoever moves a ticket holds its row, and those who tell of it shall not wait for that.
    ticket_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    site: Mapped[str] = mapped_column(String(64), default="")
    severity: Mapped[str] = mapped_column(String(16))
    template: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    person: Mapped[Person] = relationship(lazy="joined")
    deliveries: Mapped[list["Delivery"]] = relationship(lazy="selectin", order_by="Delivery.id")


class Delivery(Table):
    """The way of a notification through one channel, with its result."""

    __tablename__ = "delivery"
    __table_args__ = (Index("ix_delivery_state_next", "state", "next_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    notification_id: Mapped[int] = mapped_column(ForeignKey("notification.id"), index=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), index=True)
    is_urgent: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_ms: Mapped[int] = mapped_column(BigInteger)
    claimed_ms: Mapped[int | None] = mapped_column(BigInteger)
    settled_ms: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[str] = mapped_column(String(RESULT_LENGTH), default="")
    channel: Mapped[Channel] = relationship(lazy="joined")


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told to several people about one step; `key` names the step."""

    key: str
    template: str
    severity: Severity
    data: dict[str, Any]
    ticket_id: int | None = None
    site: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A step with those who are to be told of it, by the hours of its compound."""

    told: Told
    people: Collection[Person]
    hours: Hours
    gather_ms: int = 0
    """Though grave, it may wait so long for others, to go out with them as one: in a flood of alarms."""


def tell(session: Session, calls: Sequence[Call], *, now_ms: int) -> list[int]:
    """Writes one notification for each person and step they were not told of yet; how many that were of each call.

    A minor matter waits for the end of the quiet hours, the compound's and the person's own, and goes out in one digest
    with others; a grave one at once.
    """
    keys = [f"{call.told.key}:{person.id}" for call in calls for person in call.people]
    known = set(session.scalars(select(Notification.key).where(Notification.key.in_(keys))))
    person_ids = {person.id for call in calls for person in call.people}
    channels: defaultdict[int, list[Channel]] = defaultdict(list)
    for channel in channels_of(session, person_ids):
        channels[channel.person_id].append(channel)
    quiet = quiet_hours_of(session, channels) if any(_may_wait(call.told) for call in calls) else {}
    counts, calls_of_rows, rows = [], [], []
    for call in calls:
        new = [person for person in call.people if f"{call.told.key}:{person.id}" not in known]
        for person in new:
            known.add(f"{call.told.key}:{person.id}")
            calls_of_rows.append(call)
            rows.append(_notification(call.told, person.id, now_ms=now_ms))
        counts.append(len(new))
    if rows:
        # Thousands may be told at once: rows, not objects.
        written = insert(Notification).returning(Notification.id, sort_by_parameter_order=True)
        ids = list(session.scalars(written, rows))
        ways = [
            _delivery(call, notification_id, channel, quiet.get(row["person_id"]), now_ms=now_ms)
            for call, row, notification_id in zip(calls_of_rows, rows, ids, strict=True)
            for channel in channels[row["person_id"]]
            if call.told.severity.rank <= Severity(channel.least_severity).rank
        ]
        if ways:
            session.execute(insert(Delivery), ways)
    return counts


def _notification(told: Told, person_id: int, *, now_ms: int) -> dict[str, Any]:
    return {
        "key": f"{told.key}:{person_id}",
        "person_id": person_id,
        "ticket_id": told.ticket_id,
        "site": told.site,
        "severity": told.severity.value,
        "template": told.template,
        "data": told.data,
        "created_ms": now_ms,
    }


def _may_wait(told: Told) -> bool:
    """Minor things may; nothing of a fire or of people who may be trapped, however it is rated."""
    return told.severity in _DIGESTED and told.data.get("matter") not in _NEVER_QUIET


def _delivery(
    call: Call, notification_id: int, channel: Channel, own: QuietHours | None, *, now_ms: int
) -> dict[str, Any]:
    is_minor = _may_wait(call.told)
    return {
        "notification_id": notification_id,
        "channel_id": channel.id,
        "is_urgent": not (is_minor or call.gather_ms),
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "next_ms": quiet_until(now_ms + DIGEST_MS, call.hours, own) if is_minor else now_ms + call.gather_ms,
        "result": "",
    }


def tell_through(session: Session, channel: Channel, *, template: str, now_ms: int) -> Notification:
    """Writes a message for one channel of a person, whatever its rules are."""
    notification = Notification(
        key=f"{template}:{channel.id}:{now_ms}",
        person_id=channel.person_id,
        site="",
        severity=Severity.ADVISORY.value,
        template=template,
        data={},
        created_ms=now_ms,
        deliveries=[
            Delivery(
                channel_id=channel.id,
                is_urgent=True,
                state=DeliveryState.WAITING.value,
                attempts=0,
                next_ms=now_ms,
                result="",
            )
        ],
    )
    session.add(notification)
    session.flush()
    return notification


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes through one channel in one message: a single urgent delivery, or a digest of minor ones."""

    channel: Channel
    delivery_ids: tuple[int, ...]
    notifications: tuple[Notification, ...]


def claim_parcels(session: Session, *, now_ms: int, busy: Collection[int], most: int) -> list[Parcel]:
    """Takes what is due, one parcel for each channel that is not `busy`, and marks it as being sent."""
    due = select(Delivery.channel_id).where(
        or_(
            (Delivery.state == DeliveryState.WAITING.value) & (Delivery.next_ms <= now_ms),
            (Delivery.state == DeliveryState.SENDING.value) & (Delivery.claimed_ms <= now_ms - CLAIM_MS),
        )
    )
    if busy:
        due = due.where(Delivery.channel_id.not_in(busy))
    # A channel with something urgent comes before one with a digest, and an old one before a new one.
    due = due.group_by(Delivery.channel_id).order_by(
        func.max(case((Delivery.is_urgent, 1), else_=0)).desc(), func.min(Delivery.next_ms)
    )
    parcels = []
    for channel_id in list(session.scalars(due.limit(most))):
        parcel = _claim(session, channel_id, now_ms=now_ms)
        if parcel is not None:
            parcels.append(parcel)
    return parcels


def _claim(session: Session, channel_id: int, *, now_ms: int) -> Parcel | None:
    query = (
        select(Delivery)
        .where(
            Delivery.channel_id == channel_id,
            or_(
                (Delivery.state == DeliveryState.WAITING.value) & or_(Delivery.next_ms <= now_ms, ~Delivery.is_urgent),
                (Delivery.state == DeliveryState.SENDING.value) & (Delivery.claimed_ms <= now_ms - CLAIM_MS),
            ),
        )
        .order_by(Delivery.is_urgent.desc(), Delivery.next_ms, Delivery.id)
        .limit(MOST_IN_DIGEST)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    rows = list(session.scalars(query))
    if not rows:
        return None
    urgent = [row for row in rows if row.is_urgent]
    taken = urgent[:1] or rows
    if not urgent and all(row.state == DeliveryState.WAITING and row.next_ms > now_ms for row in rows):
        return None
    for row in taken:
        row.state, row.claimed_ms = DeliveryState.SENDING.value, now_ms
        row.attempts += 1
    session.flush()
    found = {
        each.id: each
        for each in session.scalars(
            select(Notification).where(Notification.id.in_([row.notification_id for row in taken]))
        )
    }
    return Parcel(
        channel=taken[0].channel,
        delivery_ids=tuple(row.id for row in taken),
        notifications=tuple(found[row.notification_id] for row in taken),
    )


def claim_at_once(session: Session, kind: ChannelKind, *, now_ms: int, most: int) -> list[Parcel]:
    """Takes up to `most` urgent messages of a kind of channel that cannot keep anybody waiting, each a parcel."""
    query = (
        select(Delivery)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(
            Channel.kind == kind.value,
            Delivery.is_urgent,
            Delivery.state == DeliveryState.WAITING.value,
            Delivery.next_ms <= now_ms,
        )
        .order_by(Delivery.next_ms, Delivery.id)
        .limit(most)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    rows = list(session.scalars(query))
    for row in rows:
        row.state, row.claimed_ms = DeliveryState.SENDING.value, now_ms
        row.attempts += 1
    session.flush()
    wanted = select(Notification).where(Notification.id.in_([row.notification_id for row in rows]))
    # Words need the person's language, and nothing of what else belongs to them.
    wanted = wanted.options(lazyload(Notification.deliveries), joinedload(Notification.person).lazyload(Person.grants))
    found = {each.id: each for each in session.scalars(wanted)} if rows else {}
    return [Parcel(row.channel, (row.id,), (found[row.notification_id],)) for row in rows]


def settle(session: Session, delivery_ids: Sequence[int], *, is_sent: bool, result: str, now_ms: int) -> None:
    """Writes down what became of a parcel; what failed is tried again later, and later, and at last given up."""
    rows = session.scalars(select(Delivery).where(Delivery.id.in_(delivery_ids)).with_for_update(of=Delivery))
    for row in rows:
        row.result, row.claimed_ms = result[:RESULT_LENGTH], None
        if is_sent:
            row.state, row.settled_ms = DeliveryState.SENT.value, now_ms
        elif row.attempts >= MOST_ATTEMPTS:
            row.state, row.settled_ms = DeliveryState.FAILED.value, now_ms
        else:
            row.state = DeliveryState.WAITING.value
            row.next_ms = now_ms + min(FIRST_RETRY_MS * 4 ** (row.attempts - 1), LAST_RETRY_MS)


def withdraw(session: Session, keys: Collection[str], *, now_ms: int) -> None:
    """What was not sent yet of these notifications stays here; what is on its way is not tried a second time."""
    ordered = sorted(keys)
    for place in range(0, len(ordered), KEYS_A_QUERY):
        named = select(Notification.id).where(Notification.key.in_(ordered[place : place + KEYS_A_QUERY]))
        of_them = Delivery.notification_id.in_(named)
        session.execute(
            update(Delivery)
            .where(of_them, Delivery.state == DeliveryState.WAITING.value)
            .values(state=DeliveryState.WITHDRAWN.value, settled_ms=now_ms)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(Delivery)
            .where(of_them, Delivery.state == DeliveryState.SENDING.value)
            .values(attempts=MOST_ATTEMPTS)
            .execution_options(synchronize_session=False)
        )


def is_any_due(session: Session, *, now_ms: int) -> bool:
    query = select(Delivery.id).where(
        or_(
            (Delivery.state == DeliveryState.WAITING.value) & (Delivery.next_ms <= now_ms),
            (Delivery.state == DeliveryState.SENDING.value) & (Delivery.claimed_ms <= now_ms - CLAIM_MS),
        )
    )
    return session.scalar(query.limit(1)) is not None


def notifications_of(session: Session, person_id: int, *, limit: int) -> list[Notification]:
    """The newest first."""
    query = select(Notification).where(Notification.person_id == person_id).order_by(Notification.id.desc())
    return list(session.scalars(query.limit(limit)))


def count_deliveries(session: Session) -> dict[DeliveryState, int]:
    counts = dict.fromkeys(DeliveryState, 0)
    for state, count in session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)):
        counts[DeliveryState(state)] = count
    return counts
