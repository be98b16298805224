"""Publishing to real brokers: bounded, acknowledged, patient, and clear about what is wrong."""

import threading
from pathlib import Path
from time import monotonic

import pytest

from ingest.broker import EmbeddedBroker
from ingest.mqtt import BrokerUnreachable
from models.equipment import Kind
from models.reading import UnitKey
from simulators.errors import BadBrokerUrl, BrokerLost
from simulators.message import Message, status, telemetry
from simulators.publish import BrokerOutlet, FileOutlet
from tests.servers.child import free_port
from tests.servers.mosquitto import Mosquitto
from tests.simulators.hearing import listening
from tests.waiting import wait_until

UNIT = UnitKey("quiet", Kind.PUMP, "sump-1")
TS_MS = 1_767_564_000_000


def readings(count: int) -> list[Message]:
    return [telemetry(UNIT, TS_MS + number, {"level_m": number / 1000}) for number in range(count)]


def send_all(outlet: BrokerOutlet, messages: list[Message]) -> None:
    for message in messages:
        outlet.send(message)


def test_everything_arrives_once_and_in_order(broker_url: str) -> None:
    with listening(broker_url) as listener:
        with BrokerOutlet(broker_url, client_id="in-order", in_flight=50) as outlet:
            send_all(outlet, readings(2_000))
        listener.wait_for(2_000)
        assert [payload for _, payload, _ in listener.came] == [message.payload for message in readings(2_000)]
    assert outlet.acknowledged == 2_000


def test_no_more_is_under_way_than_was_asked_for(broker_url: str) -> None:
    with BrokerOutlet(broker_url, client_id="bounded", in_flight=7) as outlet:
        send_all(outlet, readings(500))
    assert outlet.most_in_flight == 7
    assert outlet.acknowledged == 500


def test_a_broker_that_does_not_answer_makes_the_sender_wait(mosquitto: Mosquitto) -> None:
    with BrokerOutlet(mosquitto.url, client_id="pressed", in_flight=10) as outlet:
        outlet.send(readings(1)[0])
        assert outlet.flush(within_s=10)
        mosquitto.pause()
        sender = threading.Thread(target=send_all, args=(outlet, readings(100)))
        try:
            sender.start()
            wait_until(lambda: outlet.most_in_flight == 10, within_s=10, what="ten messages are under way")
            # It would be through in a moment if it did not wait.
            sender.join(1.0)
            assert sender.is_alive()
            assert outlet.acknowledged == 1
            assert outlet.most_in_flight == 10
        finally:
            mosquitto.resume()
        sender.join(20)
        assert not sender.is_alive()
    assert outlet.acknowledged == 101


def test_statuses_are_retained_and_readings_are_not(broker_url: str) -> None:
    with BrokerOutlet(broker_url, client_id="retained") as outlet:
        outlet.send(status(UNIT, TS_MS, is_online=True))
        outlet.send(readings(1)[0])
    with listening(broker_url) as listener:
        listener.wait_for(1)
        assert listener.came == [("liandong/v1/quiet/pump/sump-1/status", b'{"ts":1767564000000,"online":true}', True)]


def test_the_broker_tells_of_one_that_vanished(mosquitto: Mosquitto) -> None:
    will = status(UNIT, TS_MS, is_online=False)
    with listening(mosquitto.url) as listener:
        outlet = BrokerOutlet(mosquitto.url, client_id="vanishes", last_will=will)
        with outlet:
            outlet.send(readings(1)[0])
            assert outlet.flush(within_s=10)
            # A second client of the same name takes its place: the first has gone without a word.
            with BrokerOutlet(mosquitto.url, client_id="vanishes"):
                listener.wait_for(2)
        assert listener.came[1][:2] == (will.topic, will.payload)


def test_a_broker_that_comes_back_gets_what_it_missed(mosquitto: Mosquitto) -> None:
    with BrokerOutlet(mosquitto.url, client_id="patient", in_flight=20) as outlet:
        outlet.send(readings(1)[0])
        assert outlet.flush(within_s=10)
        mosquitto.stop()
        sender = threading.Thread(target=send_all, args=(outlet, readings(100)))
        sender.start()
        wait_until(lambda: outlet.most_in_flight == 20, within_s=10, what="the sender waits for the broker")
        mosquitto.start()
        sender.join(30)
        assert not sender.is_alive()
        assert outlet.flush(within_s=20)
    assert outlet.acknowledged == 101


def test_a_broker_that_stays_away_is_given_up(mosquitto: Mosquitto) -> None:
    with BrokerOutlet(mosquitto.url, client_id="given-up", in_flight=5, returns_within_s=1.0) as outlet:
        outlet.send(readings(1)[0])
        assert outlet.flush(within_s=10)
        mosquitto.kill()
        with pytest.raises(BrokerLost, match=rf"mqtt://127.0.0.1:{mosquitto.port} went away"):
            send_all(outlet, readings(20))


def test_one_who_is_told_to_stop_does_not_wait_for_a_broker_that_has_gone(mosquitto: Mosquitto) -> None:
    stop = threading.Event()
    with BrokerOutlet(mosquitto.url, client_id="stops", in_flight=5, should_stop=stop.is_set) as outlet:
        outlet.send(readings(1)[0])
        assert outlet.flush(within_s=10)
        mosquitto.kill()
        stop.set()
        began = monotonic()
        send_all(outlet, readings(200))
    assert monotonic() - began < 10


def test_a_broker_that_is_not_there_is_told_in_one_line_without_its_password() -> None:
    port = free_port()
    with pytest.raises(BrokerUnreachable) as told, BrokerOutlet(f"mqtt://u:secret@127.0.0.1:{port}", client_id="x"):
        pass
    assert f"mqtt://127.0.0.1:{port} cannot be reached" in str(told.value)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("url", ["http://host", "localhost:1883", "mqtt://", "", "mqtt://host:port"])
def test_what_is_no_address_of_a_broker_is_told(url: str) -> None:
    with pytest.raises(BadBrokerUrl):
        BrokerOutlet(url, client_id="x")


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), FileOutlet(tmp_path / "none" / "said.jsonl"):
        pass


def test_the_embedded_broker_takes_a_large_backlog(embedded_broker: EmbeddedBroker) -> None:
    with listening(embedded_broker.url) as listener:
        with BrokerOutlet(embedded_broker.url, client_id="large") as outlet:
            for number in range(100):
                payload = b'[{"ts":1,"values":{"level_m":0.5}}' + b" " * 100_000 + b"]"
                outlet.send(Message(TS_MS + number, f"liandong/v1/quiet/pump/sump-{number}/telemetry", payload))
        listener.wait_for(100)
