"""Public notices: as long as they must, in words that never change, masked, and proven to have hung."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from governance import notice
from governance.masking import mask_name, mask_numbers
from governance.notice import InvalidNotice, Notice, NoticeText, UnknownNotice
from governance.notice_rules import POSTING_RULES, NoticeKind, until_ms
from registry import activity
from registry.database import Database
from registry.role import Actor
from registry.site import add_site

NOW_MS = 1_795_406_400_000  # 2026-11-23T12:00:00+08:00
POSTER = Actor("committee")
TEXT = NoticeText("Use of the fund", "41 lifts.\n\nCall 13812345678.", (("In all", "1,200.00"),))


def posted(session: Session, kind: NoticeKind = NoticeKind.COSTS, *, days: int | None = None) -> Notice:
    site = add_site(session, key="xiaohe", now_ms=NOW_MS)
    return notice.post_notice(
        session, site, kind=kind, text=TEXT, subject="proposal:1", days=days, actor=POSTER, now_ms=NOW_MS
    )


def test_every_kind_has_its_least_days() -> None:
    assert set(POSTING_RULES) == set(NoticeKind)
    assert POSTING_RULES[NoticeKind.VOTE].least_days == 15
    assert POSTING_RULES[NoticeKind.VOTE_EXTRAORDINARY].least_days == 7


def test_the_day_of_posting_does_not_count_and_the_last_day_counts_whole() -> None:
    end = datetime.fromtimestamp(until_ms(NOW_MS, 15, "Asia/Shanghai") / 1000, ZoneInfo("Asia/Shanghai"))
    assert end.isoformat() == "2026-12-09T00:00:00+08:00"


def test_days_are_those_of_the_compounds_calendar_over_a_change_of_clocks() -> None:
    # In Berlin clocks go back on 2026-10-25.
    posted_ms = round(datetime(2026, 10, 20, 23, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    end = datetime.fromtimestamp(until_ms(posted_ms, 7, "Europe/Berlin") / 1000, ZoneInfo("Europe/Berlin"))
    assert end.isoformat() == "2026-10-28T00:00:00+01:00"


def test_less_than_the_least_days_is_refused_and_more_is_taken(database: Database) -> None:
    with database.writing() as session:
        made = posted(session, days=30)
        with pytest.raises(InvalidNotice) as refused:
            notice.post_notice(session, made.site, kind=NoticeKind.COSTS, text=TEXT, days=14, now_ms=NOW_MS)
        assert (refused.value.reason, refused.value.least_days) == ("days", 15)
        assert not notice.has_stood(made, now_ms=until_ms(NOW_MS, 15, "Asia/Shanghai") - 1)
        assert notice.has_stood(made, now_ms=until_ms(NOW_MS, 15, "Asia/Shanghai"))


def test_a_notice_without_words_or_with_too_many_is_refused(database: Database) -> None:
    bad = [
        ("", "words", "title"),
        ("x" * 201, "words", "title"),
        ("title", "  ", "body"),
        ("title", "x" * 20_001, "body"),
    ]
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=NOW_MS)
        for title, body, reason in bad:
            with pytest.raises(InvalidNotice) as refused:
                notice.post_notice(session, site, kind=NoticeKind.COSTS, text=NoticeText(title, body), now_ms=NOW_MS)
            assert refused.value.reason == reason


def test_a_correction_is_a_new_version_and_the_old_words_stay(database: Database) -> None:
    with database.writing() as session:
        made = posted(session)
        new = NoticeText("Use of the fund", "40 lifts.")
        with pytest.raises(InvalidNotice, match="reason"):
            notice.correct_notice(session, made, new, reason=" ", actor=POSTER, now_ms=NOW_MS + 1)
        notice.correct_notice(session, made, new, reason="miscounted", actor=POSTER, now_ms=NOW_MS + 1)
        with pytest.raises(InvalidNotice, match="unchanged"):
            notice.correct_notice(session, made, new, reason="again", actor=POSTER, now_ms=NOW_MS + 2)
        versions = notice.versions_of(session, made.id)
        assert [(each.version, each.body[:8], each.reason) for each in versions] == [
            (2, "40 lifts", "miscounted"),
            (1, "41 lifts", ""),
        ]
        assert made.posted_ms == NOW_MS
        verbs = [row.verb for row in activity.of_subject(session, f"notice:{made.id}")]
        assert verbs == ["notice.posted", "notice.corrected"]


def test_a_correction_of_what_matters_lets_the_days_begin_anew(database: Database) -> None:
    with database.writing() as session:
        made, later_ms = posted(session), NOW_MS + 5 * 86_400_000
        new = NoticeText("Use of the fund", "42 lifts.")
        notice.correct_notice(session, made, new, reason="one more", restarts=True, actor=POSTER, now_ms=later_ms)
        assert made.until_ms == until_ms(later_ms, 15, "Asia/Shanghai")
        assert not notice.has_stood(made, now_ms=until_ms(NOW_MS, 15, "Asia/Shanghai"))


def test_a_proof_belongs_to_the_version_that_hung(database: Database) -> None:
    with database.writing() as session:
        made = posted(session)
        for place in ("Gate 1", "Building 3"):
            notice.add_proof(
                session, made, place=place, digest="a" * 64, media_type="image/jpeg", actor=POSTER, now_ms=NOW_MS
            )
        with pytest.raises(InvalidNotice, match="place"):
            notice.add_proof(session, made, place="", digest="a" * 64, media_type="", actor=POSTER, now_ms=NOW_MS)
        assert [(each.place, each.version, each.by) for each in notice.proofs_of(session, made.id)] == [
            ("Gate 1", 1, "committee"),
            ("Building 3", 1, "committee"),
        ]


def test_the_list_tells_what_stands_now_and_what_stood(database: Database) -> None:
    with database.writing() as session:
        made = posted(session)
        assert [n.id for n, _ in notice.list_notices(session, posted_at_ms=NOW_MS)] == [made.id]
        assert notice.list_notices(session, posted_at_ms=made.until_ms) == []
        assert notice.list_notices(session, posted_at_ms=NOW_MS - 1) == []
        assert [title for _, title in notice.list_notices(session, subject="proposal:1")] == ["Use of the fund"]
        assert notice.list_notices(session, kind=NoticeKind.ROLL) == []
        assert notice.list_notices(session, site="elsewhere") == []
        with pytest.raises(UnknownNotice):
            notice.get_notice(session, 999)


def test_what_is_posted_shows_no_number_of_a_person(database: Database) -> None:
    with database.writing() as session:
        made = posted(session)
        assert "138****5678" in notice.versions_of(session, made.id)[0].body


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13812345678。", "电话138****5678。"),
        ("330102199001011234", "3301**********1234"),
        ("33010219900101123x", "3301**********123x"),
        ("6222021234567890123", "6222********0123"),
        ("mei.li@example.org", "m***@example.org"),
        ("total 1234567.89 on 2026-11-23", "total 1234567.89 on 2026-11-23"),
        ("the phone 0571-88001122 of the office", "the phone 0571-88001122 of the office"),
    ],
)
def test_numbers_of_people_are_masked_and_others_are_not(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@given(st.text(alphabet="王小明欧阳LiMei ", min_size=1, max_size=12))
def test_a_masked_name_shows_the_first_sign_of_a_word_only(name: str) -> None:
    masked = mask_name(name)
    assert [len(word) for word in masked.split()] == [len(word) for word in name.split()]
    assert all(set(word[1:]) <= {"*"} for word in masked.split())
