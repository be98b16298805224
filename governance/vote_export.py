"""A vote in files: the roll and the ballots as anybody can recount them, and the chain that proves them."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from governance.area import area_m2, read_area_mm2
from governance.ballot import Ballot, BallotChoice
from governance.ruleset import RULESETS, Matter
from governance.tally import Ballot as CountedBallot
from governance.tally import Channel, Choice, Part, Tally, tally
from governance.vote import Vote, frozen_parts, genesis_of, roll_digest, ruleset_of
from governance.vote_proof import CHANGED_ROLL, CHANGED_TERMS, ChainEnd, VoteFault, walk_chain
from governance.vote_result import counted_ballots

FORMAT = "liandong-vote-1"
_OF_ROW = ("seq", "owner", "channel", "is_proxy", "replaces", "received_ms", "at_ms")
_OF_CHAIN = (*_OF_ROW, "commitment", "previous_hash", "hash")
CHAIN_CELLS = (*_OF_CHAIN, "choice", "receipt")
ROLL_COLUMNS = ("owner", "part", "area_m2")
BALLOT_COLUMNS = ("owner", "choice", "channel")


class NotAnExport(Exception):
    """A file is no export of a vote; `reason` completes "it …"."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"it {reason}")
        self.reason = reason


def roll_csv(session: Session, vote: Vote) -> str:
    parts = frozen_parts(session, vote)
    return _csv(ROLL_COLUMNS, ((part.owner, part.part, format(part.area_m2, "f")) for part in parts))


def ballots_csv(session: Session, vote: Vote) -> str:
    """The ballots that count; one that its owner replaced is in the chain only."""
    ballots = counted_ballots(session, vote)
    return _csv(BALLOT_COLUMNS, ((each.owner, each.choice.value, each.channel.value) for each in ballots))


def chain_document(session: Session, vote: Vote) -> dict[str, Any]:
    """Everything that proves a vote, as JSON values. Receipts are in it: they open the commitments."""
    columns = [getattr(Ballot, name) for name in _OF_CHAIN] + [BallotChoice.choice, BallotChoice.receipt]
    query = select(*columns).join(BallotChoice, BallotChoice.ballot_id == Ballot.id)
    query = query.where(Ballot.vote_id == vote.id).order_by(Ballot.seq)
    return {
        "format": FORMAT,
        "terms": vote.terms,
        "genesis": vote.genesis,
        "head": {"seq": vote.last_seq, "hash": vote.last_hash},
        "roll": [[part.owner, part.part, format(part.area_m2, "f")] for part in frozen_parts(session, vote)],
        "cells": list(CHAIN_CELLS),
        "ballots": [list(row) for row in session.execute(query)],
    }


def _csv(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class ReadExport:
    """An export that could be read; `faults` are what it cannot prove."""

    terms: Mapping[str, Any]
    head: ChainEnd
    roll: tuple[Part, ...]
    ballots: tuple[CountedBallot, ...]
    faults: tuple[VoteFault, ...]

    def differences(self, tables: Mapping[str, str]) -> Iterator[str]:
        """What roll and ballots, as files by their names, say otherwise than the chain; the order of lines is free."""
        roll = ((part.owner, part.part, format(part.area_m2, "f")) for part in self.roll)
        ballots = ((each.owner, each.choice.value, each.channel.value) for each in self.ballots)
        for name, true in (("roll.csv", _csv(ROLL_COLUMNS, roll)), ("ballots.csv", _csv(BALLOT_COLUMNS, ballots))):
            told, proven = Counter(tables.get(name, "").removeprefix("\ufeff").splitlines()), Counter(true.splitlines())
            yield from (f"{name} lacks {line!r}" for line in (proven - told).elements())
            yield from (f"{name} says {line!r}, which is not in the chain" for line in (told - proven).elements())

    def recount(self) -> Tally:
        return tally(self.roll, self.ballots, ruleset=ruleset_of(dict(self.terms)), matter=Matter(self.terms["matter"]))


def read_export(document: Any) -> ReadExport:
    """Walks an exported chain on its own, without the database it came from. Raises NotAnExport."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotAnExport(f"does not say that it is a {FORMAT}")
    try:
        terms, genesis, head = dict(document["terms"]), str(document["genesis"]), document["head"]
        areas = [(str(owner), str(part), read_area_mm2(area) or 0) for owner, part, area in document["roll"]]
        rows = [dict(zip(document["cells"], cells, strict=True)) for cells in document["ballots"]]
        missing = {name for row in rows for name in CHAIN_CELLS if name not in row}
        said = ChainEnd(int(head["seq"]), str(head["hash"]))
        if missing or terms["ruleset"] not in RULESETS:
            raise NotAnExport("lacks what proves it")
        faults = list(_faults(terms, genesis, said, areas, rows))
        counted = {
            row["owner"]: CountedBallot(row["owner"], Choice(row["choice"]), Channel(row["channel"])) for row in rows
        }
        ballots = tuple(counted[owner] for owner in sorted(counted))
        roll = tuple(Part(owner, part, area_m2(area)) for owner, part, area in areas)
        ruleset_of(terms)
    except (KeyError, TypeError, ValueError) as error:
        raise NotAnExport("is damaged: what stands in it has not the shape of an export") from error
    return ReadExport(terms, said, roll, ballots, tuple(faults))


def _faults(
    terms: dict[str, Any],
    genesis: str,
    said: ChainEnd,
    areas: list[tuple[str, str, int]],
    rows: list[dict[str, Any]],
) -> Iterator[VoteFault]:
    if genesis_of(terms) != genesis:
        yield VoteFault(0, CHANGED_TERMS)
    if roll_digest(areas) != terms.get("roll") or not all(area for *_, area in areas):
        yield VoteFault(0, CHANGED_ROLL)
    owners = frozenset(owner for owner, *_ in areas)
    opened = ((row, {"choice": row["choice"], "receipt": row["receipt"]}) for row in rows)
    for found in walk_chain(opened, genesis=genesis, owners=owners):
        if isinstance(found, VoteFault):
            yield found
        elif found != said:
            yield VoteFault(
                found.seq + 1, "the end of the chain does not match its head: ballots at the end are missing"
            )
    for row in rows:
        if not terms["opens_ms"] <= row["received_ms"] < terms["closes_ms"]:
            yield VoteFault(row["seq"], "was received outside the time of the vote")
