"""What is committed installs everywhere the same, and knows neither a machine nor a registry."""

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>\d[\w.!+]*)")

# In pieces, because this file is committed too.
NOT_FOR_STRANGERS = re.compile(
    "|".join(
        [
            r"index" r"-url",
            r"find" r"-links",
            r'"resolved"\s*:\s*"http',
            r"registry\s*=\s*[\"']?http",
            r"(?<![\w./])/wo" r"rk/",
            r"/tmp/" r"lab\b",
            r"(?<![\w./])/ro" r"ot/\w",
        ]
    ),
    re.IGNORECASE,
)


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [PIN.fullmatch(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(match["name"]): match["version"] for match in found if match}


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *extras["test"], *extras["check"]]
    return [Requirement(line) for line in lines]


def installed_versions() -> dict[str, str]:
    """Version of every declared distribution and of everything that these ask for, here."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, extra) for requirement in declared() for extra in ("", *requirement.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = metadata.distribution(name)
        versions[name] = distribution.version
        for line in distribution.requires or []:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(wanted, each) for each in ("", *wanted.extras)]
    return versions


def committed_files() -> list[Path]:
    # Whoever checked the tree out need not be the user who runs the tests.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs git and its repository to know what is committed: {error}")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_everything_that_is_installed_is_pinned() -> None:
    pinned = pins()
    assert {name: version for name, version in installed_versions().items() if pinned.get(name) != version} == {}


def test_constraints_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("# ") and not PIN.fullmatch(line)] == []
    assert not [line for line in lines if "://" in line]


def test_no_name_is_pinned_twice() -> None:
    names = [line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    assert len({canonicalize_name(name) for name in names}) == len(names)


def test_nothing_committed_knows_a_machine_or_a_registry() -> None:
    told = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for number, line in enumerate(text.splitlines(), start=1):
            if NOT_FOR_STRANGERS.search(line):
                told.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert told == []


def test_no_data_is_committed() -> None:
    """Recorded data belongs to those who recorded it; a megabyte is more than any source of ours."""
    assert [str(path.relative_to(ROOT)) for path in committed_files() if path.stat().st_size > 1_000_000] == []
