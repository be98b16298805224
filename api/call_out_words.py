"""What people are told of a call-out, in their language."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from alerts.call_out import CallOut
from alerts.call_out_states import Answer, Audience, CallOutState, StageState
from alerts.call_out_stock import StockMove
from alerts.call_out_summons import PROPOSAL, STAND_DOWN, SUMMONS
from api.translations import Translator, msgid

CALL_OUT_TEMPLATES = frozenset({SUMMONS, STAND_DOWN, PROPOSAL})

STATE_TITLES: Mapping[CallOutState, str] = MappingProxyType(
    {
        CallOutState.PROPOSED: msgid("Proposed, nobody called yet"),
        CallOutState.CALLED: msgid("People are called out"),
        CallOutState.STOOD_DOWN: msgid("Stood down"),
        CallOutState.CLOSED: msgid("Closed with its report"),
        CallOutState.REJECTED: msgid("Not needed"),
        CallOutState.LAPSED: msgid("Lapsed: nobody decided"),
    }
)
AUDIENCE_TITLES: Mapping[Audience, str] = MappingProxyType(
    {
        Audience.ON_DUTY: msgid("Staff on duty"),
        Audience.NEIGHBOURS: msgid("Staff of neighbouring compounds"),
        Audience.VOLUNTEERS: msgid("Volunteers"),
    }
)
STAGE_STATE_TITLES: Mapping[StageState, str] = MappingProxyType(
    {
        StageState.WAITING: msgid("not called yet"),
        StageState.NOT_NEEDED: msgid("not needed so far: enough are coming"),
        StageState.CALLED: msgid("called"),
        StageState.CANCELLED: msgid("not called any more"),
    }
)
ANSWER_TITLES: Mapping[Answer | None, str] = MappingProxyType(
    {
        Answer.COMING: msgid("is coming"),
        Answer.CANNOT: msgid("cannot come"),
        None: msgid("has not answered"),
    }
)
STOCK_MOVE_TITLES: Mapping[StockMove, str] = MappingProxyType(
    {
        StockMove.TAKEN: msgid("taken out"),
        StockMove.RETURNED: msgid("given back"),
        StockMove.USED_UP: msgid("used up or lost"),
        StockMove.COUNTED: msgid("counted in its place"),
    }
)
OVER_TITLES: Mapping[str, str] = MappingProxyType(
    {
        CallOutState.STOOD_DOWN.value: msgid("Stood down: nobody needs to come any more. Thank you for being ready."),
        CallOutState.CLOSED.value: msgid("This call-out is over. Thank you."),
        "expired": msgid("This link has run out."),
    }
)
"""Why a summons is not answered any more."""
CONDITION_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "inflow_exceeds_capacity": msgid("Inflow exceeds pump capacity"),
        "floor_water_close": msgid("Garage floor water: close the entrance"),
        "floor_water_evacuate": msgid("Garage floor water: move the vehicles out"),
    }
)
CALL_OUT_ACTIVITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "call_out.proposed": msgid("Call-out proposed"),
        "call_out.alarm_added": msgid("Another alarm of the same flood"),
        "call_out.called": msgid("People called out"),
        "call_out.stage_called": msgid("Stage of a call-out called"),
        "call_out.stage_not_needed": msgid("Stage not called: enough are coming"),
        "call_out.answered": msgid("Somebody answered a call-out"),
        "call_out.arrived": msgid("Somebody has arrived"),
        "call_out.not_arrived": msgid("Arrival taken back"),
        "call_out.stood_down": msgid("Call-out stood down"),
        "call_out.closed": msgid("Report of a call-out written"),
        "call_out.rejected": msgid("Proposed call-out not needed"),
        "call_out.lapsed": msgid("Proposed call-out lapsed"),
        "call_out.plan_settled": msgid("Plan for call-outs changed"),
        "stock.taken": msgid("Equipment taken out"),
        "stock.returned": msgid("Equipment given back"),
        "stock.used_up": msgid("Equipment used up or lost"),
        "stock.counted": msgid("Equipment counted"),
    }
)


def reason_text(call_out: CallOut, *, _: Translator) -> str:
    return _reason(call_out.reason, call_out.condition, _=_)


def _reason(reason: str, condition: str, *, _: Translator) -> str:
    """A person's words, else the title of the alarm."""
    return reason or _(CONDITION_TITLES.get(condition, condition))


def forecast_lines(facts: Mapping[str, Any], *, _: Translator) -> list[str]:
    """What the alarm measured when it gave reason to the call-out."""
    lines = []
    minutes, water_cm, rain_mm = (facts.get(name) for name in ("overflow_in_min", "floor_water_cm", "rain_mm_3h"))
    if isinstance(minutes, int | float) and 0 <= minutes < 24 * 60:
        lines.append(_(msgid("At this rate the sump overflows in about %(n)s min."), n=round(minutes)))
    if isinstance(water_cm, int | float) and water_cm > 0:
        lines.append(_(msgid("Water on the garage floor: %(n)s cm."), n=round(water_cm)))
    if isinstance(rain_mm, int | float) and rain_mm > 0:
        lines.append(_(msgid("Rain in the last three hours: %(n)s mm."), n=round(rain_mm)))
    return lines


def call_out_title_and_lines(
    template: str, data: Mapping[str, Any], *, link: str, _: Translator
) -> tuple[str, list[str]]:
    """`link` is the reader's own; empty where it is not sent but shown to somebody who is signed in."""
    site = str(data["site_name"])
    what = _reason(str(data["reason"]), str(data["condition"]), _=_)
    meeting = str(data.get("meeting_point") or "")
    where = _(msgid("Meeting point: %(place)s"), place=meeting) if meeting else ""
    if template == STAND_DOWN:
        note = str(data.get("note") or "")
        title = _(msgid("Stood down, %(site)s: nobody needs to come any more"), site=site)
        return title, [line for line in (what, note, _(msgid("Thank you for being ready."))) if line]
    forecast = forecast_lines(data.get("facts") or {}, _=_)
    if template == PROPOSAL:
        title = _(msgid("Call people out at %(site)s? %(what)s"), site=site, what=what)
        return title, [*forecast, _(msgid("Nobody has been called yet: one of you decides, on the page of call-outs."))]
    title = _(msgid("EMERGENCY at %(site)s: %(what)s. Can you come?"), site=site, what=what)
    ask = _(msgid("Answer with one tap: %(link)s"), link=link) if link else ""
    return title, [line for line in (where, *forecast, ask) if line]
