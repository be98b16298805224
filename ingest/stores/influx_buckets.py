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

    def fault(self, name: str, age_ms: int | None, *, is_version_1: bool) -> str | None:
        """What is wrong with a bucket, in a line, with what to do. Raises the client's errors."""
        age_s = 0 if age_ms is None else max(age_ms // 1000, 3600)
        if is_version_1:
            [tables] = self._ask(["SHOW DATABASES"])
            is_there = [name] in [row for table in tables for row in table.rows]
            found_s = self._default_policy(name)[1] if is_there else None
        else:
            bucket = self._bucket(name)
            found_s = None if bucket is None else _end_s(bucket)
        if found_s is None:
            return f"bucket {name} is missing: run `liandong migrate`"
        if found_s != age_s:
            return f"bucket {name} keeps values {_days(found_s)} and not {_days(age_s)}: the running ingest changes it"
        return None

    def _default_policy(self, name: str) -> tuple[str, int]:
        """The policy that values go to, and how long it keeps them: seconds, 0 for ever."""
        [tables] = self._ask([f"SHOW RETENTION POLICIES ON {quoted(name)}"])
        policies = [dict(zip(table.columns, row, strict=True)) for table in tables for row in table.rows]
        return next((str(p["name"]), _seconds(str(p["duration"]))) for p in policies if p["default"])

    def _bucket(self, name: str) -> Bucket | None:
        try:
            found: Bucket | None = self._client.buckets_api().find_bucket_by_name(name)
        except ApiException as error:
            if error.status != 404:
                raise
            return None
        # A server may answer the question for a name it does not know with one of its own buckets.
        return found if found is not None and found.name == name else None

    def _ensure_database(self, name: str, age_s: int, *, changes: bool) -> bool:
        [tables] = self._ask(["SHOW DATABASES"])
        is_new = [name] not in [row for table in tables for row in table.rows]
        if is_new:
            self._ask([f"CREATE DATABASE {quoted(name)}"])
        if is_new or changes:
            policy, found_s = self._default_policy(name)
            if found_s != age_s:
                self._ask([_altered(name, policy, age_s)])
        return is_new

    def _ensure_bucket(self, name: str, age_s: int, *, changes: bool) -> bool:
        buckets = self._client.buckets_api()
        rules = [BucketRetentionRules(type="expire", every_seconds=age_s)]
        found = self._bucket(name)
        if found is None:
            buckets.create_bucket(bucket_name=name, retention_rules=rules, org=self._org)
            return True
        if changes and _end_s(found) != age_s:
            found.retention_rules = rules
            buckets.update_bucket(bucket=found)
        return False


def _end_s(bucket: Bucket) -> int:
    return sum(rule.every_seconds or 0 for rule in bucket.retention_rules or [])


def _days(age_s: int) -> str:
    return f"{age_s / 86_400:g} days" if age_s else "for ever"


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
