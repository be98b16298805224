"""The door as it is deployed: a real Mosquitto with TLS, accounts and topic lists that the program itself wrote."""

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.commands import gateways
from ingest import authority
from ingest.mqtt import BrokerUnreachable, MqttDoor, read_broker_url
from ingest.republish import Republisher
from tests.left_out import program
from tests.servers.deployed import Deployed
from tests.servers.liandong import StartLiandong
from tests.waiting import wait_until

HOME, AWAY = "my-home", "their-home"
NOW_MS = 1_795_406_400_000
MAX_PACKET_BYTES = 1_048_576


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    program("mosquitto")
    deployed = Deployed(tmp_path_factory.mktemp("deploy"))
    child = deployed.start()
    yield deployed
    child.stop()


@pytest.fixture(scope="module")
def roof(deployed: Deployed) -> str:
    """The account of a gateway at HOME."""
    return deployed.add_gateway(HOME, "roof", "tele/roof/#")


def last_of(heard: list[str], topic: str) -> list[str]:
    """What was heard once the topic, which was told last, has come."""
    wait_until(lambda: topic in heard, within_s=20, what=f"{topic} is heard")
    return heard


def test_an_account_signs_in_with_its_password_and_no_other(deployed: Deployed, roof: str) -> None:
    for account in ("liandong", "simulator", roof):
        assert deployed.may_sign_in(account)
        assert not deployed.may_sign_in(account, password="wrong")


def test_a_gateway_writes_to_its_own_site_and_to_no_other(deployed: Deployed, roof: str) -> None:
    own = [
        f"liandong/v1/{HOME}/pump/sump-1/telemetry",
        f"liandong/v1/{HOME}/gateway/roof/telemetry",
        f"liandong/v1/{HOME}/what/ever",
        f"spBv1.0/{HOME}/NBIRTH/roof",
        f"spBv1.0/{HOME}/DDATA/roof/sump-1",
        "tele/roof/level",
    ]
    others = [
        f"liandong/v1/{AWAY}/pump/sump-1/telemetry",
        f"liandong/v1/{HOME}-2/pump/sump-1/telemetry",
        f"liandong/v1/{HOME}/pump/sump-1/alarm",
        f"spBv1.0/{AWAY}/DDATA/roof/sump-1",
        f"spBv1.0/{HOME}/DCMD/roof/sump-1",
        "tele/cellar/level",
    ]
    with deployed.hearing("liandong", "#") as heard:
        for topic in [*others, *own]:
            deployed.tell(roof, topic)
        assert last_of(heard, own[-1]) == own


def test_a_gateway_that_speaks_mqtt_5_is_told_that_it_may_not(deployed: Deployed, roof: str) -> None:
    told: list[str] = []
    with deployed.client(roof, is_mqtt5=True) as client:
        client.on_publish = lambda _client, _data, _mid, reason, _properties: told.append(str(reason))
        client.publish(f"liandong/v1/{AWAY}/pump/sump-1/telemetry", b"[]", qos=1)
        wait_until(lambda: told, within_s=20, what="the broker answers")
    assert told[0] == "Not authorized"


def test_a_gateway_hears_nothing_but_a_request_to_introduce_itself(deployed: Deployed, roof: str) -> None:
    told = [
        f"liandong/v1/{HOME}/pump/sump-1/telemetry",
        f"liandong/v1/{AWAY}/pump/sump-1/telemetry",
        f"liandong/v1/{HOME}/pump/sump-1/alarm",
        f"spBv1.0/{AWAY}/NCMD/roof",
        f"spBv1.0/{HOME}/NCMD/roof",
    ]
    with deployed.hearing(roof, "#") as all_heard, deployed.hearing(roof, "spBv1.0/+/NCMD/+") as asked:
        for topic in told:
            deployed.tell("liandong", topic)
        # On the same connection nothing that was told before it can still come.
        assert last_of(asked, told[-1]) == told[-1:]
        assert set(all_heard) <= {told[-1]}


def test_the_service_tells_alarms_and_nobody_else_does(deployed: Deployed) -> None:
    topic = f"liandong/v1/{HOME}/pump/sump-1/alarm"
    with deployed.hearing("liandong", "liandong/v1/#") as heard:
        deployed.tell("simulator", topic)
        deployed.tell("liandong", topic)
        assert last_of(heard, topic) == [topic]


def test_the_service_may_send_a_quarantined_message_again(deployed: Deployed) -> None:
    topic = f"liandong/v1/{HOME}/pump/sump-1/telemetry"
    with deployed.hearing("liandong", "liandong/v1/#") as heard:
        with Republisher(read_broker_url(deployed.url("liandong"))) as republisher:
            assert republisher.send(topic, b"{}")
        assert last_of(heard, topic) == [topic]


