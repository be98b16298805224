"""The demonstration begins with figures that say something, and with nothing that calls anybody late."""

from alerts import suppressing
from alerts.alarm_figures import DAY_MS, alarm_figures
from alerts.due_action import DueState
from alerts.escalation import list_due, run_due
from alerts.false_alarm import FalseCause
from alerts.notification import Notification
from api.commands.demo_alarms import WEEK, add_demo_alarms
from api.translations import translator
from models.equipment import Kind
from registry.database import Database
from registry.person import PasswordHash, add_person
from registry.role import Role
from registry.site import add_site
from registry.unit import add_unit

NOW_MS = 1_795_406_400_000
PEOPLE = {"manager": Role.PROPERTY_MANAGER, "technician": Role.TECHNICIAN}


def test_the_demo_has_a_week_of_alarms_and_its_windows_once_and_calls_nobody_for_them(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=NOW_MS)
        for name, role in PEOPLE.items():
            add_person(session, name=name, password=PasswordHash("none"), role=role, now_ms=NOW_MS)
        for kind in Kind:
            add_unit(session, site=site, kind=kind, key=f"{kind.value}-1", now_ms=NOW_MS)
        for _ in range(2):
            add_demo_alarms(session, site, people=list(PEOPLE), _=translator("zh"), now_ms=NOW_MS)
        made = alarm_figures(session, [site], since_ms=NOW_MS - 7 * DAY_MS, until_ms=NOW_MS, now_ms=NOW_MS, offset_ms=0)
        assert made.called == len(WEEK)
        assert made.unacknowledged == 0
        assert made.false_by_cause[FalseCause.SENSOR] == 2
        run_due(session, now_ms=NOW_MS)
        assert list_due(session, DueState.PENDING, limit=10) == []
        assert session.query(Notification).count() == 0
    assert suppressing.settle_due(database, {}, now_ms=NOW_MS) == []
