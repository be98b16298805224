"""Rows of an owners' roll as they come from a file: read strictly, every fault told with its line, all or nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from governance.area import read_area_mm2

REQUIRED_COLUMNS = ("owner", "part", "area_m2")
OTHER_COLUMNS = ("building", "source", "name", "representative", "phone_end", "certificate_end", "developer")
MOST_PARTS = 100_000
LONGEST_KEY = 64
LONGEST_NAME = 100
PHONE_END = re.compile(r"([0-9]{4})?", re.ASCII)
CERTIFICATE_END = re.compile(r"([0-9]{3}[0-9X])?", re.ASCII)
YES = frozenset({"1", "yes", "true", "y", "是"})


class AreaSource(StrEnum):
    """Which document an area is from; the register comes before a survey, a survey before the contract."""

    REGISTER = "register"
    SURVEY = "survey"
    CONTRACT = "contract"


SOURCE_WORDS: Mapping[str, AreaSource] = {
    **{source.value: source for source in AreaSource},
    "": AreaSource.REGISTER,
    "登记": AreaSource.REGISTER,
    "不动产登记": AreaSource.REGISTER,
    "测绘": AreaSource.SURVEY,
    "实测": AreaSource.SURVEY,
    "合同": AreaSource.CONTRACT,
    "买卖合同": AreaSource.CONTRACT,
}


@dataclass(frozen=True, slots=True)
class RollRow:
    """One exclusive part with its owner. `name` to `is_developer` are of the owner, the same in all of their rows."""

    owner: str
    part: str
    area_mm2: int
    building: str = ""
    source: AreaSource = AreaSource.REGISTER
    name: str = ""
    representative: str = ""
    phone_end: str = ""
    certificate_end: str = ""
    is_developer: bool = False

    @property
    def of_owner(self) -> tuple[str, str, str, str, bool]:
        return self.name, self.representative, self.phone_end, self.certificate_end, self.is_developer


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a line (the header is line 1) cannot be taken: a message and the facts for its places."""

    line: int
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)


NO_OWNER = "the owner is missing"
NO_PART = "the part is missing"
PART_TWICE = "part %(part)s stands already at line %(other)s"
BAD_AREA = "the area %(area)s is no number above zero like 89.53"
BAD_SOURCE = "the source of the area is %(source)s; it may be register, survey or contract"
BAD_PHONE = "of the telephone only the last four digits are kept"
BAD_CERTIFICATE = "of the certificate only the last four signs are kept"
OTHER_FACTS = "owner %(owner)s has another name, representative or number at line %(other)s"
SECOND_DEVELOPER = "the developer is one owner, and stands as %(owner)s at line %(other)s already"
TOO_LONG = "a cell is too long"
NOTHING = "there is no part in it"
TOO_MANY = "there are more than %(most)s parts in it"


def read_roll_rows(rows: Iterable[tuple[int, Mapping[str, str]]]) -> tuple[list[RollRow], list[RowFault]]:
    """Rows that are sound, and everything that is amiss; whoever takes them takes all, and only without faults.

    `rows` are line numbers with cells by column; a column that is not required may be missing.
    """
    taken: list[RollRow] = []
    faults: list[RowFault] = []
    line_of_part: dict[str, int] = {}
    first_of_owner: dict[str, tuple[int, RollRow]] = {}
    developer: tuple[int, str] | None = None
    for line, cells in rows:
        row, found = _read(line, {name: cells.get(name, "").strip() for name in (*REQUIRED_COLUMNS, *OTHER_COLUMNS)})
        part = cells.get("part", "").strip()
        if part and (stands := line_of_part.setdefault(part, line)) != line:
            found.append(RowFault(line, PART_TWICE, {"part": part, "other": stands}))
        if row is not None:
            other, first = first_of_owner.setdefault(row.owner, (line, row))
            if first.of_owner != row.of_owner:
                found.append(RowFault(line, OTHER_FACTS, {"owner": row.owner, "other": other}))
            if row.is_developer:
                developer = developer or (line, row.owner)
                if developer[1] != row.owner:
                    found.append(RowFault(line, SECOND_DEVELOPER, {"owner": developer[1], "other": developer[0]}))
        faults += found
        if row is not None and not found:
            taken.append(row)
    if not taken and not faults:
        faults.append(RowFault(2, NOTHING))
    if len(taken) > MOST_PARTS:
        faults.append(RowFault(MOST_PARTS + 2, TOO_MANY, {"most": MOST_PARTS}))
    return taken, faults


def _read(line: int, cells: Mapping[str, str]) -> tuple[RollRow | None, list[RowFault]]:
    """The row, if it can be one at all, and what is amiss in it alone."""
    faults = []
    if not cells["owner"]:
        faults.append(RowFault(line, NO_OWNER))
    if not cells["part"]:
        faults.append(RowFault(line, NO_PART))
    area_mm2 = read_area_mm2(cells["area_m2"])
    if area_mm2 is None:
        faults.append(RowFault(line, BAD_AREA, {"area": cells["area_m2"][:40] or "–"}))
    source = SOURCE_WORDS.get(cells["source"].lower())
    if source is None:
        faults.append(RowFault(line, BAD_SOURCE, {"source": cells["source"][:40]}))
    if not PHONE_END.fullmatch(cells["phone_end"]):
        faults.append(RowFault(line, BAD_PHONE))
    certificate_end = cells["certificate_end"].upper()
    if not CERTIFICATE_END.fullmatch(certificate_end):
        faults.append(RowFault(line, BAD_CERTIFICATE))
    keys, names = ("owner", "part", "building"), ("name", "representative")
    if any(len(cells[k]) > LONGEST_KEY for k in keys) or any(len(cells[n]) > LONGEST_NAME for n in names):
        faults.append(RowFault(line, TOO_LONG))
    if faults or area_mm2 is None or source is None:
        return None, faults
    return (
        RollRow(
            owner=cells["owner"],
            part=cells["part"],
            area_mm2=area_mm2,
            building=cells["building"],
            source=source,
            name=cells["name"],
            representative=cells["representative"],
            phone_end=cells["phone_end"],
            certificate_end=certificate_end,
            is_developer=cells["developer"].lower() in YES,
        ),
        [],
    )
