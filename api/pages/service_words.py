"""Age, last work and yearly costs of units, in words."""

from collections.abc import Mapping, Sequence
from datetime import date

from api.pages.values import number_text
from api.translations import Translator, msgid
from governance.service_facts import MAINTENANCE_EVERY_DAYS, ServiceFacts, YearCost


def cost_rows(costs: Sequence[YearCost]) -> list[tuple[int, str, str, str]]:
    """(year, repairs, recorded work, in all), yuan, the newest first."""
    return [
        (each.year, _yuan(each.repairs_fen), _yuan(each.service_fen), _yuan(each.total_fen)) for each in costs[::-1]
    ]


def service_rows(service: Mapping[int, ServiceFacts], *, _: Translator) -> list[tuple[str, str, bool]]:
    """(what, words, whether it is overdue) of one unit."""
    if not service:
        return []
    told = next(iter(service.values()))
    age = _(msgid("not recorded"))
    if told.age_years is not None and told.new_since is not None:
        age = _(
            msgid("%(years)s years, since %(day)s"), years=number_text(told.age_years), day=told.new_since.isoformat()
        )
    late = told.maintenance_late_days or 0
    maintained = _day(told.last_maintenance, _=_)
    if late:
        words = msgid("%(day)s: %(late)s days beyond the %(every)s that are allowed")
        maintained = _(words, day=maintained, late=late, every=MAINTENANCE_EVERY_DAYS)
    inspected = _day(told.last_inspection, _=_)
    if told.inspection_valid_until is not None:
        until = told.inspection_valid_until.isoformat()
        words = (
            msgid("%(day)s, expired on %(until)s")
            if told.is_inspection_overdue
            else msgid("%(day)s, valid until %(until)s")
        )
        inspected = _(words, day=inspected, until=until)
    return [
        (_(msgid("Age")), age, False),
        (_(msgid("Last overhaul")), _day(told.last_overhaul, _=_), False),
        (_(msgid("Last maintenance")), maintained, bool(late)),
        (_(msgid("Last inspection")), inspected, told.is_inspection_overdue),
    ]


def service_summary(service: Mapping[int, ServiceFacts], *, today: date, _: Translator) -> list[tuple[str, str, bool]]:
    """The same of many units: middle age, how many were overhauled, how many are late."""
    if not service:
        return []
    ages = sorted(each.age_years for each in service.values() if each.age_years is not None)
    overhauled = [each for each in service.values() if each.last_overhaul is not None]
    late = [each for each in service.values() if each.maintenance_late_days]
    known = [each for each in service.values() if each.maintenance_late_days is not None]
    expired = [each for each in service.values() if each.is_inspection_overdue]
    inspected = [each for each in service.values() if each.last_inspection is not None]
    n = len(service)
    age = _(msgid("not recorded"))
    if ages:
        age = _(
            msgid("median %(median)s years, from %(low)s to %(high)s"),
            median=number_text(ages[len(ages) // 2]),
            low=number_text(ages[0]),
            high=number_text(ages[-1]),
        )
    return [
        (_(msgid("Age")), age, False),
        (_(msgid("Last overhaul")), _(msgid("%(some)s of %(n)s were overhauled"), some=len(overhauled), n=n), False),
        (
            _(msgid("Last maintenance")),
            _(msgid("%(late)s late, of %(known)s whose maintenance is recorded"), late=len(late), known=len(known)),
            bool(late),
        ),
        (
            _(msgid("Last inspection")),
            _(
                msgid("%(late)s expired, of %(known)s whose inspection is recorded"),
                late=len(expired),
                known=len(inspected),
            ),
            bool(expired),
        ),
    ]


def _day(day: date | None, *, _: Translator) -> str:
    return _(msgid("none recorded")) if day is None else day.isoformat()


def _yuan(amount_fen: int) -> str:
    return f"{amount_fen / 100:,.2f}"
