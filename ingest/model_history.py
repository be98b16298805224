"""From the store to a unit's model and back: which time is fit to learn from, and which model a restart takes up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from alerts.alarm import list_alarms
from alerts.false_alarm import FalseCause, marks_of
from alerts.ticket_list import list_tickets
from alerts.watch import AnomalyBank
from ingest.recollection import FAR_FUTURE_MS
from ingest.stores.contract import TelemetryStore
from models.detectors.artefact import ArtefactRefused, FittedModel, unpack
from models.detectors.contract import StateMismatch
from models.detectors.training import DAY_MS, Stretch, judged_rows, usable
from models.equipment import Kind
from models.reading import ReadingBlock, UnitKey
from registry.model_version import ModelVersion, versions_in_use
from registry.unit import Unit

LEARNING_KINDS = frozenset(Kind)
"""Kinds of which versions are fitted."""
MOST_ROWS = 150_000
"""Fourteen days at a row every ten seconds, and some more."""
ALARMS_CONSIDERED = 10_000
BUDGET_SETTING = "alarm_budget_per_unit_month"
"""Among the settings of a version: with a roll-back its budget comes back too."""
MOST_TICKET_DAYS = 14
"""A ticket leaves out its first days at most: left open for long it says nothing of the unit any more. An alarm that
still stands is left out in any case."""
FALL_BACKS = 2
"""Models of a unit that are tried at a start."""
UNIT_WAS_NORMAL = frozenset({FalseCause.MODEL, FalseCause.LIMIT})
"""False alarms of these causes are examples of normal: leaving them out would raise the same alarm again."""
BEFORE_MS = 600_000
"""What led to an alarm is not normal either: ten minutes before its stretch began are left out with it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Learnable:
    """A unit's rows that are fit to learn from; `left_out_rows` lay in one of the stretches `left_out`."""

    judged: ReadingBlock
    left_out: tuple[Stretch, ...]
    left_out_rows: int


def learnable(session: Session, store: TelemetryStore, unit: Unit, *, days: float) -> Learnable:
    """The last `days` before the unit's newest reading, without alarms and tickets. Raises StoreUnavailable."""
    history = store.history(unit.unit_key, end_ms=FAR_FUTURE_MS, rows=MOST_ROWS)
    if len(history):
        history = history.rows(history.ts_ms > int(history.ts_ms[-1]) - int(days * DAY_MS))
    stretches = tuple(known_bad(session, unit.id))
    kept = usable(history.ts_ms, stretches)
    return Learnable(judged_rows(history.rows(kept)), stretches, int((~kept).sum()))


def since_fit(store: TelemetryStore, model: FittedModel, unit: UnitKey, *, days: float) -> ReadingBlock:
    """The rows of the last `days` that came after those the model was fitted on. Raises StoreUnavailable."""
    history = store.history(unit, end_ms=FAR_FUTURE_MS, rows=MOST_ROWS)
    if len(history):
        since_ms = max(model.last_ms, int(history.ts_ms[-1]) - int(days * DAY_MS))
        history = history.rows(history.ts_ms > since_ms)
    return judged_rows(history)


def known_bad(session: Session, unit_id: int) -> Iterable[Stretch]:
    """Alarm stretches and the time of tickets, but of those where people found that the unit was as it should be."""
    alarms = list_alarms(session, unit_id=unit_id, limit=ALARMS_CONSIDERED)
    marks = marks_of(session, [alarm.id for alarm in alarms])
    normal = {alarm_id for alarm_id, mark in marks.items() if FalseCause(mark.cause) in UNIT_WAS_NORMAL}
    for alarm in alarms:
        if alarm.id in normal:
            continue
        since_ms = alarm.evidence.get("since_ms")
        began_ms = min(alarm.raised_ms, since_ms) if isinstance(since_ms, int) else alarm.raised_ms
        ended_ms = FAR_FUTURE_MS if alarm.is_active or alarm.cleared_ms is None else alarm.cleared_ms
        yield Stretch(began_ms - BEFORE_MS, ended_ms, f"alarm {alarm.condition}")
    for ticket in list_tickets(session, unit_id=unit_id, limit=ALARMS_CONSIDERED):
        of_ticket = {alarm.id for alarm in alarms if alarm.ticket_id == ticket.id}
        if of_ticket and of_ticket <= normal:
            continue
        most_ms = ticket.opened_ms + MOST_TICKET_DAYS * DAY_MS
        ended_ms = FAR_FUTURE_MS if ticket.closed_ms is None else ticket.closed_ms
        reason = f"ticket {ticket.id}" + (f", its first {MOST_TICKET_DAYS} days" if ended_ms > most_ms else "")
        yield Stretch(ticket.opened_ms, min(ended_ms, most_ms), reason)


def take_up(
    session: Session,
    banks: Mapping[Kind, AnomalyBank],
    ids: Mapping[UnitKey, int],
    *,
    alarm_since_ms: Mapping[UnitKey, int],
) -> dict[UnitKey, int]:
    """Gives each bank the models in force, and says up to when each unit's rows are past for it.

    A model that is damaged or suits no detector here is told in the log, and the one before it is tried. A unit of
    which none can be used is not in the result: it learns from its recent history. What came since a standing anomaly
    began is not past: it is to be judged again.
    """
    known_to_ms: dict[UnitKey, int] = {}
    in_use = versions_in_use(session)
    for unit, unit_id in ids.items():
        bank = banks.get(unit.kind)
        if bank is None:
            continue
        for version_id in in_use.get(unit_id, [])[:FALL_BACKS]:
            before_ms = alarm_since_ms.get(unit, FAR_FUTURE_MS)
            after_ms = load_version(session, bank, unit, version_id, before_ms=before_ms)
            if after_ms is not None:
                known_to_ms[unit] = after_ms
                break
    return known_to_ms


def budget_of(version: ModelVersion) -> float | None:
    """The alarm budget that a version was made under; None of versions that do not tell one."""
    told = version.settings.get(BUDGET_SETTING)
    return float(told) if isinstance(told, int | float) and told > 0 else None


def load_version(
    session: Session, bank: AnomalyBank, unit: UnitKey, version_id: int, *, before_ms: int = FAR_FUTURE_MS
) -> int | None:
    """Gives the bank a kept model, and says up to when the unit's rows are past for it; None, and a log line, if it
    cannot be used. Rows from `before_ms` on are to be judged in any case."""
    version = session.get_one(ModelVersion, version_id)
    try:
        model = unpack(version.artefact)
        after_ms = min(model.last_ms, before_ms - 1)
        bank.load(unit, model, after_ms=after_ms, budget_per_month=budget_of(version))
    except (ArtefactRefused, StateMismatch) as error:
        log.warning("a model cannot be used", unit=unit.path, version=version.number, reason=error.reason)
        return None
    return after_ms
