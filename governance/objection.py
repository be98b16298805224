"""Objections of owners: to the roll before it is counted, to a vote and its result; each is answered and kept."""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.errors import GovernanceError
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site

MAX_TEXT_LENGTH = 1000
MOST_OPEN_OF_PERSON = 20


class ObjectionState(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


class Objection(Table):
    """`subject` is `roll:{site id}` or `vote:{id}`; `about` the part or the point that it is about."""

    __tablename__ = "objection"
    __table_args__ = (Index("ix_objection_subject", "subject", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    subject: Mapped[str] = mapped_column(String(64))
    about: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_by: Mapped[str] = mapped_column(String(64), default="")
    answered_ms: Mapped[int | None] = mapped_column(BigInteger)


class UnknownObjection(GovernanceError):
    def __init__(self, objection_id: int) -> None:
        super().__init__(f"no objection {objection_id}")
        self.objection_id = objection_id


class ObjectionRefused(GovernanceError):
    """`reason` is `empty`, `too_many` or `answered`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the objection is refused: {reason}")
        self.reason = reason


def roll_subject(site: Site) -> str:
    return f"roll:{site.id}"


def object_to(
    session: Session, site: Site, subject: str, *, about: str, text: str, actor: Actor, now_ms: int
) -> Objection:
    """Raises ObjectionRefused for one without words, or of somebody who has many open ones."""
    if not text.strip():
        raise ObjectionRefused("empty")
    of_person = (Objection.subject == subject, Objection.by == actor.name, Objection.state == ObjectionState.OPEN.value)
    if (session.scalar(select(func.count()).select_from(Objection).where(*of_person)) or 0) >= MOST_OPEN_OF_PERSON:
        raise ObjectionRefused("too_many")
    made = Objection(
        site_id=site.id,
        subject=subject,
        about=about.strip()[:64],
        text=text.strip()[:MAX_TEXT_LENGTH],
        by=actor.name,
        at_ms=now_ms,
        state=ObjectionState.OPEN.value,
    )
    session.add(made)
    session.flush()
    _log(session, "objection.raised", made, site, actor, now_ms)
    return made


def answer_objection(
    session: Session, site: Site, objection_id: int, *, upheld: bool, answer: str, actor: Actor, now_ms: int
) -> Objection:
    """Raises UnknownObjection, or ObjectionRefused for an answer without words and for one that was answered."""
    found = session.get(Objection, objection_id, with_for_update=True)
    if found is None or found.site_id != site.id:
        raise UnknownObjection(objection_id)
    if not answer.strip():
        raise ObjectionRefused("empty")
    if found.state != ObjectionState.OPEN.value:
        raise ObjectionRefused("answered")
    found.state = (ObjectionState.UPHELD if upheld else ObjectionState.DISMISSED).value
    found.answer, found.answered_by, found.answered_ms = answer.strip()[:MAX_TEXT_LENGTH], actor.name, now_ms
    _log(session, "objection.answered", found, site, actor, now_ms)
    return found


def objections_to(session: Session, subject: str) -> Sequence[Objection]:
    """Newest first."""
    return session.scalars(select(Objection).where(Objection.subject == subject).order_by(Objection.id.desc())).all()


def open_objections(session: Session, subject: str) -> int:
    query = select(func.count()).select_from(Objection)
    query = query.where(Objection.subject == subject, Objection.state == ObjectionState.OPEN.value)
    return session.scalar(query) or 0


def _log(session: Session, verb: str, objection: Objection, site: Site, actor: Actor, now_ms: int) -> None:
    data = {"objection_id": objection.id, "about": objection.about, "state": objection.state}
    entry = Entry(verb, objection.subject, actor=actor.name, site=site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)
