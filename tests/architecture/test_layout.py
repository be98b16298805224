"""The house keeps its walls: who may import whom, what a folder says of itself, how long a module may be."""

import ast
import doctest
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("alerts", "api", "governance", "ingest", "models", "registry", "simulators")
CORE = ("alerts", "governance", "models", "registry")
LONGEST_MODULE_LINES = 450
LONGEST_TEST_LINES = 700

CLOCK = re.compile(
    r"datetime\.(datetime|date)\.(now|utcnow|today)|time\.(time|monotonic|perf_counter|process_time)(_ns)?"
)
SHARED_CHANCE = re.compile(r"numpy\.random\.[a-z_]+|random\.[a-z_]+")
CHANCE_OF_ONES_OWN = frozenset({"numpy.random.default_rng"})


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def used_names(source: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of whatever a module uses of what it imports."""
    tree = ast.parse(source)
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                imported |= {alias.asname: alias.name} if alias.asname else {first: first}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        words: list[str] = []
        target = node
        while isinstance(target, ast.Attribute):
            words.insert(0, target.attr)
            target = target.value
        if isinstance(target, ast.Name) and target.id in imported:
            yield target.lineno, ".".join([imported[target.id], *words])


def uses(pattern: re.Pattern[str], *folders: str) -> list[str]:
    return [
        f"{named(path)}:{line} uses {name}"
        for path in modules(*folders)
        for line, name in used_names(path.read_text(encoding="utf-8"))
        if pattern.fullmatch(name) and name not in CHANCE_OF_ONES_OWN
    ]


def test_imports_point_downward() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


def test_no_module_bears_the_name_of_another_folder() -> None:
    assert [named(path) for path in modules(*FOLDERS) if path.stem in FOLDERS or path.stem == "tests"] == []


def test_no_module_is_too_long_to_be_one_thought() -> None:
    assert longer_than(LONGEST_MODULE_LINES, *FOLDERS) == {}


def test_migrations_stand_in_one_line_by_their_numbers() -> None:
    steps = []
    for path in sorted((ROOT / "registry" / "migrations" / "versions").glob("*.py")):
        told = dict(
            re.findall(r'^(revision|down_revision) = "?(\w+)"?$', path.read_text(encoding="utf-8"), re.MULTILINE)
        )
        steps.append((path.name[:4], told["revision"], told["down_revision"]))
    numbers = [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert steps == [(n, n, before) for n, before in zip(numbers, ["None", *numbers], strict=False)]


def test_no_test_module_is_too_long_to_find_a_claim_in() -> None:
    assert longer_than(LONGEST_TEST_LINES, "tests") == {}


def longer_than(limit: int, *folders: str) -> dict[str, int]:
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*folders)}
    return {path: lines for path, lines in lengths.items() if lines > limit}


def test_time_comes_into_the_core_as_an_argument() -> None:
    assert uses(CLOCK, *CORE) == []


def test_chance_comes_in_as_an_argument() -> None:
    assert uses(SHARED_CHANCE, *FOLDERS) == []


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        ("from datetime import datetime\nx = datetime.now()", CLOCK),
        ("import datetime as dt\nclock = dt.datetime.utcnow", CLOCK),
        ("from datetime import date\ndate.today()", CLOCK),
        ("import time\ntime.time_ns()", CLOCK),
        ("from time import time as now\nf(now)", CLOCK),
        ("import numpy as np\nnp.random.normal()", SHARED_CHANCE),
        ("from numpy import random\nrandom.seed(1)", SHARED_CHANCE),
        ("import numpy.random\nnumpy.random.rand()", SHARED_CHANCE),
        ("import random\nrandom.random()", SHARED_CHANCE),
    ],
)
def test_a_clock_and_shared_chance_are_seen_under_any_name(source: str, pattern: re.Pattern[str]) -> None:
    assert any(pattern.fullmatch(name) for _, name in used_names(source))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_says_what_belongs_in_it_and_what_may_not(folder: str) -> None:
    charter = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8")))
    assert charter is not None
    assert re.search(r"Here\s+belongs?\s", charter)
    assert re.search(r"Here\s+may\s+not\s+be", charter)


def test_every_folder_is_packed_linted_and_typed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(FOLDERS)
    assert set(settings["hatch"]["build"]["targets"]["wheel"]["packages"]) == found
    assert set(settings["importlinter"]["root_packages"]) == found
    assert set(settings["mypy"]["packages"]) >= found


def test_every_folder_with_modules_is_a_package() -> None:
    without = {path.parent for path in modules(*FOLDERS)} - {
        path.parent for path in modules(*FOLDERS) if path.name == "__init__.py"
    }
    # Alembic loads its versions by their files.
    assert {named(folder) for folder in without} <= {"registry/migrations/versions"}


WITH_EXAMPLES = [
    path for path in modules(*FOLDERS, "tests") if re.search(r"^\s+>>> ", path.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=named)
def test_examples_in_docstrings_run(path: Path) -> None:
    results = doctest.testmod(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)))
    assert results.attempted > 0
    assert results.failed == 0
