"""Other protocols end to end on a real Mosquitto: the life of a Sparkplug node, and rules that follow their file."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ingest import ledger, quarantine, sparkplug_births
from ingest.foreign import ForeignTopics
from ingest.sparkplug_schema import Payload
from registry.database import Database
from registry.errors import UnknownUnit
from registry.unit import get_unit
from tests.ingest.running import now_ms, running_worker
from tests.ingest.sparkplug_edge import EdgeNode
from tests.servers.mosquitto import Mosquitto
from tests.waiting import wait_until

DEVICE, SUMP = "pump.sump-1", "xiaohe~sump-1"


class ConnectedNode:
    """An edge node on the broker: its last will is its death, and it hears what it is commanded."""

    def __init__(self, node: EdgeNode, port: int) -> None:
        self.node = node
        self.commands: list[bytes] = []
        self._last_ms = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"{node.edge}-{node.bd_seq}")
        topic, payload = node.node_death()
        self._client.will_set(topic, payload, qos=1)
        self._client.on_message = lambda _client, _data, message: self.commands.append(bytes(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, within_s=10, what="the node is connected")
        self._client.subscribe(node.topic("NCMD"), qos=1)

    def say(self, said: tuple[str, bytes]) -> None:
        told = self._client.publish(*said, qos=1)
        told.wait_for_publish(10)
        assert told.is_published()

    def moment(self) -> int:
        """Later than all before it: a value is its unit, metric and time, and a second one is none."""
        self._last_ms = max(now_ms(), self._last_ms + 1)
        return self._last_ms

    def is_born(self) -> None:
        self.say(self.node.node_birth(self.moment()))
        self.say(self.node.device_birth(DEVICE, self.moment(), level_m=0.5))

    def measures(self, level_m: float) -> None:
        self.say(self.node.data(DEVICE, self.moment(), level_m=level_m))

    def breaks_off(self) -> None:
        """The cable is cut: the broker speaks the last will."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        self._client.loop_stop()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def leaves(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def is_online(database: Database) -> bool | None:
    with database.reading() as session:
        try:
            return get_unit(session, SUMP).is_online
        except UnknownUnit:
            return None


def accepted(database: Database) -> int:
    with database.reading() as session:
        book = ledger.read_ledger(session)
    assert book.balances
    return book.accepted


def wait(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, within_s=30, what=what)


def test_the_life_of_a_node_birth_gap_death_and_rebirth(
    database: Database, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = tmp_path / "telemetry.duckdb"
    foreign = ForeignTopics(asks_for_rebirth=True)
    first = ConnectedNode(EdgeNode(bd_seq=7), mosquitto.port)
    with running_worker(database, path, mosquitto.url, is_mqtt5=True, foreign=foreign):
        first.is_born()
        first.measures(0.6)
        wait(lambda: accepted(database) == 3, "birth and data arrive")
        assert is_online(database) is True
        assert first.commands == []
        first.node.skip()
        first.measures(0.7)
        wait(lambda: len(first.commands) == 1, "the node is asked to tell its births again")
        asked = Payload.FromString(first.commands[0])
        assert [(metric.name, metric.boolean_value) for metric in asked.metrics] == [("Node Control/Rebirth", True)]
        first.is_born()
        first.measures(0.8)
        first.breaks_off()
        wait(lambda: is_online(database) is False, "its last will makes the unit unknown")
        with database.reading() as session:
            births = sparkplug_births.all_births(session)
        assert [(row.device, row.life, row.gaps) for row in births] == [("", "dead", 1), (DEVICE, "dead", 0)]
    # What is said while we are away waits in our session, and its aliases are known from before.
    second = ConnectedNode(EdgeNode(bd_seq=8), mosquitto.port)
    second.is_born()
    with running_worker(database, path, mosquitto.url, is_mqtt5=True):
        wait(lambda: is_online(database) is True, "it is born again")
    second.measures(0.9)
    with running_worker(database, path, mosquitto.url, is_mqtt5=True):
        wait(lambda: accepted(database) == 11, "data by alias are understood after a restart")
        second.say(first.node.node_death())
        second.measures(1.0)
        wait(lambda: accepted(database) == 12, "an earlier death costs the new session nothing")
        assert is_online(database) is True
    second.leaves()
    with database.reading() as session:
        book = ledger.read_ledger(session)
        assert quarantine.waiting(session) == []
    assert (book.received, book.accepted, book.duplicate, book.quarantined) == (13, 12, 1, 0)


@contextmanager
def publisher(port: int) -> Iterator[Callable[[str, bytes], None]]:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def publish(topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1).wait_for_publish(10)

    yield publish
    client.disconnect()
    client.loop_stop()


RULE = """
[[rule]]
topic = "{root}/sump-1/level"
site = "xiaohe"
kind = "pump"
unit = "sump-1"
metrics = {{ level_m = {{ path = "$", unit = "cm" }} }}
"""


def test_subscriptions_follow_the_rules_while_the_worker_runs(
    database: Database, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(RULE.format(root="old"))
    foreign = ForeignTopics(mapping_file=file)
    with (
        running_worker(database, tmp_path / "telemetry.duckdb", mosquitto.url, is_mqtt5=True, foreign=foreign),
        publisher(mosquitto.port) as publish,
    ):
        publish("old/sump-1/level", b"50")
        wait(lambda: accepted(database) == 1, "what the rule hears arrives")
        file.write_text("[[rule]")
        wait(lambda: foreign.book.fault is not None, "the broken file is noticed")
        publish("old/sump-1/level", b"51")
        wait(lambda: accepted(database) == 2, "the old rules are in force")
        file.write_text(RULE.format(root="new"))
        wait(lambda: foreign.subscriptions[-1] == "new/sump-1/level", "the new file is in force")

        def arrives() -> bool:
            publish("new/sump-1/level", str(now_ms() % 1000).encode())
            return accepted(database) > 2

        wait(arrives, "the new topic is heard")
        with database.reading() as session:
            before = ledger.read_ledger(session).received
        publish("old/sump-1/level", b"52")
        publish("new/sump-1/level", b"53")
        wait(lambda: ledger_received(database) > before, "the next message arrives")
        with database.reading() as session:
            assert quarantine.waiting(session) == [], "nobody hears the old topic any more"


def ledger_received(database: Database) -> int:
    with database.reading() as session:
        return ledger.read_ledger(session).received
