"""Words for models: what state a version is in, what its figures speak for, how far a unit has moved."""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.conditions import ANOMALY, SLOW_CHANGE, UNLIKE_SISTERS
from api.model_figures import Advice
from api.routes.model_versions import VersionState
from api.translations import msgid
from models.detectors.drift import Movement

STATE_TITLES: Mapping[VersionState, str] = MappingProxyType(
    {
        VersionState.IN_FORCE: msgid("in force"),
        VersionState.IN_SHADOW: msgid("in shadow"),
        VersionState.KEPT: msgid("kept for later"),
    }
)

ADVICE_WORDS: Mapping[Advice, str] = MappingProxyType(
    {
        Advice.NOTHING_JUDGED: msgid("It has judged nothing yet. Is the unit heard, and does the ingest run?"),
        Advice.TOO_EARLY: msgid("Too early to decide: wait until it has run for a week."),
        Advice.MISSES: msgid(
            "It would have missed an alarm that nobody marked as false. Look at that alarm before you decide."
        ),
        Advice.LOUDER: msgid(
            "It would have raised more alarms than the one in force. Look at them: a fault that nobody saw, or noise?"
        ),
        Advice.AS_GOOD: msgid("It found what the one in force found, and was no louder: it may be put in force."),
    }
)

ADVICE_TITLES: Mapping[Advice, str] = MappingProxyType(
    {
        Advice.NOTHING_JUDGED: msgid("nothing judged yet"),
        Advice.TOO_EARLY: msgid("too early"),
        Advice.MISSES: msgid("would have missed an alarm"),
        Advice.LOUDER: msgid("louder"),
        Advice.AS_GOOD: msgid("may be put in force"),
    }
)

MOVEMENT_TITLES: Mapping[Movement, str] = MappingProxyType(
    {
        Movement.UNKNOWN: msgid("not known"),
        Movement.STEADY: msgid("as when fitted"),
        Movement.INPUTS: msgid("values have moved"),
        Movement.SCORES: msgid("the model no longer fits"),
    }
)

MOVEMENT_WORDS: Mapping[Movement, str] = MappingProxyType(
    {
        Movement.UNKNOWN: msgid("Too few readings since the fit to compare."),
        Movement.STEADY: msgid("Values and scores are as they were when the model was fitted."),
        Movement.INPUTS: msgid(
            "Values have moved, and the model follows: it takes the unit for normal as often as at first. The next "
            "fit takes them up."
        ),
        Movement.SCORES: msgid(
            "The model finds the unit unlike before more often than when it was fitted. Either a fault stands, or "
            "something was changed on the unit and a new model is due."
        ),
    }
)

CONDITION_TITLES: Mapping[str, str] = MappingProxyType(
    {
        ANOMALY: msgid("Behaves unlike before"),
        SLOW_CHANGE: msgid("Slow change"),
        UNLIKE_SISTERS: msgid("Unlike its sisters"),
    }
)
