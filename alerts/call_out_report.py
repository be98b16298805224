"""The report of a call-out: who was asked, who came, how long it took until how many were there, and what was used."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.call_out import CallOut, Muster, Summons, alarm_ids_of, count_muster
from alerts.call_out_states import Answer
from alerts.call_out_stock import StockItem, StockMove, items_of, used_in

NUMBERS = (1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class StageFigures:
    position: int
    audience: str
    state: str
    wanted: int
    called_ms: int | None
    called_by: str | None
    asked: int
    coming: int
    arrived: int


@dataclass(frozen=True, slots=True)
class TimeTo:
    """How long after the call so many had said that they come, and had arrived; None for never."""

    number: int
    coming_ms: int | None
    arrived_ms: int | None


@dataclass(frozen=True, slots=True)
class StockUse:
    item: StockItem
    taken: int
    returned: int
    used_up: int

    @property
    def still_out(self) -> int:
        return self.taken - self.returned - self.used_up


@dataclass(frozen=True, slots=True)
class Report:
    muster: Muster
    stages: list[StageFigures]
    times: list[TimeTo]
    stock: list[StockUse]
    alarm_ids: list[int]
    people: list[Summons]
    """Those who came, by the time of their arrival."""


def report_of(session: Session, call_out: CallOut, *, now_ms: int) -> Report:
    found = list(session.scalars(select(Summons).where(Summons.call_out_id == call_out.id).order_by(Summons.id)))
    called_ms = call_out.called_ms or call_out.opened_ms
    coming = [each for each in found if each.answer == Answer.COMING]
    arrived = [each for each in found if each.arrived_ms is not None]
    return Report(
        muster=count_muster(session, call_out.id, now_ms=now_ms),
        stages=[
            StageFigures(
                position=stage.position,
                audience=stage.audience,
                state=stage.state,
                wanted=stage.wanted,
                called_ms=stage.called_ms,
                called_by=stage.called_by,
                asked=stage.asked,
                coming=sum(each.position == stage.position for each in coming),
                arrived=sum(each.position == stage.position for each in arrived),
            )
            for stage in call_out.stages
        ],
        times=times_to(
            (each.answered_ms - called_ms for each in coming if each.answered_ms is not None),
            (each.arrived_ms - called_ms for each in arrived if each.arrived_ms is not None),
        ),
        stock=stock_use(session, call_out),
        alarm_ids=alarm_ids_of(session, call_out.id),
        people=sorted(arrived, key=lambda each: each.arrived_ms or 0),
    )


def times_to(coming_ms: Iterable[int], arrived_ms: Iterable[int]) -> list[TimeTo]:
    """
    >>> times_to([60_000, 30_000], [300_000])
    [TimeTo(number=1, coming_ms=30000, arrived_ms=300000)]
    """
    coming, arrived = sorted(coming_ms), sorted(arrived_ms)
    return [
        TimeTo(number, _at(coming, number), _at(arrived, number))
        for number in NUMBERS
        if number <= max(len(coming), len(arrived))
    ]


def _at(times: list[int], number: int) -> int | None:
    return times[number - 1] if number <= len(times) else None


def stock_use(session: Session, call_out: CallOut) -> list[StockUse]:
    used = used_in(session, call_out.id)
    return [
        StockUse(
            item,
            taken=used[item.id].get(StockMove.TAKEN, 0),
            returned=used[item.id].get(StockMove.RETURNED, 0),
            used_up=used[item.id].get(StockMove.USED_UP, 0),
        )
        for item in items_of(session, call_out.site_id)
        if item.id in used
    ]
