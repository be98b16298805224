"""The door to the broker, on real brokers: what is not acknowledged comes again, and nothing is dropped."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker import BrokerRefused, EmbeddedBroker
from ingest.mqtt import BrokerAddress, BrokerUnreachable, MqttDoor, read_broker_url
from ingest.republish import Republisher
from ingest.wire import RawMessage
from tests.servers.child import free_port
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

TOPIC = "liandong/v1/xiaohe/pump/p1/telemetry"
NOW_MS = 1_700_000_000_000
NewDoor = Callable[[], MqttDoor]


@contextmanager
def doors(url: str, *, is_mqtt5: bool) -> Iterator[NewDoor]:
    """Each door is the same worker again: one session."""
    opened: list[MqttDoor] = []

    def new() -> MqttDoor:
        door = MqttDoor(read_broker_url(url), client_id="worker-1", clock=lambda: NOW_MS, is_mqtt5=is_mqtt5)
        door.open()
        opened.append(door)
        return door

    yield new
    for door in opened:
        door.close()


@pytest.fixture
def new_door(broker_url: str, request: pytest.FixtureRequest) -> Iterator[NewDoor]:
    with doors(broker_url, is_mqtt5=request.node.callspec.params["broker_url"] != "embedded") as new:
        yield new


@contextmanager
def publishing(url: str) -> Iterator[paho.Client]:
    address = read_broker_url(url)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.max_queued_messages_set(0)
    client.connect(address.host, address.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def publish(url: str, *payloads: bytes, topic: str = TOPIC, retain: bool = False) -> None:
    """Returns when the broker has confirmed all of them."""
    with publishing(url) as client:
        told = [client.publish(topic, payload, qos=1, retain=retain) for payload in payloads]
        for info in told:
            info.wait_for_publish(30)


def take(door: MqttDoor, count: int, *, within_s: float = 10, most: int = 1000) -> list[RawMessage]:
    taken: list[RawMessage] = []
    end = monotonic() + within_s
    while len(taken) < count and monotonic() < end:
        taken += door.take(most=most, wait_s=0.1, linger_s=0.02, quiet_s=0.005)
    assert len(taken) >= count, f"only {len(taken)} of {count} messages came"
    return taken


def take_and_acknowledge(door: MqttDoor, count: int) -> list[bytes]:
    taken: list[bytes] = []
    while len(taken) < count:
        batch = take(door, 1)
        assert len(batch) <= 1000
        taken += [message.payload for message in batch]
        door.acknowledge(batch)
    return taken


def is_quiet(door: MqttDoor) -> bool:
    """Nothing comes although there was time for it."""
    return not any(door.take(most=10, wait_s=0.1, linger_s=0.0, quiet_s=0.0) for _ in range(3))


def payloads(count: int, start: int = 0) -> list[bytes]:
    return [b"%06d" % number for number in range(start, start + count)]


# One message


def test_a_message_comes_with_its_topic_its_bytes_and_its_time(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    publish(broker_url, bytes(range(256)))
    [message] = take(door, 1)
    assert (message.topic, message.payload, message.received_ms) == (TOPIC, bytes(range(256)), NOW_MS)
    assert not message.is_retained
    assert not message.is_redelivery
    assert message.receipt is not None


def test_a_payload_far_too_large_comes_through_the_door_to_be_told(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    publish(broker_url, b"x" * 1_000_000, b"small")
    assert [len(message.payload) for message in take(door, 2)] == [1_000_000, 5]


def test_what_was_retained_before_is_marked_as_such(new_door: NewDoor, broker_url: str) -> None:
    publish(broker_url, b"before", retain=True)
    door = new_door()
    [message] = take(door, 1)
    assert (message.payload, message.is_retained) == (b"before", True)
    door.acknowledge([message])
    publish(broker_url, b"live", retain=True)
    [message] = take(door, 1)
    assert (message.payload, message.is_retained) == (b"live", False)


def test_the_own_words_can_be_told_and_stay(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    door.publish("liandong/v1/xiaohe/pump/p1/alarm", b"[]", is_retained=True)
    [message] = take(door, 1)
    assert (message.topic, message.payload) == ("liandong/v1/xiaohe/pump/p1/alarm", b"[]")


# Acknowledgement


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    publish(broker_url, *payloads(20))
    taken = take(door, 20)
    door.acknowledge(taken[:12])
    # The broker reads in order: once it has answered this, it has read the acknowledgements.
    door.publish("liandong/v1/xiaohe/pump/p1/alarm", b"[]", is_retained=False)
    take(door, 1)
    door.close()
    door = new_door()
    again = take(door, 9)
    assert [message.payload for message in again] == [*payloads(8, 12), b"[]"]
    door.acknowledge(again)
    assert is_quiet(door)
    door.close()
    assert is_quiet(new_door())


def test_what_is_said_while_the_worker_is_away_waits_for_it(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    door.close()
    publish(broker_url, *payloads(500))
    door = new_door()
    assert take_and_acknowledge(door, 500) == payloads(500)


def test_a_worker_that_does_not_look_for_a_while_misses_nothing(new_door: NewDoor, broker_url: str) -> None:
    """More than the broker may have in flight: it holds the rest until we acknowledge."""
    door = new_door()
    expected = payloads(12_000)
    publish(broker_url, *expected)
    assert take_and_acknowledge(door, len(expected)) == expected
    assert is_quiet(door)


def test_a_batch_is_as_large_as_was_asked_for_and_no_larger(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    publish(broker_url, *payloads(50))
    seen: list[bytes] = []
    while len(seen) < 50:
        batch = door.take(most=7, wait_s=1.0, linger_s=0.05, quiet_s=0.01)
        assert 0 < len(batch) <= 7
        seen += [message.payload for message in batch]
        door.acknowledge(batch)
    assert seen == payloads(50)


# Broken connections


def restarted_broker(door: MqttDoor, *, stop: Callable[[], None], start: Callable[[], None]) -> None:
    stop()
    wait_until(
        lambda: door.take(most=1, wait_s=0.05, linger_s=0, quiet_s=0) or not door.is_connected,
        within_s=10,
        what="the loss of the connection is noticed",
    )
    assert not door.is_connected
    start()
    wait_until(
        lambda: door.take(most=1, wait_s=0.05, linger_s=0, quiet_s=0) or door.is_connected,
        within_s=20,
        what="the door has connected again",
    )


def test_the_door_finds_back_to_a_broker_that_was_restarted(embedded_broker: EmbeddedBroker) -> None:
    with doors(embedded_broker.url, is_mqtt5=False) as new_door:
        door = new_door()
        restarted_broker(door, stop=embedded_broker.stop, start=embedded_broker.start)
        publish(embedded_broker.url, *payloads(3))
        assert [message.payload for message in take(door, 3)] == payloads(3)


def test_over_a_restart_of_the_broker_nothing_is_lost_and_old_receipts_are_worthless(mosquitto: Mosquitto) -> None:
    with doors(mosquitto.url, is_mqtt5=True) as new_door:
        door = new_door()
        publish(mosquitto.url, *payloads(30))
        before = take(door, 30)
        door.acknowledge(before[:10])
        mosquitto.stop()
        wait_until(
            lambda: door.take(most=1, wait_s=0.05, linger_s=0, quiet_s=0) or not door.is_connected,
            within_s=10,
            what="the loss of the connection is noticed",
        )
        mosquitto.start()
        # The broker may have ended before it read the last acknowledgements.
        again = take(door, 20)
        assert [message.payload for message in again][-20:] == payloads(20, 10)
        assert all(message.is_redelivery for message in again)
        door.acknowledge(before)
        door.close()
        door = new_door()
        assert [message.payload for message in take(door, len(again))] == [message.payload for message in again]


def test_a_door_that_is_closed_may_be_closed_again(new_door: NewDoor) -> None:
    door = new_door()
    door.close()
    door.close()
    assert not door.is_connected


# Brokers that are none


def refusal(address: BrokerAddress) -> str:
    door = MqttDoor(address, client_id="w", clock=lambda: NOW_MS, is_mqtt5=False)
    with pytest.raises(BrokerUnreachable) as refused:
        door.open(timeout_s=0.3)
    assert not door.is_connected
    said = str(refused.value)
    assert "\n" not in said
    assert "hidden" not in said
    return said


def test_a_broker_that_is_not_there_is_told_in_one_line() -> None:
    address = read_broker_url(f"mqtt://user:hidden-word@127.0.0.1:{free_port()}")
    assert f"mqtt://127.0.0.1:{address.port}" in refusal(address)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x05"])
def test_something_that_listens_but_is_no_willing_broker_is_told_in_one_line(answer: bytes | None) -> None:
    """It keeps silent, hangs up, speaks HTTP, or refuses the login."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(5)
        address = BrokerAddress("127.0.0.1", server.getsockname()[1], "user", "hidden-word", is_tls=False)

        def meet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1000)

        with ThreadPoolExecutor(1) as pool:
            meeting = pool.submit(meet)
            said = refusal(address)
            meeting.result(10)
    assert f"127.0.0.1:{address.port}" in said


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", BrokerAddress("broker", 1883, None, None, is_tls=False)),
        ("mqtts://broker", BrokerAddress("broker", 8883, None, None, is_tls=True)),
        ("mqtt://u:p%40ss@broker:99", BrokerAddress("broker", 99, "u", "p@ss", is_tls=False)),
        ("mqtt://[::1]:1884", BrokerAddress("::1", 1884, None, None, is_tls=False)),
    ],
)
def test_addresses_are_read(url: str, address: BrokerAddress) -> None:
    assert read_broker_url(url) == address
    assert "p@ss" not in address.display