def test_a_revoked_gateway_is_put_out_and_cannot_come_back(deployed: Deployed) -> None:
    account = deployed.add_gateway(HOME, "cellar")
    with deployed.client(account) as client:
        ended = threading.Event()
        client.on_disconnect = lambda *_: ended.set()
        assert gateways.revoke(deployed.settings, site=HOME, name="cellar").told == "the broker was told"
        assert ended.wait(20), "the broker keeps the connection of a revoked account"
    assert not deployed.may_sign_in(account)
    assert [row.revoked_ms for row in gateways.listed(deployed.settings, is_with_revoked=True) if row.name == "cellar"]


def test_a_renewed_gateway_signs_in_with_the_new_password_only(deployed: Deployed) -> None:
    account = deployed.add_gateway(HOME, "attic")
    password = gateways.draw_password()
    gateways.renew(deployed.settings, site=HOME, name="attic", password=password)
    wait_until(
        lambda: deployed.may_sign_in(account, password=password), within_s=20, what="the broker knows the new password"
    )
    assert not deployed.may_sign_in(account)


def open_door(url: str) -> MqttDoor:
    door = MqttDoor(read_broker_url(url), client_id="worker-1", clock=lambda: NOW_MS)
    door.open(timeout_s=20)
    return door


def test_our_door_trusts_the_authority_of_the_settings_and_no_other(deployed: Deployed, tmp_path: Path) -> None:
    authority.prepare_authority(tmp_path, now_ms=NOW_MS)
    with pytest.raises(BrokerUnreachable, match="certificate verify failed"):
        open_door(deployed.url("liandong", ca_file=tmp_path / authority.CA_CERTIFICATE))
    without_ca = deployed.url("liandong").partition("?")[0]
    with pytest.raises(BrokerUnreachable, match="certificate verify failed"):
        open_door(without_ca)
    with pytest.raises(BrokerUnreachable, match="CA file"):
        open_door(deployed.url("liandong", ca_file=tmp_path / "missing.crt"))


def test_our_door_takes_and_acknowledges_over_tls(deployed: Deployed, roof: str) -> None:
    topics = [f"liandong/v1/{HOME}/pump/sump-{number}/telemetry" for number in range(200)]
    door = open_door(deployed.url("liandong"))
    with deployed.client(roof) as client:
        for topic in topics:
            client.publish(topic, b"{}", qos=1)
        taken: list[str] = []

        def all_taken() -> bool:
            messages = door.take(most=64, wait_s=0.1, linger_s=0.01, quiet_s=0.001)
            door.acknowledge(messages)
            taken.extend(message.topic for message in messages)
            return len(taken) >= len(topics)

        wait_until(all_taken, within_s=20, what="the door has taken all")
    door.close()
    again = open_door(deployed.url("liandong"))
    assert again.take(most=10, wait_s=0.5, linger_s=0.01, quiet_s=0.001) == []
    again.close()
    assert sorted(taken) == sorted(topics)


def test_a_packet_beyond_the_limit_is_not_acknowledged(deployed: Deployed, roof: str) -> None:
    topic = f"liandong/v1/{HOME}/pump/sump-1/telemetry"
    with deployed.hearing("liandong", "liandong/v1/#") as heard:
        with deployed.client(roof) as client:
            ended = threading.Event()
            client.on_disconnect = lambda *_: ended.set()
            sent = client.publish(topic, bytes(MAX_PACKET_BYTES + 1), qos=1)
            assert ended.wait(20), "the broker keeps the connection of who sends too much"
            assert not sent.is_published()
        assert heard == []
        deployed.tell(roof, topic, bytes(MAX_PACKET_BYTES // 2))
        assert last_of(heard, topic) == [topic]


def test_a_new_certificate_is_taken_up_without_a_restart(deployed: Deployed) -> None:
    def shown() -> str:
        certificate = ssl.get_server_certificate(("127.0.0.1", deployed.port))
        return authority.read_certificate_der(ssl.PEM_cert_to_DER_cert(certificate)).fingerprint

    before = shown()
    lines = gateways.prepare_broker(
        deployed.settings, hosts=["mosquitto"], days=90, accounts_file=None, is_renewing=True
    )
    assert lines[-1] == "the broker was told"
    wait_until(lambda: shown() != before, within_s=20, what="the broker shows the new certificate")
    assert deployed.may_sign_in("liandong")


def test_the_program_runs_on_mqtts_with_the_ca_file_of_its_settings(
    deployed: Deployed, roof: str, liandong_process: StartLiandong
) -> None:
    url = deployed.url("liandong").partition("?")[0]
    running = liandong_process("up", settings={"MQTT_URL": url, "MQTT_CA_FILE": str(deployed.ca_file)})
    payload = b'{"ts": 1795436100000, "code": "high_float", "on": true}'
    deployed.tell(roof, f"liandong/v1/{HOME}/pump/sump-1/event", payload)

    def accepted() -> bool:
        return 'liandong_messages_total{outcome="accepted"} 1.0' in httpx.get(f"{running.http_url}/metrics").text

    wait_until(accepted, within_s=20, what="the message is accepted")
    assert deployed.passwords["liandong"] not in running.stderr_text()
