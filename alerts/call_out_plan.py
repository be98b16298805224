"""What a compound has settled for its call-outs: its stages, where people meet, and what calls them by itself."""

from collections.abc import Sequence

from sqlalchemy import ForeignKey, Integer, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.call_out import MAX_PLACE_LENGTH
from alerts.call_out_errors import InvalidCallOut
from alerts.call_out_states import DEFAULT_STAGES, Audience, StageRule
from alerts.severity import Severity
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site

MOST_WANTED = 10_000
LONGEST_WAIT_MIN = 120


class CallOutRule(Table):
    """A stage of a compound's own."""

    __tablename__ = "call_out_rule"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    audience: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[int] = mapped_column(Integer)
    wait_min: Mapped[int] = mapped_column(Integer)


class CallOutSetting(Table):
    """Where people meet. `automatic_from`: alarms of that severity and graver ones call people out by themselves."""

    __tablename__ = "call_out_setting"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    meeting_point: Mapped[str] = mapped_column(String(MAX_PLACE_LENGTH), default="")
    automatic_from: Mapped[str | None] = mapped_column(String(16))


def stages_of_site(session: Session, site_id: int) -> tuple[StageRule, ...]:
    query = select(CallOutRule).where(CallOutRule.site_id == site_id).order_by(CallOutRule.position)
    own = tuple(StageRule(Audience(row.audience), row.wanted, row.wait_min) for row in session.scalars(query))
    return own or DEFAULT_STAGES


def setting_of(session: Session, site_id: int) -> CallOutSetting:
    """That of the compound, else the default, which calls nobody by itself."""
    kept = session.get(CallOutSetting, site_id)
    return kept or CallOutSetting(site_id=site_id, meeting_point="", automatic_from=None)


def is_called_by_itself(setting: CallOutSetting, severity: Severity) -> bool:
    return setting.automatic_from is not None and severity.rank <= Severity(setting.automatic_from).rank


def settle_plan(
    session: Session,
    site: Site,
    *,
    stages: Sequence[StageRule],
    meeting_point: str,
    automatic_from: Severity | None,
    actor: Actor,
    now_ms: int,
) -> None:
    """From the next call-out on. Raises InvalidCallOut."""
    _check(stages)
    session.execute(delete(CallOutRule).where(CallOutRule.site_id == site.id))
    session.add_all(
        CallOutRule(
            site_id=site.id,
            position=position,
            audience=rule.audience.value,
            wanted=rule.wanted,
            wait_min=rule.wait_min,
        )
        for position, rule in enumerate(stages)
    )
    kept = session.get(CallOutSetting, site.id)
    if kept is None:
        kept = CallOutSetting(site_id=site.id)
        session.add(kept)
    kept.meeting_point = meeting_point.strip()[:MAX_PLACE_LENGTH]
    kept.automatic_from = automatic_from.value if automatic_from is not None else None
    session.flush()
    data = {
        "stages": [[rule.audience.value, rule.wanted, rule.wait_min] for rule in stages],
        "automatic_from": kept.automatic_from,
        "meeting_point": kept.meeting_point,
    }
    entry = Entry("call_out.plan_settled", f"site:{site.id}", actor.name, site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)


def _check(stages: Sequence[StageRule]) -> None:
    if not stages:
        raise InvalidCallOut("stages", "are missing: at least one is needed")
    audiences = [rule.audience for rule in stages]
    if len(set(audiences)) != len(audiences):
        raise InvalidCallOut("stages", "name the same people twice")
    for rule in stages:
        if not 1 <= rule.wanted <= MOST_WANTED:
            raise InvalidCallOut("wanted", f"must be between 1 and {MOST_WANTED}")
        if not 1 <= rule.wait_min <= LONGEST_WAIT_MIN:
            raise InvalidCallOut("wait_min", f"must be between 1 and {LONGEST_WAIT_MIN} minutes")
