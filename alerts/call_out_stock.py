"""Barriers and equipment of a compound: what there is, what is out, and for which call-out it was taken."""

from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.call_out_errors import InvalidCallOut, NotThatMany, UnknownStockItem
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site

MAX_NAME_LENGTH = 100
MAX_MEASURE_LENGTH = 20
MOST = 1_000_000
MOST_ITEMS = 200


class StockMove(StrEnum):
    TAKEN = "taken"
    RETURNED = "returned"
    USED_UP = "used_up"
    """Taken, and will not come back: a burst sandbag."""
    COUNTED = "counted"
    """How many there are in all, by somebody who looked."""


class StockItem(Table):
    """`amount` belongs to the compound, `out` of it is not in its place just now."""

    __tablename__ = "stock_item"
    __table_args__ = (UniqueConstraint("site_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    measure: Mapped[str] = mapped_column(String(MAX_MEASURE_LENGTH))
    """In what it is counted: pieces, metres, sets."""
    place: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    amount: Mapped[int] = mapped_column(Integer)
    out: Mapped[int] = mapped_column(Integer, default=0)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def present(self) -> int:
        return self.amount - self.out


class StockEntry(Table):
    """A move of an item: the stock's history."""

    __tablename__ = "stock_entry"
    __table_args__ = (Index("ix_stock_entry_call_out", "call_out_id", "item_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), index=True)
    call_out_id: Mapped[int | None] = mapped_column(ForeignKey("call_out.id"))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    move: Mapped[str] = mapped_column(String(16))
    number: Mapped[int] = mapped_column(Integer)


def add_item(
    session: Session, site: Site, *, name: str, measure: str, place: str, amount: int, actor: Actor, now_ms: int
) -> StockItem:
    """Raises InvalidCallOut."""
    name = name.strip()[:MAX_NAME_LENGTH]
    if not name:
        raise InvalidCallOut("name", "is missing")
    if not 0 <= amount <= MOST:
        raise InvalidCallOut("amount", f"must be between 0 and {MOST}")
    present = items_of(session, site.id)
    if any(item.name == name for item in present):
        raise InvalidCallOut("name", "is in the list already")
    if len(present) >= MOST_ITEMS:
        raise InvalidCallOut("name", f"is one too many: {MOST_ITEMS} at most")
    item = StockItem(
        site=site,
        name=name,
        measure=measure.strip()[:MAX_MEASURE_LENGTH],
        place=place.strip()[:MAX_NAME_LENGTH],
        amount=amount,
        out=0,
        updated_ms=now_ms,
    )
    session.add(item)
    session.flush()
    _note(session, item, StockMove.COUNTED, amount, call_out_id=None, actor=actor, now_ms=now_ms)
    return item


def move_stock(
    session: Session,
    item_id: int,
    move: StockMove,
    number: int,
    *,
    call_out_id: int | None = None,
    actor: Actor,
    now_ms: int,
) -> StockItem:
    """The row is held, so that two people never take the last one twice. Raises UnknownStockItem or NotThatMany."""
    activity.append(session, [], now_ms=now_ms)
    item = get_item(session, item_id, for_update=True)
    least = 0 if move is StockMove.COUNTED else 1
    most = {
        StockMove.TAKEN: item.present,
        StockMove.RETURNED: item.out,
        StockMove.USED_UP: item.out,
        StockMove.COUNTED: MOST,
    }[move]
    if not least <= number <= most:
        raise NotThatMany(item.id, wanted=number, most=most)
    if move is StockMove.TAKEN:
        item.out += number
    elif move is StockMove.RETURNED:
        item.out -= number
    elif move is StockMove.USED_UP:
        item.out, item.amount = item.out - number, item.amount - number
    else:
        # Whoever counts, counts what is in its place.
        item.amount = number + item.out
    item.updated_ms = now_ms
    _note(session, item, move, number, call_out_id=call_out_id, actor=actor, now_ms=now_ms)
    return item


def _note(
    session: Session,
    item: StockItem,
    move: StockMove,
    number: int,
    *,
    call_out_id: int | None,
    actor: Actor,
    now_ms: int,
) -> None:
    session.add(
        StockEntry(
            item_id=item.id,
            call_out_id=call_out_id,
            at_ms=now_ms,
            actor=actor.name,
            move=move.value,
            number=number,
        )
    )
    session.flush()
    subject = f"call_out:{call_out_id}" if call_out_id is not None else f"stock_item:{item.id}"
    data = {"item": item.name, "number": number, "measure": item.measure, "present": item.present}
    entry = Entry(f"stock.{move.value}", subject, actor.name, item.site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)


def get_item(session: Session, item_id: int, *, for_update: bool = False) -> StockItem:
    """Raises UnknownStockItem."""
    query = select(StockItem).where(StockItem.id == item_id)
    if for_update:
        query = query.with_for_update(of=StockItem).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise UnknownStockItem(item_id)
    return found


def items_of(session: Session, site_id: int) -> list[StockItem]:
    return list(session.scalars(select(StockItem).where(StockItem.site_id == site_id).order_by(StockItem.id)))


def used_in(session: Session, call_out_id: int) -> dict[int, dict[StockMove, int]]:
    """What a call-out took, gave back and used up: sums by item and move."""
    query = (
        select(StockEntry.item_id, StockEntry.move, func.sum(StockEntry.number))
        .where(StockEntry.call_out_id == call_out_id)
        .group_by(StockEntry.item_id, StockEntry.move)
    )
    found: dict[int, dict[StockMove, int]] = {}
    for item_id, move, number in session.execute(query):
        found.setdefault(item_id, {})[StockMove(move)] = int(number)
    return found
