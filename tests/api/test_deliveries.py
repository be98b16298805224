"""Messages on their way, through real servers on loopback: those that answer, that hang, and that talk nonsense."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from alerts.notification import (
    CLAIM_MS,
    MOST_ATTEMPTS,
    Call,
    Delivery,
    DeliveryState,
    Notification,
    Told,
    claim_parcels,
    count_deliveries,
    settle,
    tell,
)
from alerts.severity import Severity
from api.delivery_worker import AT_ONCE, DeliveryWorker
from api.message_words import message_of
from api.senders import KEY_FILE, checked_address, open_secret_box, signature
from api.settings import Settings
from registry.calendar import Hours
from registry.channel import ChannelKind, SealBroken, SecretBox, add_channel, new_key
from registry.database import Database
from registry.errors import InvalidField
from registry.person import Person
from registry.quiet_hours import set_quiet_hours
from tests.api.kit import NOON_MS, Clock
from tests.servers.channels import accepting, hang, hook, mailbox, talk_nonsense
from tests.waiting import wait_until

BOX = SecretBox(new_key())
SECRET = "the secret of the hook"
DATA = {
    "goal": "arrival",
    "kind": "escalate",
    "number": 1,
    "due_ms": NOON_MS,
    "title": "Entrapment in lift",
    "opened_by": "mei",
    "unit": "Lift 1",
    "building": "3",
    "site_name": "Xiaohe",
    "basis": "Hangzhou lift regulation: rescue arrives within 30 min in built-up areas, 1 h elsewhere",
    "late_min": 7,
}


class House:
    """People who are told something."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, Clock()
        self._step = 0

    def person(self, name: str, language: str = "zh") -> int:
        with self.database.writing() as session:
            person = Person(name=name, display_name=name, password_hash="none", created_ms=0, language=language)
            session.add(person)
            session.flush()
            return person.id

    def channel(self, person_id: int, kind: ChannelKind, address: str, *, secret: str = "") -> int:
        with self.database.writing() as session:
            return add_channel(
                session,
                person_id=person_id,
                kind=kind,
                address=checked_address(kind, address, secret=secret),
                label="",
                least_severity="advisory",
                box=BOX,
                now_ms=0,
            ).id

    def tell(
        self, *person_ids: int, severity: Severity = Severity.CRITICAL, key: str | None = None, matter: str = "minor"
    ) -> int:
        self._step += 1
        with self.database.writing() as session:
            people = [session.get_one(Person, each) for each in person_ids]
            told = Told(
                key or f"step {self._step}",
                "escalate",
                severity,
                {**DATA, "matter": matter},
                ticket_id=7,
                site="xiaohe",
            )
            return tell(session, [Call(told, people, Hours())], now_ms=self.clock())[0]

    def counts(self) -> dict[DeliveryState, int]:
        with self.database.reading() as session:
            return count_deliveries(session)

    @contextmanager
    def delivering(self, *, hard_limit_s: float = 30.0, every_s: float = 0.02) -> Iterator[None]:
        worker = DeliveryWorker(
            self.database, box=BOX, language="zh", clock=self.clock, every_s=every_s, hard_limit_s=hard_limit_s
        )
        worker.start()
        try:
            yield
        finally:
            worker.stop()


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_a_webhook_is_signed_so_that_its_receiver_can_tell_who_and_when(house: House) -> None:
    with hook() as there:
        mei = house.person("mei", "en")
        house.channel(mei, ChannelKind.WEBHOOK, there.url, secret=SECRET)
        house.tell(mei)
        with house.delivering():
            wait_until(lambda: house.counts()[DeliveryState.SENT], within_s=20, what="it is sent")
        headers, body = there.received[0]
        told = json.loads(body)
        assert "Entrapment in lift" in told["title"]
        assert "7 minutes late" in told["text"]
        assert (told["events"][0]["ticket_id"], told["events"][0]["severity"]) == (7, "critical")
        timestamp = headers["liandong-timestamp"]
        assert int(timestamp) == house.clock() // 1000
        assert headers["liandong-signature"] == "v1=" + signature(SECRET, timestamp=timestamp, body=body)
        assert SECRET not in str(headers) + body.decode()


