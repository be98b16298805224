"""Buckets with an end: of InfluxDB 2 through its management API, of InfluxDB 1 as databases with a retention policy."""

from collections.abc import Callable
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket import Bucket
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException

from ingest.stores.influx_names import quoted


class InfluxBuckets:
    """`ask` answers InfluxQL statements with tables of `columns` and `rows`."""

    def __init__(self, client: InfluxDBClient, *, org: str, ask: Callable[[list[str]], list[list[Any]]]) -> None:
        self._client = client
        self._org = org
        self._ask = ask

    def ensure(self, name: str, age_ms: int | None, *, is_version_1: bool, changes: bool) -> bool:
        """Whether the bucket was missing and is created; `changes` lets the end of one that is there be changed.

        Raises the client's errors.
        """
        age_s = 0 if age_ms is None else max(age_ms // 1000, 3600)
        return (self._ensure_database if is_version_1 else self._ensure_bucket)(name, age_s, changes=changes)

    def _ensure_database(self, name: str, age_s: int, *, changes: bool) -> bool:
        [tables] = self._ask(["SHOW DATABASES"])
        is_new = [name] not in [row for table in tables for row in table.rows]
        if is_new:
            self._ask([f"CREATE DATABASE {quoted(name)}"])
        if is_new or changes:
            [tables] = self._ask([f"SHOW RETENTION POLICIES ON {quoted(name)}"])
            for table in tables:
                for row in table.rows:
                    policy = dict(zip(table.columns, row, strict=True))
                    if policy["default"] and _seconds(policy["duration"]) != age_s:
                        self._ask([_altered(name, str(policy["name"]), age_s)])
        return is_new

    def _ensure_bucket(self, name: str, age_s: int, *, changes: bool) -> bool:
        buckets = self._client.buckets_api()
        rules = [BucketRetentionRules(type="expire", every_seconds=age_s)]
        try:
            found: Bucket | None = buckets.find_bucket_by_name(name)
        except ApiException as error:
            if error.status != 404:
                raise
            found = None
        # A server may answer the question for a name it does not know with one of its own buckets.
        if found is None or found.name != name:
            buckets.create_bucket(bucket_name=name, retention_rules=rules, org=self._org)
            return True
        if changes and sum(rule.every_seconds or 0 for rule in found.retention_rules or []) != age_s:
            found.retention_rules = rules
            buckets.update_bucket(bucket=found)
        return False


def _altered(database: str, policy: str, age_s: int) -> str:
    """With the shards that InfluxDB itself would choose; it refuses an end that is sooner than a shard's."""
    shard = "7d" if not age_s or age_s > 180 * 86_400 else "1d" if age_s >= 2 * 86_400 else "1h"
    duration = f"{age_s}s" if age_s else "INF"
    return f"ALTER RETENTION POLICY {quoted(policy)} ON {quoted(database)} DURATION {duration} SHARD DURATION {shard}"


def _seconds(duration: str) -> int:
    """InfluxDB 1 tells durations as `2160h0m0s`, and 0s for no end.

    >>> _seconds("2160h0m0s"), _seconds("0s")
    (7776000, 0)
    """
    total, number = 0, ""
    for character in duration:
        if character.isdigit():
            number += character
        else:
            total += int(number or 0) * {"h": 3600, "m": 60, "s": 1}[character]
            number = ""
    return total
