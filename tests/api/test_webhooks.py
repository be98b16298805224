"""Other systems are told in order, signed, until they take it; and never through us what is not theirs to reach."""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from alerts.webhook import FIRST_RETRY_MS
from api.senders import open_secret_box
from api.webhook_worker import Unreachable, WebhookWorker, checked_webhook, post, resolved
from registry.errors import InvalidField
from registry.role import Role
from tests.api.kit import FAR_PUMP, HERE, PUMP, World, items
from tests.api.pages.conftest import Browser

SECRET = "a secret of sixteen"
ADMIN = (Role.ADMIN, None)


@contextmanager
def listener(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that answers with these statuses, then with 204; what it was told."""
    told: list[tuple[dict[str, str], bytes]] = []
    answers = iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((dict(self.headers), body))
            self.send_response(next(answers, 204))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?a=1", told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def add(world: World, url: str, **others: Any) -> int:
    body = {"url": url, "secret": SECRET, **others}
    answer = world.client.post("/api/v1/webhooks", json=body, headers=world.bearer(ADMIN))
    assert answer.status_code == 201, answer.text
    assert url not in answer.text
    assert SECRET not in answer.text
    return int(answer.json()["id"])


def worker(world: World) -> WebhookWorker:
    box = open_secret_box(world.app.state.resources.settings)
    return WebhookWorker(world.database, box=box, clock=world.clock, may_reach_loopback=True)


def test_another_system_is_told_what_it_asked_for_signed_and_in_order(world: World) -> None:
    world.signal(FAR_PUMP, "dry_run")
    with listener() as (url, told):
        hook = add(world, url, site=HERE, events=["alarm"])
        alarm_id = world.signal(PUMP, "dry_run")
        world.signal(FAR_PUMP, "trip")
        assert worker(world).tell(hook)
        assert not worker(world).tell(hook), "there is nothing more"
    [(headers, body)] = told
    events = json.loads(body)["events"]
    assert [(each["verb"], each["subject"]) for each in events] == [("alarm.raised", f"alarm:{alarm_id}")]
    expected = hmac.new(SECRET.encode(), headers["Liandong-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["Liandong-Signature"] == "v1=" + expected.hexdigest()


def test_what_was_not_taken_is_sent_again_later_and_nothing_is_lost(world: World) -> None:
    with listener(500, 302) as (url, told):
        hook = add(world, url, events=["alarm"])
        world.signal(PUMP, "dry_run")
        assert not worker(world).tell(hook)
        world.signal(PUMP, "trip")
        assert not worker(world).tell(hook), "not before its time"
        world.clock.move_s(FIRST_RETRY_MS / 1000)
        assert not worker(world).tell(hook), "a redirect is not followed"
        world.clock.move_s(60)
        assert worker(world).tell(hook)
    verbs = [[each["verb"] for each in json.loads(body)["events"]] for _, body in told]
    assert verbs == [["alarm.raised"], ["alarm.raised"] * 2, ["alarm.raised"] * 2]
    path = f"/api/v1/webhooks/{hook}/deliveries"
    kept = items(world.client.get(path, headers=world.bearer(ADMIN)))
    assert [(each["is_sent"], each["result"]) for each in kept] == [
        (True, "HTTP 204"),
        (False, "HTTP 302"),
        (False, "HTTP 500"),
    ]


def test_neither_names_nor_words_of_people_leave_the_house(world: World) -> None:
    with listener() as (url, told):
        hook = add(world, url)
        alarm_id = world.signal(PUMP, "dry_run")
        body = {"until": "2026-11-23T16:00:00+08:00", "reason": "Mrs Wang is ill"}
        world.client.post(f"/api/v1/alarms/{alarm_id}/shelve", json=body, headers=world.bearer(ADMIN))
        assert worker(world).tell(hook)
    [(_, sent)] = told
    assert b"alarm.shelved" in sent
    assert b"Mrs Wang" not in sent
    assert b"admin-" not in sent


def test_a_test_reaches_the_one_that_is_tested_whatever_it_asked_for(world: World) -> None:
    with listener() as (url, told):
        hook, other = add(world, url, events=["ticket"]), add(world, url, events=["ticket"])
        headers = world.bearer(ADMIN)
        assert world.client.post(f"/api/v1/webhooks/{hook}/test", headers=headers).status_code == 202
        assert worker(world).tell(hook)
        assert not worker(world).tell(other)
    assert len(told) == 1


def test_one_that_was_removed_is_told_no_more(world: World) -> None:
    with listener() as (url, told):
        hook = add(world, url)
        world.signal(PUMP, "dry_run")
        headers = world.bearer(ADMIN)
        assert world.client.delete(f"/api/v1/webhooks/{hook}", headers=headers).status_code == 204
        assert not worker(world).tell(hook)
        assert items(world.client.get("/api/v1/webhooks", headers=headers)) == []
        assert world.client.get(f"/api/v1/webhooks/{hook}/deliveries", headers=headers).status_code == 404
    assert told == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.com/", "http://", "http://me:pw@example.com/", "http://a b/", "http://[x/"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidField):
        checked_webhook(url, SECRET)
    with pytest.raises(InvalidField):
        checked_webhook("https://example.com/", "short")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1", "224.0.0.1"])
def test_this_machine_and_its_neighbours_by_link_are_not_spoken_to(host: str) -> None:
    with pytest.raises(Unreachable):
        resolved(host, 80, may_reach_loopback=False)
    bracketed = f"[{host}]" if ":" in host else host
    outcome = post(f"http://{bracketed}/", SECRET, b"{}", sent_ms=0, may_reach_loopback=False)
    assert not outcome.is_sent
    assert "not spoken to" in outcome.said


def test_a_request_to_add_one_that_is_sent_twice_adds_one(world: World) -> None:
    headers = {**world.bearer(ADMIN), "Idempotency-Key": "4f1c"}
    body = {"url": "https://example.com/hook", "secret": SECRET}
    answers = [world.client.post("/api/v1/webhooks", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(items(world.client.get("/api/v1/webhooks", headers=headers))) == 1
    other = world.client.post("/api/v1/webhooks", json={**body, "label": "another"}, headers=headers)
    assert other.status_code == 422


def test_one_that_is_paused_is_told_everything_afterwards_signed_with_its_new_secret(world: World) -> None:
    with listener() as (url, told):
        hook, headers = add(world, url, events=["alarm"]), world.bearer(ADMIN)
        path = f"/api/v1/webhooks/{hook}"
        assert world.client.patch(path, json={"is_paused": True}, headers=headers).json()["is_paused"] is True
        world.signal(PUMP, "dry_run")
        assert not worker(world).tell(hook)
        other = "another secret of sixteen"
        answer = world.client.patch(path, json={"is_paused": False, "secret": other}, headers=headers)
        assert answer.json()["is_paused"] is False
        assert world.client.patch(path, json={"secret": "short"}, headers=headers).status_code == 422
        assert worker(world).tell(hook)
    [(sent, body)] = told
    expected = hmac.new(other.encode(), sent["Liandong-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert sent["Liandong-Signature"] == "v1=" + expected.hexdigest()


def test_an_administrator_keeps_webhooks_by_page_and_sees_a_secret_once(world: World) -> None:
    admin = Browser(world, world.session(ADMIN))
    assert "No other system is told anything." in admin.get("/webhooks").text
    assert admin.post("/webhooks", url="file:///etc/passwd", label="Ours <b>").status == 422
    assert admin.post("/webhooks", url="https://example.com/x", events="alarm;drop").status == 422
    with listener() as (url, told):
        form = {"url": url, "label": "Ours <b>", "site": HERE, "events": "alarm, ticket.moved", "form_key": "k1"}
        page = admin.post("/webhooks", **form)
        [secret] = re.findall(r"<code>([\w-]{32})</code>", page.html)
        assert url not in page.html
        assert admin.post("/webhooks", **form).status == 303, "a form sent twice"
        page = admin.get("/webhooks")
        assert page.text.count("Ours <b>") >= 1
        assert secret not in page.html
        [hook] = [each["id"] for each in items(world.client.get("/api/v1/webhooks", headers=world.bearer(ADMIN)))]
        assert admin.post(f"/webhooks/{hook}/test").status == 303
        assert worker(world).tell(int(str(hook)))
        assert "HTTP 204" in admin.get("/webhooks").text
        [(sent, body)] = told
        expected = hmac.new(secret.encode(), sent["Liandong-Timestamp"].encode() + b"." + body, hashlib.sha256)
        assert sent["Liandong-Signature"] == "v1=" + expected.hexdigest()
        [renewed] = re.findall(r"<code>([\w-]{32})</code>", admin.post(f"/webhooks/{hook}/secret", form_key="k2").html)
        assert renewed != secret
        assert admin.post(f"/webhooks/{hook}/secret", form_key="k2").status == 303
    assert admin.post(f"/webhooks/{hook}/pause").status == 303
    assert "paused" in admin.get("/webhooks").text
    assert admin.post(f"/webhooks/{hook}/resume").status == 303
    assert admin.post(f"/webhooks/{hook}/end").status == 303
    assert "No other system is told anything." in admin.get("/webhooks").text
    assert admin.post(f"/webhooks/{hook}/pause").status == 404
    manager = Browser(world, world.session((Role.PROPERTY_MANAGER, HERE)))
    assert manager.get("/webhooks").status == 403
