"""A call-out of some weeks ago that the demonstration begins with: staff, neighbours, volunteers, barriers, report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.orm import Session

from alerts import call_out_moves
from alerts.call_out import list_call_outs
from alerts.call_out_plan import settle_plan
from alerts.call_out_states import DEFAULT_STAGES, Answer, CallOutState
from alerts.call_out_stock import StockItem, StockMove, add_item, move_stock
from alerts.call_out_summons import HashOfLink, find_own, give_answer, note_arrival
from alerts.notification import Delivery, DeliveryState
from api.pages.moments import local_time
from api.translations import Translator, msgid
from registry.neighbourhood import set_helpers
from registry.person import PasswordHash, add_person, find_person
from registry.role import Actor, Role
from registry.site import Site, add_site

MINUTE_MS = 60_000
BEGAN_BEFORE = timedelta(days=18)
BEGAN_AT = time(6, 12)
NEIGHBOUR = "zhulin-garden"
"""Sorts after every compound of a story: pages that show one compound begin with the one that has data."""
NOT_FOR_SIGNING_IN = PasswordHash("none")
STAFF = ("陈国强", "沈卫东", "何建平")
HELPERS = ("吴志明", "徐海波", "孙立新", "胡永康")
VOLUNTEERS = (
    *("王秀英", "李建国", "张桂芳", "刘洋", "陈静", "杨帆", "赵敏", "黄海涛", "周晓燕"),
    *("朱明华", "林志强", "郭丽娟", "马超", "罗文斌", "郑雅琴", "谢冬梅", "韩雪", "唐磊"),
)


@dataclass(frozen=True, slots=True)
class Flood:
    """The call-out while it is told: who commands it, and when it began."""

    session: Session
    call_out_id: int
    began_ms: int
    manager: Actor

    def at(self, minutes: float) -> int:
        return self.began_ms + round(minutes * MINUTE_MS)

    def comes(self, person_id: int, *, says_at: float, minutes: int, arrives_at: float) -> None:
        summons = find_own(self.session, self.call_out_id, person_id)
        give_answer(self.session, summons, Answer.COMING, minutes=minutes, now_ms=self.at(says_at))
        note_arrival(self.session, summons, has_arrived=True, now_ms=self.at(arrives_at))

    def uses(self, item: StockItem, move: StockMove, number: int, *, at: float) -> None:
        move_stock(
            self.session,
            item.id,
            move,
            number,
            call_out_id=self.call_out_id,
            actor=self.manager,
            now_ms=self.at(at),
        )


def add_demo_call_out(
    session: Session, site: Site, *, hash_of_link: HashOfLink, is_charm_city: bool, _: Translator, now_ms: int
) -> None:
    """Only where there has been none yet; `_` speaks the language of the demo."""
    person = find_person(session, "manager")
    if person is None or list_call_outs(session, limit=1):
        return
    day = (local_time(now_ms, site.timezone) - BEGAN_BEFORE).date()
    began = datetime.combine(day, BEGAN_AT, ZoneInfo(site.timezone))
    manager, began_ms = person.as_actor(), round(began.timestamp() * 1000)
    helper = add_site(session, key=NEIGHBOUR, name=_(msgid("Zhulin Garden (neighbouring compound)")), now_ms=began_ms)
    set_helpers(session, site, [helper], now_ms=began_ms)
    settle_plan(
        session,
        site,
        stages=DEFAULT_STAGES,
        meeting_point=_(msgid("Garage entrance 2, at the flood gate")),
        automatic_from=None,
        actor=manager,
        now_ms=began_ms,
    )
    staff = _people(session, "staff", STAFF, Role.TECHNICIAN, site, now_ms=began_ms)
    helpers = _people(session, "helper", HELPERS, Role.TECHNICIAN, helper, now_ms=began_ms)
    volunteers = _people(session, "volunteer", VOLUNTEERS, Role.VOLUNTEER, site, now_ms=began_ms)
    bags, gate, pump = (
        add_item(session, site, name=name, measure=measure, place=place, amount=amount, actor=manager, now_ms=began_ms)
        for name, measure, place, amount in (
            (_(msgid("Sandbags")), _(msgid("pieces")), _(msgid("Store room at garage entrance 1")), 600),
            (_(msgid("Flood gates")), _(msgid("sets")), _(msgid("At each garage entrance")), 4),
            (_(msgid("Mobile pumps, 80 m³/h")), _(msgid("sets")), _(msgid("Pump room, basement")), 3),
        )
    )
    call_out = call_out_moves.start(
        session,
        site,
        reason=_(msgid("Sustained rain: water pours down the ramp into the garage, the pumps do not keep up")),
        meeting_point="",
        actor=manager,
        hash_of_link=hash_of_link,
        now_ms=began_ms,
    )
    flood = Flood(session, call_out.id, began_ms, manager)
    for place, person_id in enumerate(staff):
        flood.comes(person_id, says_at=0.6 + 0.4 * place, minutes=5, arrives_at=4 + place)
    flood.uses(gate, StockMove.TAKEN, 2, at=6)
    for minute in (5, 15):
        call_out_moves.run_due_call_outs(session, hash_of_link=hash_of_link, now_ms=flood.at(minute))
        if minute == 5:
            for place, person_id in enumerate(helpers):
                flood.comes(person_id, says_at=6 + 0.7 * place, minutes=15, arrives_at=17 + 2 * place)
    for place, person_id in enumerate(volunteers):
        if place % 6 == 5:
            summons = find_own(session, call_out.id, person_id)
            give_answer(session, summons, Answer.CANNOT, now_ms=flood.at(16 + 0.3 * place))
        elif place % 7 != 6:
            flood.comes(
                person_id, says_at=15.5 + 0.4 * place, minutes=15 if place % 3 else 30, arrives_at=24 + 1.5 * place
            )
    flood.uses(bags, StockMove.TAKEN, 420, at=30)
    flood.uses(pump, StockMove.TAKEN, 3, at=34)
    _end(flood, bags, gate, pump, hash_of_link=hash_of_link, is_charm_city=is_charm_city, _=_)
    # They were read weeks ago: nobody gets them now.
    session.execute(
        update(Delivery)
        .where(Delivery.state == DeliveryState.WAITING.value)
        .values(state=DeliveryState.SENT.value, attempts=1, settled_ms=began_ms)
    )


def _end(
    flood: Flood,
    bags: StockItem,
    gate: StockItem,
    pump: StockItem,
    *,
    hash_of_link: HashOfLink,
    is_charm_city: bool,
    _: Translator,
) -> None:
    told = _(msgid("The water stands outside the barriers and is falling."))
    call_out_moves.move_call_out(
        flood.session,
        flood.call_out_id,
        CallOutState.STOOD_DOWN,
        actor=flood.manager,
        note=told,
        hash_of_link=hash_of_link,
        now_ms=flood.at(345),
    )
    flood.uses(bags, StockMove.USED_UP, 65, at=380)
    flood.uses(bags, StockMove.RETURNED, 355, at=380)
    flood.uses(gate, StockMove.RETURNED, 2, at=400)
    flood.uses(pump, StockMove.RETURNED, 3, at=400)
    saved = (
        _(msgid("Waist-high water was held outside by noon; more than 500 cars in the garage were saved."))
        if is_charm_city
        else _(msgid("The water was held outside; no car in the garage was damaged."))
    )
    lacking = _(msgid("Lacking: the lamps at the second entrance, and sandbags for the side door."))
    call_out_moves.move_call_out(
        flood.session,
        flood.call_out_id,
        CallOutState.CLOSED,
        actor=flood.manager,
        note=f"{saved}\n{lacking}",
        hash_of_link=hash_of_link,
        now_ms=flood.at(600),
    )


def _people(session: Session, prefix: str, names: Sequence[str], role: Role, site: Site, *, now_ms: int) -> list[int]:
    return [
        add_person(
            session,
            name=f"{prefix}-{number}",
            password=NOT_FOR_SIGNING_IN,
            role=role,
            site=site.key,
            display_name=name,
            now_ms=now_ms,
        ).id
        for number, name in enumerate(names, start=1)
    ]