def test_a_mail_comes_in_the_language_of_its_reader(house: House) -> None:
    with mailbox() as (port, mails):
        mei = house.person("mei")
        house.channel(mei, ChannelKind.MAIL, f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com")
        house.tell(mei)
        with house.delivering():
            wait_until(lambda: mails, within_s=20, what="the mail comes")
        assert "已逾期" in str(make_header(decode_header(str(mails[0]["Subject"]))))


def test_what_hangs_or_talks_nonsense_delays_nobody_else(house: House) -> None:
    with accepting(hang) as hanging, accepting(talk_nonsense) as babbling, hook() as there, mailbox() as (port, mails):
        for number in range(20):
            each = house.person(f"hanging-{number}")
            house.channel(each, ChannelKind.WEBHOOK, f"http://127.0.0.1:{hanging}/x")
            house.tell(each)
        strange = house.person("strange")
        house.channel(strange, ChannelKind.WEBHOOK, f"http://127.0.0.1:{babbling}/x")
        house.channel(strange, ChannelKind.MAIL, f"mailto://127.0.0.1:{babbling}?from=a@example.com&to=b@example.com")
        well = house.person("well")
        house.channel(well, ChannelKind.WEBHOOK, there.url)
        house.channel(well, ChannelKind.MAIL, f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com")
        house.tell(strange, well)
        with house.delivering(hard_limit_s=0.0):
            wait_until(lambda: there.received and mails, within_s=20, what="those that answer have theirs")
            assert house.counts()[DeliveryState.FAILED] == 0


def test_many_follow_each_other_without_waiting_for_the_next_beat(house: House) -> None:
    called = 3 * AT_ONCE
    with hook() as there:
        for number in range(called):
            each = house.person(f"volunteer-{number}")
            house.channel(each, ChannelKind.WEBHOOK, there.url)
            house.tell(each)
        with house.delivering(every_s=3600.0):
            wait_until(lambda: house.counts()[DeliveryState.SENT] == called, within_s=60, what="all are called")


def test_what_failed_is_tried_again_later_and_given_up_at_last(house: House) -> None:
    with hook() as there:
        mei = house.person("mei")
        house.channel(mei, ChannelKind.WEBHOOK, there.url)
        there.status = 500
        house.tell(mei)
        with house.delivering():
            wait_until(lambda: len(there.received) == 1, within_s=20, what="the first attempt")
            wait_until(lambda: house.counts()[DeliveryState.WAITING], within_s=20, what="it waits for its turn")
            there.status = 200
            house.clock.move_s(15)
            wait_until(lambda: house.counts()[DeliveryState.SENT], within_s=20, what="the second attempt")
        assert len(there.received) == 2


def test_minor_things_wait_for_the_end_of_a_persons_own_quiet_hours_and_come_as_one(house: House) -> None:
    mei, lin = house.person("mei"), house.person("lin")
    for each in (mei, lin):
        house.channel(each, ChannelKind.CONSOLE, "")
    with house.database.writing() as session:
        # It is noon; the compound is quiet from 22:00 to 07:00, and she from 11:30 until that begins.
        set_quiet_hours(session, mei, start_min=11 * 60 + 30, end_min=22 * 60)
    house.tell(mei, lin, severity=Severity.MINOR)
    house.tell(mei, severity=Severity.ADVISORY)
    house.tell(mei, severity=Severity.MAJOR)
    house.tell(mei, severity=Severity.MINOR, matter="entrapment")
    house.tell(mei, severity=Severity.MINOR, matter="fire")
    with house.database.reading() as session:
        ways = session.execute(
            select(Notification.person_id, Notification.severity, Delivery.next_ms - NOON_MS, Delivery.is_urgent)
            .join(Delivery, Delivery.notification_id == Notification.id)
            .order_by(Delivery.id)
        ).all()
    in_the_morning = 19 * 3_600_000
    assert [tuple(each) for each in ways] == [
        (mei, "minor", in_the_morning, False),
        (lin, "minor", 15 * 60_000, False),
        (mei, "advisory", in_the_morning, False),
        (mei, "major", 0, True),
        (mei, "minor", 0, True),
        (mei, "minor", 0, True),
    ]
    house.clock.move_s(19 * 3600)
    with house.database.writing() as session:
        parcels = claim_parcels(session, now_ms=house.clock(), busy=(), most=10)
        assert sorted(len(parcel.notifications) for parcel in parcels) == [1, 1]
        settle(session, [id_ for parcel in parcels for id_ in parcel.delivery_ids], is_sent=True, result="", now_ms=0)
    for _ in range(2):
        with house.database.writing() as session:
            [parcel] = claim_parcels(session, now_ms=house.clock(), busy=(), most=10)
            settle(session, parcel.delivery_ids, is_sent=True, result="", now_ms=0)
    with house.database.writing() as session:
        [digest] = claim_parcels(session, now_ms=house.clock(), busy=(), most=10)
        assert [each.severity for each in digest.notifications] == ["minor", "advisory"]


def test_back_off_grows_and_ends(database: Database) -> None:
    house = House(database)
    mei = house.person("mei")
    house.channel(mei, ChannelKind.CONSOLE, "")
    house.tell(mei)
    waited = []
    for _ in range(MOST_ATTEMPTS):
        with database.writing() as session:
            parcel = claim_parcels(session, now_ms=house.clock(), busy=(), most=9)[0]
            assert claim_parcels(session, now_ms=house.clock(), busy=(), most=9) == [], "it is claimed"
        with database.writing() as session:
            settle(session, parcel.delivery_ids, is_sent=False, result="HTTP 500", now_ms=house.clock())
            row = session.get_one(Delivery, parcel.delivery_ids[0])
            waited.append(row.next_ms - house.clock())
            house.clock.now_ms = row.next_ms
    assert waited[:3] == [15_000, 60_000, 240_000]
    assert max(waited) == 3_600_000
    assert house.counts()[DeliveryState.FAILED] == 1


def test_what_a_dead_sender_left_is_sent_by_the_next(database: Database) -> None:
    house = House(database)
    mei = house.person("mei")
    house.channel(mei, ChannelKind.CONSOLE, "")
    house.tell(mei)
    with database.writing() as session:
        claim_parcels(session, now_ms=house.clock(), busy=(), most=9)
    house.clock.now_ms += CLAIM_MS
    with house.delivering():
        wait_until(lambda: house.counts()[DeliveryState.SENT], within_s=20, what="it is sent after all")


def test_nobody_gets_the_same_step_twice(database: Database) -> None:
    house = House(database)
    mei, li = house.person("mei"), house.person("li")
    house.channel(mei, ChannelKind.CONSOLE, "")
    assert house.tell(mei, key="once") == 1
    assert house.tell(mei, li, key="once") == 1
    assert house.counts()[DeliveryState.WAITING] == 1


def test_minor_messages_wait_and_go_out_as_one_and_grave_ones_at_once(house: House) -> None:
    with hook() as there:
        mei = house.person("mei", "en")
        house.channel(mei, ChannelKind.WEBHOOK, there.url)
        # 23:00 in Shanghai.
        house.clock.now_ms = NOON_MS + 11 * 3_600_000
        for _ in range(3):
            house.tell(mei, severity=Severity.MINOR)
        house.tell(mei)
        with house.delivering():
            wait_until(lambda: there.received, within_s=20, what="the grave one")
            house.clock.now_ms = NOON_MS + 19 * 3_600_000 - 60_000
            house.clock.now_ms += 60_000  # 07:00
            wait_until(lambda: len(there.received) == 2, within_s=20, what="the digest in the morning")
        assert len(json.loads(there.received[0][1])["events"]) == 1
        digest = json.loads(there.received[1][1])
        assert (digest["title"], len(digest["events"])) == ("3 messages that could wait", 3)


def test_an_address_is_kept_sealed_and_the_key_is_for_its_owner_only(tmp_path: Path, database: Database) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    box = open_secret_box(settings)
    sealed = box.seal("wecombot://a-very-secret-key")
    assert "secret" not in sealed
    assert open_secret_box(settings).open(sealed) == "wecombot://a-very-secret-key"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    with pytest.raises(SealBroken):
        BOX.open(sealed)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (ChannelKind.WECOM, "file:///etc/passwd"),
        (ChannelKind.MAIL, "json://127.0.0.1/x"),
        (ChannelKind.WEBHOOK, "ftp://127.0.0.1/x"),
        (ChannelKind.WEBHOOK, "https:///nowhere"),
        (ChannelKind.DINGTALK, ""),
    ],
)
def test_an_address_of_another_kind_is_refused_without_repeating_it(kind: ChannelKind, address: str) -> None:
    with pytest.raises(InvalidField) as told:
        checked_address(kind, address)
    assert not address or address not in str(told.value)


