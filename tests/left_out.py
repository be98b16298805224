"""Tests that cannot run here are left out and named with their reason; where CI is set, leaving out is failing."""

import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

PACKAGE_OF = {
    "chromium": "chromium",
    "influxd": "influxdb",
    "initdb": "postgresql",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "pg_dump": "postgresql",
    "pg_restore": "postgresql",
}
"""Debian's package for each program that the kit starts; `.ci/debian-packages` installs them."""

MORE_PLACES = (Path("/usr/sbin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
"""Where Debian puts programs that are not on everybody's PATH, newest PostgreSQL first."""

HAS_FAILED = pytest.StashKey[bool]()
"""Set on a test's node once one of its phases has failed."""


def program(name: str) -> Path:
    """Where a program is; leaves the test out when it is not installed."""
    for place in MORE_PLACES:
        if os.access(place / name, os.X_OK):
            return place / name
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {PACKAGE_OF[name]})")
    return Path(found)


def leaving_out_is_failing() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _make_strict(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and leaving_out_is_failing():
        report.outcome = "failed"
        report.longrepr = f"left out, which counts as failed where CI is set: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _make_strict(report)
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _make_strict(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for report in terminalreporter.stats.get("skipped", []) if not hasattr(report, "wasxfail")]
    if reports:
        terminalreporter.section("left out")
        for reason, count in Counter(map(_reason, reports)).most_common():
            terminalreporter.line(f"{count} left out: {reason}")
