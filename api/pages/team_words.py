"""An action team's figures and suggestions in words: the change with its interval, and what it cannot say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.pages.rendering import Reader
from api.pages.ticket_cards import ticket_title
from governance.team_report import Suggestion

CLOSE_TO_ONE = 0.005


@dataclass(frozen=True, slots=True)
class SuggestionCard:
    """`fields` fill the form that forms a team of it."""

    text: str
    href: str
    goal: str
    ticket: str
    unit: str


def suggestion_card(suggestion: Suggestion, *, reader: Reader) -> SuggestionCard:
    _ = reader._
    if suggestion.repeater is not None:
        unit, repeats = suggestion.repeater.unit, suggestion.repeater.repeats
        name = " · ".join(filter(None, (unit.name, unit.building)))
        text = _("%(unit)s was repaired and failed of the same again %(n)s times within 60 days.", unit=name, n=repeats)
        goal = _("%(unit)s runs without the same fault coming again", unit=name)
        return SuggestionCard(text, f"/units/{unit.path}", goal, "", unit.path)
    ticket = suggestion.ticket
    assert ticket is not None, "a suggestion is about a unit or a ticket"
    title = ticket_title(ticket, reader=reader)
    text = _(
        "Ticket %(id)s “%(title)s” has been on hold for %(n)s days.", id=ticket.id, title=title, n=suggestion.hold_days
    )
    return SuggestionCard(text, f"/tickets/{ticket.id}", _("Solved: %(title)s", title=title), str(ticket.id), "")


def figure_lines(figures: Mapping[str, Any] | None, *, reader: Reader) -> list[str]:
    """Before, after, and what the change says; empty where there are no figures."""
    if not figures:
        return []
    _ = reader._
    lines = []
    if figures["tickets"]:
        done, of = figures["tickets_closed"], figures["tickets"]
        lines.append(_("Tickets that have ended: %(done)s of %(of)s.", done=done, of=of))
    if not figures["units"]:
        return lines
    before, after = figures["before"], figures["after"]
    lines.append(
        _(
            "Before the team was formed: %(faults)s faults in %(days)s days of exposure of its %(units)s units.",
            faults=before["faults"],
            days=_days(before["days"]),
            units=figures["units"],
        )
    )
    lines.append(
        _(
            "After the work: %(faults)s faults in %(days)s days of exposure.",
            faults=after["faults"],
            days=_days(after["days"]),
        )
    )
    return [*lines, *change_lines(figures["change"], reader=reader)]


def change_lines(change: Mapping[str, float | None] | None, *, reader: Reader) -> list[str]:
    """The rate after beside the rate before, with its 95 % interval in words."""
    _ = reader._
    if change is None or change["ratio"] is None or change["low"] is None:
        return [_("Before and after cannot be compared: a side was not watched, or nothing had failed before.")]
    ratio, low, high = change["ratio"], change["low"], change["high"]
    if high is not None and high < 1:
        told = _(
            "The fault rate fell by %(share)s; with 95 %% certainty by %(least)s to %(most)s.",
            share=_percent(1 - ratio),
            least=_percent(1 - high),
            most=_percent(1 - low),
        )
    elif low > 1:
        told = _("The fault rate rose to %(times)s times; with 95 %% certainty it rose.", times=f"{ratio:.1f}")
    else:
        range_ = f"{low:.2f}–{high:.2f}" if high is not None else f"> {low:.2f}"
        told = _(
            "The fault rate after is %(times)s times that before, but the figures do not show a change yet: the 95 %% "
            "interval is %(range)s, and 1 would be no change.",
            times=f"{ratio:.2f}",
            range=range_,
        )
    caution = _("Units that get a team were chosen because they were bad; some of that comes back by chance alone.")
    return [told, caution]


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _days(days: float) -> str:
    return f"{days:.0f}"
