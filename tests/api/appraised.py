"""An appraisal in the small world, with all that people enter."""

from decimal import Decimal

from governance.appraisal import enter_points, move_appraisal, open_appraisal
from governance.appraisal_rule import COMMUNITY, PartyItem
from governance.appraisal_states import AppraisalState
from registry.role import Actor, Grant, Role
from registry.site import get_site
from tests.api.kit import HERE, World

OFFICER = Actor("li", (Grant(Role.COMMUNITY_OFFICER, HERE), Grant(Role.DISTRICT_OFFICER, HERE)), display_name="李")
PERIOD = "2026Q3"


def start_appraisal(
    world: World, *, company: str = "示范物业", note: str = "", is_published: bool = True, site: str = HERE
) -> int:
    """Of the quarter before the world's noon."""
    now_ms = world.clock()
    with world.database.writing() as session:
        place = get_site(session, site)
        appraisal_id = open_appraisal(session, place, company=company, period=PERIOD, actor=OFFICER, now_ms=now_ms).id
        for item in PartyItem:
            enter_points(session, appraisal_id, item, Decimal("20.5"), note=note, actor=OFFICER, now_ms=now_ms)
        enter_points(session, appraisal_id, COMMUNITY, Decimal(70), note=note, actor=OFFICER, now_ms=now_ms)
        if is_published:
            move_appraisal(session, appraisal_id, AppraisalState.PUBLISHED, actor=OFFICER, note=note, now_ms=now_ms)
        return appraisal_id
