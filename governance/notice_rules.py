"""The kinds of public notices (公示) and how long each must stand at least, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from governance.statutory_days import day_of, first_day_after, start_of


class NoticeKind(StrEnum):
    VOTE = "vote"
    VOTE_EXTRAORDINARY = "vote_extraordinary"
    ROLL = "roll"
    RESULT = "result"
    COSTS = "costs"
    DECISION = "decision"
    WATCH_LIST = "watch_list"
    APPRAISAL = "appraisal"
    GENERAL = "general"
    """What people want to tell the compound; it decides nothing."""


@dataclass(frozen=True, slots=True)
class PostingRule:
    """`least_days` full days after the day of posting; `is_law` false marks a default of ours, to be set otherwise."""

    least_days: int
    is_law: bool


POSTING_RULES: Mapping[NoticeKind, PostingRule] = MappingProxyType(
    {
        # Hangzhou's property regulation, in force since 2022-03-01: 15 days before an ordinary meeting, 7 before an
        # extraordinary one; listed disclosures stand 15 days.
        NoticeKind.VOTE: PostingRule(15, is_law=True),
        NoticeKind.VOTE_EXTRAORDINARY: PostingRule(7, is_law=True),
        NoticeKind.COSTS: PostingRule(15, is_law=True),
        NoticeKind.RESULT: PostingRule(15, is_law=False),
        NoticeKind.ROLL: PostingRule(7, is_law=False),
        NoticeKind.DECISION: PostingRule(15, is_law=False),
        NoticeKind.WATCH_LIST: PostingRule(15, is_law=False),
        NoticeKind.APPRAISAL: PostingRule(15, is_law=False),
        NoticeKind.GENERAL: PostingRule(1, is_law=False),
    }
)
DECISION_PUBLISHED_WITHIN_DAYS = 3
"""The committee's decisions are published so soon (Hangzhou's regulation)."""
LONGEST_DAYS = 3660


def until_ms(posted_ms: int, days: int, zone: str) -> int:
    """The end of the last of so many days; counted as `first_day_after` counts.

    >>> until_ms(1_795_406_400_000, 1, "Asia/Shanghai")  # noon of the 23rd: to the end of the 24th
    1795536000000
    """
    return start_of(first_day_after(day_of(posted_ms, zone), days), zone)
