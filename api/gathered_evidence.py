"""Evidence that was gathered lately: who reads a draft's pack again waits a moment instead of a second or more.

A pack that is about to be frozen is never taken from here.
"""

import threading
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session

from governance.evidence import gather_evidence
from governance.proposal import Proposal
from registry import activity
from registry.unit import units_as_described

KEPT_MS = 10 * 60_000
"""Exposure grows with time though nothing happens; the pack says when it was gathered."""
MOST_PACKS = 16
BALLOT_VERB = "vote.ballot"


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    units: int
    activity_id: int
    at_ms: int
    content: dict[str, Any]


class GatheredEvidence:
    """Packs in the memory of one process.

    Whatever a pack is made of is in the activity log when it changes, but for what is written of units; so one is as
    good as new as long as nothing but ballots was logged of its site and its units are described as they were.
    """

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._lock = threading.Lock()

    def content(self, session: Session, proposal: Proposal, *, now_ms: int) -> dict[str, Any]:
        """The pack as it would be frozen now, or would have been a moment ago. Nobody may change it."""
        units = units_as_described(session, proposal.site_id)
        kept = self._kept.get(proposal.id)
        if (
            kept is not None
            and (kept.version, kept.units) == (proposal.version, units)
            and 0 <= now_ms - kept.at_ms < KEPT_MS
            and not activity.has_happened(session, proposal.site.key, after_id=kept.activity_id, but=BALLOT_VERB)
        ):
            return kept.content
        content = gather_evidence(session, proposal, now_ms=now_ms)
        made = _Kept(proposal.version, units, activity.last_id(session), now_ms, content)
        with self._lock:
            self._kept.pop(proposal.id, None)
            while len(self._kept) >= MOST_PACKS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[proposal.id] = made
        return made.content


def evidence_of(request: Request, session: Session, proposal: Proposal, *, now_ms: int) -> dict[str, Any]:
    gathered = request.app.state.gathered_evidence
    assert isinstance(gathered, GatheredEvidence)
    return gathered.content(session, proposal, now_ms=now_ms)
