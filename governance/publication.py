"""Whether what must be published of a proposal was, and what each owner's share is of what was spent."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from governance.notice import list_notices
from governance.notice_rules import NoticeKind
from governance.proposal import Proposal
from governance.statutory_days import Meeting

TOPIC_KIND = {Meeting.ORDINARY: NoticeKind.VOTE, Meeting.EXTRAORDINARY: NoticeKind.VOTE_EXTRAORDINARY}
TOPIC_KINDS = frozenset(TOPIC_KIND.values())


def is_published(session: Session, proposal: Proposal, kinds: Collection[NoticeKind], *, since_ms: int) -> bool:
    """Whether a notice of one of these kinds about the proposal was posted at that time or later."""
    return first_posted_ms(session, proposal, kinds, since_ms=since_ms) is not None


def first_posted_ms(
    session: Session, proposal: Proposal, kinds: Collection[NoticeKind], *, since_ms: int
) -> int | None:
    """From when on the first notice of these kinds hangs that was posted at that time or later; None without one."""
    posted = (
        notice.posted_ms for kind in kinds for notice, _ in list_notices(session, kind=kind, subject=proposal.subject)
    )
    return min((posted_ms for posted_ms in posted if posted_ms >= since_ms), default=None)
