"""How the suite itself behaves: what cannot run is told, and fails where CI is set."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.network_guard import LeftThisMachine
from tests.servers.child import Child, NotStarted, answers, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest

def test_needs_something():
    pytest.skip("the thing is not installed")

def test_needs_nothing():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


def run_suite(directory: Path, *, ci: str | None) -> subprocess.CompletedProcess[str]:
    (directory / "test_suite.py").write_text(SUITE)
    env = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    env |= {"PYTHONPATH": str(ROOT)} | ({} if ci is None else {"CI": ci})
    command = [sys.executable, "-m", "pytest", "-p", "tests.left_out", "-p", "no:cacheprovider", "--rootdir=."]
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)


def test_a_left_out_test_is_told_with_its_reason(tmp_path: Path) -> None:
    ended = run_suite(tmp_path, ci=None)
    assert ended.returncode == 0, ended.stdout
    assert "1 left out: the thing is not installed" in ended.stdout


def test_a_left_out_test_fails_where_ci_is_set(tmp_path: Path) -> None:
    ended = run_suite(tmp_path, ci="true")
    assert ended.returncode == 1, ended.stdout
    assert "left out, which counts as failed where CI is set: the thing is not installed" in ended.stdout
    assert "1 failed, 1 passed, 1 xfailed" in ended.stdout


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.01 s in vain until pigs fly; the last answer was 0"):
        wait_until(lambda: 0, within_s=0.01, what="pigs fly")


def test_no_test_talks_to_another_machine() -> None:
    with socket.socket() as out, pytest.raises(LeftThisMachine):
        out.connect(("192.0.2.1", 80))


def test_a_server_that_ends_at_once_is_told_with_its_words(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo no such luck; exit 3"], log=tmp_path / "log")
    with pytest.raises(NotStarted, match=r"ended with 3:\nno such luck"):
        child.wait_until_serving(lambda: False)


def test_a_server_dies_with_the_tests_that_started_it(tmp_path: Path) -> None:
    """Also when these are killed and can clean up nothing."""
    port = free_port()
    program = f"""
from pathlib import Path
from tests.servers.child import Child, answers
child = Child(["{sys.executable}", "-m", "http.server", "--bind", "127.0.0.1", "{port}"], log=Path("log"))
child.wait_until_serving(lambda: answers({port}))
print("serving", flush=True)
input()
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "serving\n"
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not answers(port), within_s=10, what="the orphan is gone")