@given(st.text(max_size=200))
def test_no_address_whatever_ends_a_form_with_a_defect(address: str) -> None:
    for kind in ChannelKind:
        try:
            checked_address(kind, address)
        except InvalidField:
            continue


def test_each_language_has_its_words() -> None:
    for language, word in (("zh", "已逾期"), ("en", "Deadline missed")):
        person = Person(name="x", display_name="x", password_hash="", created_ms=0, language=language)
        told = Notification(id=1, person=person, template="escalate", severity="critical", data=DATA, site="xiaohe")
        assert word in message_of([told], fallback="zh", now_ms=NOON_MS).title


@pytest.mark.parametrize("opened_by", ["(resident)", "system", "mei"])
def test_a_title_of_ours_is_told_in_the_language_of_the_reader_and_one_of_a_person_as_written(opened_by: str) -> None:
    person = Person(name="x", display_name="x", password_hash="", created_ms=0, language="zh")
    data = {**DATA, "title": "Residents report: unusual noise or shaking", "opened_by": opened_by}
    told = Notification(id=1, person=person, template="escalate", severity="critical", data=data, site="xiaohe")
    title = message_of([told], fallback="zh", now_ms=NOON_MS).title
    assert ("居民反映：异响或抖动" in title) == (opened_by != "mei")