@pytest.mark.parametrize("url", ["", "broker:1883", "http://broker", "mqtt://", "mqtt://:1883", "tcp://broker"])
def test_anything_else_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://"):
        read_broker_url(url)


# The embedded broker, and telling again


def test_a_port_in_use_is_told_in_one_line(embedded_broker: EmbeddedBroker) -> None:
    second = EmbeddedBroker(port=embedded_broker.port)
    with pytest.raises(BrokerRefused) as refused:
        second.start()
    assert str(embedded_broker.port) in str(refused.value)
    assert "\n" not in str(refused.value)
    second.stop()


def test_the_embedded_broker_is_only_for_this_machine(embedded_broker: EmbeddedBroker) -> None:
    hosts = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1", "::1", "127.0.1.1"}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", embedded_broker.port)) == 0
    assert embedded_broker.host == "127.0.0.1"
    for host in hosts:
        # Whoever can bind the port on another address has proved that the broker does not hold it there.
        family = socket.AF_INET6 if ":" in str(host) else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((str(host), embedded_broker.port))


def test_messages_are_told_again_and_known_to_have_arrived(new_door: NewDoor, broker_url: str) -> None:
    door = new_door()
    with Republisher(read_broker_url(broker_url)) as republisher:
        assert republisher.send(TOPIC, b"once more")
        assert not republisher.send("liandong/v1/+/#", b"nobody can publish this")
        assert not republisher.send("", b"nor this")
    assert [message.payload for message in take(door, 1)] == [b"once more"]
    with pytest.raises(BrokerUnreachable), Republisher(read_broker_url(f"mqtt://127.0.0.1:{free_port()}")):
        pass
