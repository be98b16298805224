"""Public notices (公示): what was posted, from when to when, in which words, and the proof that it hung.

A notice is never deleted and its words never change: a correction is a new version, and the old one stays readable,
marked. Whatever the public reads went through `governance.masking`.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.errors import GovernanceError
from governance.masking import mask_numbers
from governance.notice_rules import LONGEST_DAYS, POSTING_RULES, NoticeKind, until_ms
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table, compact_json
from registry.role import SYSTEM, Actor
from registry.site import Site

MAX_TITLE_LENGTH = 200
MAX_BODY_LENGTH = 20_000
MAX_REASON_LENGTH = 500
MAX_PLACE_LENGTH = 100
MOST_ROWS = 2_000
MOST_PROOFS = 50
LONGEST_AHEAD_MS = 366 * 86_400_000
"""So long before its first day a notice may be written."""


class Notice(Table):
    """`subject` names what it is about, as `proposal:12`; `building` whom it is for, empty when for the whole compound.

    It stands from `posted_ms`, which may be to come, and no more at `until_ms`.
    """

    __tablename__ = "notice"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(64), index=True)
    building: Mapped[str] = mapped_column(String(64), default="")
    posted_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)
    site: Mapped[Site] = relationship(lazy="joined")


class NoticeVersion(Table):
    """The words of a notice, as they stood from `at_ms` on; `table` is a list of pairs of cells."""

    __tablename__ = "notice_version"
    __table_args__ = (UniqueConstraint("notice_id", "version"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"))
    version: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    table: Mapped[list[list[str]]] = mapped_column(JSON)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))


class NoticeProof(Table):
    """A photo of the notice on its board: of which version, where, when and by whom."""

    __tablename__ = "notice_proof"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"), index=True)
    version: Mapped[int] = mapped_column(Integer)
    place: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(32))


class UnknownNotice(GovernanceError):
    def __init__(self, notice_id: int) -> None:
        super().__init__(f"no notice {notice_id}")
        self.notice_id = notice_id


class InvalidNotice(GovernanceError):
    """`reason` is one of `title`, `body`, `days`, `starts`, `building`, `reason`, `unchanged`, `place`, `too_many`.

    `least_days` fits `days`.
    """

    def __init__(self, reason: str, *, least_days: int = 0) -> None:
        super().__init__(f"the notice is refused: {reason}")
        self.reason = reason
        self.least_days = least_days


@dataclass(frozen=True, slots=True)
class NoticeText:
    """What a notice says: prose with empty lines between paragraphs, and rows of a table under it."""

    title: str
    body: str
    table: Sequence[Sequence[str]] = field(default_factory=tuple)


def post_notice(
    session: Session,
    site: Site,
    *,
    kind: NoticeKind,
    text: NoticeText,
    subject: str = "",
    building: str = "",
    starts_ms: int | None = None,
    days: int | None = None,
    actor: Actor = SYSTEM,
    now_ms: int,
) -> Notice:
    """Posts a notice from now or from `starts_ms` on, for the least number of days or for more. Raises InvalidNotice.

    Numbers of telephones, accounts and identity cards in it are masked; names are for the caller to mask.
    """
    least = POSTING_RULES[kind].least_days
    days = least if days is None else days
    if not least <= days <= LONGEST_DAYS:
        raise InvalidNotice("days", least_days=least)
    posted_ms = now_ms if starts_ms is None else starts_ms
    if not now_ms <= posted_ms <= now_ms + LONGEST_AHEAD_MS:
        raise InvalidNotice("starts")
    notice = Notice(
        site=site,
        kind=kind.value,
        subject=subject,
        building=building,
        posted_ms=posted_ms,
        until_ms=until_ms(posted_ms, days, site.timezone),
        version=0,
    )
    session.add(notice)
    session.flush()
    _add_version(session, notice, text, reason="", actor=actor, now_ms=now_ms)
    return notice


def correct_notice(
    session: Session,
    notice: Notice,
    text: NoticeText,
    *,
    reason: str,
    restarts: bool = False,
    actor: Actor,
    now_ms: int,
) -> NoticeVersion:
    """A new version; the old one stays readable. With `restarts` it stands anew for as many days. Raises InvalidNotice.

    What may be decided upon only after the notice stood must restart when the correction touches it.
    """
    if not reason.strip():
        raise InvalidNotice("reason")
    if restarts:
        least = POSTING_RULES[NoticeKind(notice.kind)].least_days
        notice.posted_ms = max(now_ms, notice.posted_ms)
        notice.until_ms = max(notice.until_ms, until_ms(notice.posted_ms, least, notice.site.timezone))
    return _add_version(session, notice, text, reason=reason.strip()[:MAX_REASON_LENGTH], actor=actor, now_ms=now_ms)


def add_proof(
    session: Session, notice: Notice, *, place: str, digest: str, media_type: str, actor: Actor, now_ms: int
) -> NoticeProof:
    """Keeps that a photo shows the present version on a board; `digest` is that of the photo. Raises InvalidNotice."""
    if not place.strip():
        raise InvalidNotice("place")
    if len(proofs_of(session, notice.id)) >= MOST_PROOFS:
        raise InvalidNotice("too_many")
    proof = NoticeProof(
        notice_id=notice.id,
        version=notice.version,
        place=place.strip()[:MAX_PLACE_LENGTH],
        at_ms=now_ms,
        by=actor.name,
        digest=digest,
        media_type=media_type,
    )
    session.add(proof)
    session.flush()
    data = {"version": notice.version, "place": proof.place, "photo": digest}
    _log(session, "notice.proven", notice, actor, data, now_ms=now_ms)
    return proof


def has_stood(notice: Notice, *, now_ms: int) -> bool:
    """Whether it stood as many days as its kind must."""
    least = POSTING_RULES[NoticeKind(notice.kind)].least_days
    return now_ms >= until_ms(notice.posted_ms, least, notice.site.timezone)


def get_notice(session: Session, notice_id: int, *, for_update: bool = False) -> Notice:
    query = select(Notice).where(Notice.id == notice_id)
    found = session.scalar(query.with_for_update(of=Notice) if for_update else query)
    if found is None:
        raise UnknownNotice(notice_id)
    return found


def versions_of(session: Session, notice_id: int) -> list[NoticeVersion]:
    """Newest first."""
    query = select(NoticeVersion).where(NoticeVersion.notice_id == notice_id).order_by(NoticeVersion.version.desc())
    return list(session.scalars(query))


def proofs_of(session: Session, notice_id: int) -> list[NoticeProof]:
    query = select(NoticeProof).where(NoticeProof.notice_id == notice_id).order_by(NoticeProof.id)
    return list(session.scalars(query))


def list_notices(
    session: Session,
    *,
    site: str = "",
    kind: NoticeKind | None = None,
    subject: str = "",
    building: str = "",
    posted_at_ms: int | None = None,
    begun_by_ms: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[tuple[Notice, str]]:
    """Notices with their present titles, newest first; with `posted_at_ms` only those that stand at that moment.

    `begun_by_ms` leaves out what was not posted by then; `building` those of other buildings.
    """
    query = (
        select(Notice, NoticeVersion.title)
        .join(NoticeVersion, (NoticeVersion.notice_id == Notice.id) & (NoticeVersion.version == Notice.version))
        .order_by(Notice.id.desc())
        .limit(limit)
    )
    if site:
        query = query.join(Site, Notice.site_id == Site.id).where(Site.key == site)
    if kind is not None:
        query = query.where(Notice.kind == kind.value)
    if subject:
        query = query.where(Notice.subject == subject)
    if posted_at_ms is not None:
        query = query.where(Notice.posted_ms <= posted_at_ms, Notice.until_ms > posted_at_ms)
    if begun_by_ms is not None:
        query = query.where(Notice.posted_ms <= begun_by_ms)
    if building:
        query = query.where(Notice.building.in_((building, "")))
    if before_id is not None:
        query = query.where(Notice.id < before_id)
    return [(notice, title) for notice, title in session.execute(query)]


def sites_with_notices(session: Session) -> Collection[Site]:
    posted = select(Notice.site_id).group_by(Notice.site_id)
    return session.scalars(select(Site).where(Site.id.in_(posted)).order_by(Site.key)).all()


def _add_version(
    session: Session, notice: Notice, text: NoticeText, *, reason: str, actor: Actor, now_ms: int
) -> NoticeVersion:
    title, body = mask_numbers(text.title.strip()), mask_numbers(text.body.strip())
    table = [[mask_numbers(str(cell)) for cell in row] for row in text.table]
    if not 0 < len(title) <= MAX_TITLE_LENGTH:
        raise InvalidNotice("title")
    if not (body or table) or len(body) > MAX_BODY_LENGTH or len(table) > MOST_ROWS:
        raise InvalidNotice("body")
    digest = hashlib.sha256(compact_json([title, body, table]).encode()).hexdigest()
    present = session.scalar(select(func.max(NoticeVersion.version)).where(NoticeVersion.notice_id == notice.id))
    if present and versions_of(session, notice.id)[0].digest == digest:
        raise InvalidNotice("unchanged")
    made = NoticeVersion(
        notice_id=notice.id,
        version=(present or 0) + 1,
        title=title,
        body=body,
        table=table,
        at_ms=now_ms,
        by=actor.name,
        reason=reason,
        digest=digest,
    )
    session.add(made)
    notice.version = made.version
    session.flush()
    data = {"kind": notice.kind, "version": made.version, "title": title, "digest": digest, "reason": reason}
    _log(session, "notice.corrected" if present else "notice.posted", notice, actor, data, now_ms=now_ms)
    return made


def _log(session: Session, verb: str, notice: Notice, actor: Actor, data: dict[str, object], *, now_ms: int) -> None:
    entry = Entry(verb, f"notice:{notice.id}", actor=actor.name, site=notice.site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)
