"""Which condition explains which: the table of causes, and how the cause of an alarm is found.

Pure: it is given what is known of a site and answers for one alarm. `alerts.explaining` keeps the answers. What may
cost a life is never explained away: no critical condition, none that may not be shelved, no fire panel that is not
heard, no water.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.equipment import Kind

Key = tuple[Kind, str]
"""A condition of a kind of unit."""

HOLD_MS = 3_000
"""An alarm that may have a cause waits so long for it before it calls anybody: an effect may be heard before it."""
PERSISTS_MS = 600_000
"""What still holds so long after its cause has gone is a matter of its own."""
AFTERGLOW_MS = 60_000
"""A cause that went so shortly before is still one: a lift trips when the mains come back, too."""


class Scope(StrEnum):
    UNIT = "unit"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    An effect began at most `before_s` earlier than its cause and at most `within_s` later, None for as long as the
    cause holds. With `least_units` the cause must hold at so many units of the site: the first of them stands for all.
    """

    name: str
    scope: Scope
    causes: frozenset[Key]
    effects: frozenset[Key]
    before_s: float
    within_s: float | None
    least_units: int = 1


def _of(kind: Kind, *codes: str) -> frozenset[Key]:
    return frozenset((kind, code) for code in codes)


POWER_CUT = "power_cut"
LEAST_UNITS = 3
"""So many units of a site without mains within minutes are a power cut."""
_MAINS = _of(Kind.ELEVATOR, "event.41") | _of(Kind.FIRE, "mains_lost", "power_fault") | _of(Kind.PUMP, "phase_loss")
_LIFT_STOPS = _of(
    Kind.ELEVATOR,
    *("fault.01", "fault.02", "fault.03", "fault.04", "fault.06", "fault.07", "fault.08", "event.42", "event.46"),
)
_PUMP_STOPS = _of(Kind.PUMP, "trip", "no_current")
# A fire panel that is not heard is a fire alarm that nobody sees, whatever the reason: it is not in this table.
_UNHEARD = _of(Kind.ELEVATOR, "offline", "silent") | _of(Kind.PUMP, "offline", "silent")

RULES: tuple[Rule, ...] = (
    Rule(POWER_CUT, Scope.SITE, _MAINS, _MAINS | _LIFT_STOPS | _PUMP_STOPS, 60, 300, LEAST_UNITS),
    Rule("power_cut_unheard", Scope.SITE, _MAINS, _UNHEARD, 0, None, LEAST_UNITS),
    Rule(
        "lift_without_mains",
        Scope.UNIT,
        _of(Kind.ELEVATOR, "event.41"),
        _LIFT_STOPS | _of(Kind.ELEVATOR, "offline", "silent"),
        60,
        None,
    ),
    Rule("pump_without_phase", Scope.UNIT, _of(Kind.PUMP, "phase_loss"), _PUMP_STOPS, 60, None),
    Rule("stopped_by_earthquake", Scope.UNIT, _of(Kind.ELEVATOR, "event.47"), _LIFT_STOPS, 60, None),
    *(
        Rule("said_goodbye", Scope.UNIT, _of(kind, "offline"), _of(kind, "silent"), 60, None)
        for kind in (Kind.ELEVATOR, Kind.PUMP, Kind.FIRE)
    ),
)
"""The first rule that fits counts."""

EFFECTS = frozenset(key for rule in RULES for key in rule.effects)
CAUSES = frozenset(key for rule in RULES for key in rule.causes)


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of an alarm, its last occurrence: `root_id` is the alarm that explains it, its own id for none.

    `is_settled` is whether it was decided on, so that it has a ticket or a cause.
    """

    alarm_id: int
    key: Key
    unit_id: int
    site_id: int
    began_ms: int
    cleared_ms: int | None
    is_active: bool
    root_id: int
    is_settled: bool

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """The first stands for the others; none of it depends on which was heard first."""
        return not self.is_settled, self.began_ms, self.unit_id, self.key[1]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cause_id` is the alarm itself where it is the first of many units: it then stands for the site."""

    rule: Rule
    cause_id: int


def explain(effect: Fact, known: Mapping[int, Fact], *, is_first: bool = True) -> Explanation | None:
    """Why the alarm is, if another explains it. `known` are alarms of its site by id, this one and all roots too.

    `is_first` is for an alarm that nobody has decided on yet: a cause that has just gone counts too.
    """
    for rule in RULES:
        if effect.key not in rule.effects:
            continue
        causes = [fact for fact in known.values() if _may_cause(rule, fact, effect, is_first=is_first)]
        if not causes:
            continue
        if effect.key in rule.causes:
            causes.append(effect)
        if len({fact.unit_id for fact in causes}) < rule.least_units:
            continue
        roots = {fact.root_id for fact in causes} & known.keys()
        if roots:
            return Explanation(rule, min((known[root] for root in roots), key=lambda root: root.order).alarm_id)
    return None


def _may_cause(rule: Rule, cause: Fact, effect: Fact, *, is_first: bool) -> bool:
    if cause.key not in rule.causes or cause.alarm_id == effect.alarm_id:
        return False
    if (rule.scope is Scope.UNIT and cause.unit_id != effect.unit_id) or cause.site_id != effect.site_id:
        return False
    lag_ms = effect.began_ms - cause.began_ms
    if lag_ms < -rule.before_s * 1000 or (rule.within_s is not None and lag_ms > rule.within_s * 1000):
        return False
    if cause.is_active:
        return True
    return is_first and cause.cleared_ms is not None and effect.began_ms <= cause.cleared_ms + AFTERGLOW_MS


def is_held(kind: Kind, code: str) -> bool:
    """Whether an alarm of this condition waits for its cause before it calls anybody."""
    return (kind, code) in EFFECTS


def depth(key: Key) -> int:
    """In which order alarms are decided on: no condition explains one of a lower depth."""
    return 0 if key in _MAINS else 1 if key in CAUSES else 2
