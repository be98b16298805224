"""`liandong tally`: anyone recounts a vote from its exported files."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.commands.csv_table import BadLine, TableRefused, read_table
from api.translations import Translator, msgid
from governance.ruleset import RULESETS, Matter
from governance.tally import Ballot, Channel, Choice, Count, Part, Tally, tally

ROLL_COLUMNS = ("owner", "part", "area_m2")
BALLOT_COLUMNS = ("owner", "choice", "channel")
AREA = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)

MESSAGES = (
    msgid("Taking part: %(count)s of %(base)s owners; needed: %(needed)s"),
    msgid("Taking part: %(count)s of %(base)s m²; needed: %(needed)s"),
    msgid("Consenting: %(count)s of %(base)s owners; needed: %(needed)s"),
    msgid("Consenting: %(count)s of %(base)s m²; needed: %(needed)s"),
    msgid("Too few took part: nothing is decided"),
    msgid("Not counted: %(count)s ballots of people who are not on the roll, the first of %(first)s"),
    msgid("Counted once: %(count)s owners sent the same ballot more than once, the first %(first)s"),
    msgid("Taking part without consent: %(count)s owners sent ballots that contradict each other, the first %(first)s"),
)
"""What `governance.tally` says, marked here for translation."""


def tally_files(*, ruleset: str, matter: Matter, roll: Path, ballots: Path, _: Translator) -> str:
    """The count as the JSON of the interface. Raises TableRefused with every bad row of either file."""
    counted = tally(read_roll(roll), read_ballots(ballots), ruleset=RULESETS[ruleset], matter=matter)
    return json.dumps(as_json(counted, _), ensure_ascii=False, indent=2)


def as_json(counted: Tally, _: Translator) -> dict[str, Any]:
    return {
        "ruleset": counted.ruleset,
        "matter": counted.matter.value,
        "roll": _count(counted.roll),
        "participating": _count(counted.participating),
        "consenting": _count(counted.consenting),
        "quorum_met": counted.is_quorum_met,
        "approved": counted.is_approved,
        "reasons": [_(reason.message, **reason.facts) for reason in counted.reasons],
    }


def read_roll(path: Path) -> list[Part]:
    """The parts of a roll; each once, with an owner and an area above zero of at most 6 places."""
    parts, bad = [], []
    first_line: dict[str, int] = {}
    for line, cells in read_table(path, ROLL_COLUMNS):
        owner, part, area = cells["owner"], cells["part"], cells["area_m2"]
        if not owner:
            bad.append(BadLine(line, "has no owner"))
        if not part:
            bad.append(BadLine(line, "has no part"))
        elif (stands := first_line.setdefault(part, line)) != line:
            bad.append(BadLine(line, f"part {part} stands already at line {stands}"))
        if not AREA.fullmatch(area) or not Decimal(area):
            bad.append(BadLine(line, f"area_m2 {area!r} is no area above zero like 89.53"))
        else:
            parts.append(Part(owner, part, Decimal(area)))
    if not bad and not parts:
        bad.append(BadLine(2, "there is no part"))
    if bad:
        raise TableRefused(path, bad)
    return parts


def read_ballots(path: Path) -> list[Ballot]:
    ballots, bad = [], []
    for line, cells in read_table(path, BALLOT_COLUMNS):
        owner, choice, channel = cells["owner"], cells["choice"].lower(), cells["channel"].lower()
        if not owner:
            bad.append(BadLine(line, "has no owner"))
        if choice not in set(Choice):
            bad.append(BadLine(line, f"choice {cells['choice']!r} is none of {', '.join(Choice)}"))
        if channel not in set(Channel):
            bad.append(BadLine(line, f"channel {cells['channel']!r} is none of {', '.join(Channel)}"))
        if owner and choice in set(Choice) and channel in set(Channel):
            ballots.append(Ballot(owner, Choice(choice), Channel(channel)))
    if bad:
        raise TableRefused(path, bad)
    return ballots


def _count(count: Count) -> dict[str, Any]:
    return {"owners": count.owners, "area_m2": format(count.area_m2, "f")}
