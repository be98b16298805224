"""An appraisal of the quarter before, published, with which the demonstration begins."""

from decimal import Decimal

from sqlalchemy.orm import Session

from api.pages.moments import local_time
from api.translations import Translator, msgid
from governance.appraisal import enter_points, list_appraisals, move_appraisal, open_appraisal
from governance.appraisal_rule import COMMUNITY, PartyItem
from governance.appraisal_states import AppraisalState
from registry.database import Database
from registry.person import find_person
from registry.role import Actor
from registry.site import Site, find_site

POINTS = {
    PartyItem.MEETINGS: "22.5",
    PartyItem.CROSS_APPOINTMENT: "18",
    PartyItem.EMERGENCIES: "24",
    PartyItem.CONCERNS: "20.5",
}
COMMUNITY_POINTS = "84"


def add_demo_appraisal(database: Database, site_key: str, *, _: Translator, now_ms: int) -> None:
    """Only where there is none yet; its service half is computed from what the demonstration has recorded."""
    with database.writing() as session:
        person, site = find_person(session, "community"), find_site(session, site_key)
        if person is not None and site is not None and not list_appraisals(session, limit=1):
            _publish(session, site, person.as_actor(), _=_, now_ms=now_ms)


def _publish(session: Session, site: Site, officer: Actor, *, _: Translator, now_ms: int) -> None:
    today = local_time(now_ms, site.timezone).date()
    quarter = (today.month - 1) // 3
    period = f"{today.year}Q{quarter}" if quarter else f"{today.year - 1}Q4"
    company = _(msgid("Demonstration Property Service Ltd"))
    opened = open_appraisal(session, site, company=company, period=period, actor=officer, now_ms=now_ms)
    note = _(msgid("By the minutes of the three joint meetings of the quarter"))
    for item, points in POINTS.items():
        told = note if item is PartyItem.MEETINGS else ""
        enter_points(session, opened.id, item, Decimal(points), note=told, actor=officer, now_ms=now_ms)
    enter_points(session, opened.id, COMMUNITY, Decimal(COMMUNITY_POINTS), note="", actor=officer, now_ms=now_ms)
    move_appraisal(session, opened.id, AppraisalState.PUBLISHED, actor=officer, now_ms=now_ms)
