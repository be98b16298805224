"""An edge node of Sparkplug B, as far as its payloads go: births, data, deaths and the sequence number."""

from typing import Any

from ingest.sparkplug_schema import Payload

BOOLEAN, DOUBLE, INT32, INT64, UINT64, STRING = 11, 10, 3, 4, 8, 12
PLACES = {BOOLEAN: "boolean_value", DOUBLE: "double_value", INT64: "long_value", UINT64: "long_value"}
ALIASES: dict[str, tuple[int, int]] = {
    "level_m": (1, DOUBLE),
    "Sump/pump1_running": (2, BOOLEAN),
    "starts_total": (3, INT64),
    "flow_m3_h": (4, INT32),
    "maker": (5, STRING),
    "event/trip": (6, BOOLEAN),
}


class EdgeNode:
    """`group/edge` with devices that all bear the metrics of ALIASES. Times are epoch milliseconds."""

    def __init__(self, *, group: str = "xiaohe", edge: str = "cabinet-1", bd_seq: int = 0) -> None:
        self.group, self.edge, self.bd_seq = group, edge, bd_seq
        self.seq = 0

    def topic(self, verb: str, device: str = "") -> str:
        return f"spBv1.0/{self.group}/{verb}/{self.edge}" + (f"/{device}" if device else "")

    def node_birth(self, ts_ms: int) -> tuple[str, bytes]:
        self.seq = 0
        payload = Payload(timestamp=ts_ms, seq=0)
        payload.metrics.add(name="bdSeq", timestamp=ts_ms, datatype=INT64, long_value=self.bd_seq)
        payload.metrics.add(name="Node Control/Rebirth", timestamp=ts_ms, datatype=BOOLEAN, boolean_value=False)
        return self.topic("NBIRTH"), payload.SerializeToString()

    def node_death(self) -> tuple[str, bytes]:
        """As it is left with the broker when the session begins."""
        payload = Payload(timestamp=1_500_000_000_000)
        payload.metrics.add(name="bdSeq", datatype=INT64, long_value=self.bd_seq)
        return self.topic("NDEATH"), payload.SerializeToString()

    def device_birth(self, device: str, ts_ms: int, **values: Any) -> tuple[str, bytes]:
        payload = self._next(ts_ms)
        for name, (alias, datatype) in ALIASES.items():
            metric = payload.metrics.add(name=name, alias=alias, timestamp=ts_ms, datatype=datatype)
            self._fill(metric, datatype, values.get(name.rpartition("/")[2]))
        return self.topic("DBIRTH", device), payload.SerializeToString()

    def data(self, device: str, ts_ms: int, **values: Any) -> tuple[str, bytes]:
        """By alias alone, as nodes send it."""
        payload = self._next(ts_ms)
        for name, value in values.items():
            alias, datatype = next(found for full, found in ALIASES.items() if full.endswith(name))
            self._fill(payload.metrics.add(alias=alias, timestamp=ts_ms), datatype, value)
        return self.topic("DDATA", device), payload.SerializeToString()

    def device_death(self, device: str, ts_ms: int) -> tuple[str, bytes]:
        return self.topic("DDEATH", device), self._next(ts_ms).SerializeToString()

    def skip(self) -> None:
        """A message that never arrives."""
        self.seq = (self.seq + 1) % 256

    def _next(self, ts_ms: int) -> Any:
        self.skip()
        return Payload(timestamp=ts_ms, seq=self.seq)

    @staticmethod
    def _fill(metric: Any, datatype: int, value: Any) -> None:
        if value is None:
            metric.is_null = True
        elif datatype == INT64:
            metric.long_value = value % (1 << 64)
        elif datatype == INT32:
            metric.int_value = value % (1 << 32)
        elif datatype == STRING:
            metric.string_value = value
        else:
            setattr(metric, PLACES[datatype], value)
