"""The maintenance fund of a compound: an account for the whole site or for one building, and every movement on it.

A balance is the sum of its movements and is stored nowhere else. Money leaves an account only for a proposal that is
being carried out, never more than its settlement (or, before there is one, its contract), and never more than is there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

from sqlalchemy import BigInteger, Date, ForeignKey, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.errors import GovernanceError, InvalidProposal
from governance.execution import check_amount, check_executing, contract_of, settlement_of, yuan
from governance.proposal import Proposal
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table
from registry.role import Actor
from registry.site import Site

REPLENISH_BELOW = Fraction(30, 100)
"""Under this share of the initial amount the fund is to be replenished (Hangzhou, since 2022-03-01)."""
MAX_NOTE_LENGTH = 1000

ACCOUNT_EXISTS = "has an account already"
NOT_ENOUGH = "The account holds %(balance)s yuan: less than that"
NO_CONTRACT_TO_PAY = "Nothing is paid before the contract is entered"
MORE_THAN_AGREED = "With this, %(paid)s yuan would be paid of %(agreed)s yuan that were agreed"
NO_ACCOUNT = "There is no account of the fund that could pay this"
BAD_SIGN = "Only a correction may be below zero"


class MovementKind(StrEnum):
    INITIAL = "initial"
    CONTRIBUTION = "contribution"
    INTEREST = "interest"
    USE = "use"
    CORRECTION = "correction"


class FundAccount(Table):
    """`building` is empty for the account of the whole site."""

    __tablename__ = "fund_account"
    __table_args__ = (UniqueConstraint("site_id", "building"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    building: Mapped[str] = mapped_column(String(100), default="")
    initial_fen: Mapped[int] = mapped_column(BigInteger)
    opened_on: Mapped[date] = mapped_column(Date)
    site: Mapped[Site] = relationship(lazy="joined")


class FundMovement(Table):
    """What came in (above zero) or went out (below); rows are only ever added."""

    __tablename__ = "fund_movement"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("fund_account.id"), index=True)
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposal.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    on: Mapped[date] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class UnknownAccount(GovernanceError):
    def __init__(self, account_id: int) -> None:
        super().__init__(f"no account {account_id} of the fund")
        self.account_id = account_id


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands; `line_fen` is the balance under which it is to be replenished."""

    account: FundAccount
    balance_fen: int
    line_fen: int

    @property
    def is_below_line(self) -> bool:
        return self.balance_fen < self.line_fen


def open_account(
    session: Session, site: Site, *, building: str = "", initial_fen: int, opened_on: date, actor: Actor, now_ms: int
) -> FundAccount:
    """Raises InvalidProposal for a second account of the same building."""
    check_amount("initial_fen", initial_fen)
    if find_account(session, site, building) is not None:
        raise InvalidProposal("building", ACCOUNT_EXISTS)
    account = FundAccount(site=site, building=building, initial_fen=initial_fen, opened_on=opened_on)
    session.add(account)
    session.flush()
    _add(session, account, MovementKind.INITIAL, initial_fen, opened_on, "", None, actor, now_ms)
    return account


def find_account(session: Session, site: Site, building: str) -> FundAccount | None:
    query = select(FundAccount).where(FundAccount.site_id == site.id, FundAccount.building == building)
    return session.scalar(query)


def get_account(session: Session, account_id: int) -> FundAccount:
    """Raises UnknownAccount."""
    account = session.get(FundAccount, account_id)
    if account is None:
        raise UnknownAccount(account_id)
    return account


def account_for(session: Session, proposal: Proposal) -> FundAccount | None:
    """The account that pays: of the proposal's building, or the site's where that building has none of its own."""
    return find_account(session, proposal.site, proposal.building) or find_account(session, proposal.site, "")


def accounts(session: Session, *, visible: Collection[str] | None = None, site: str | None = None) -> list[FundAccount]:
    query = select(FundAccount).join(Site, FundAccount.site_id == Site.id).order_by(Site.key, FundAccount.building)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site is not None:
        query = query.where(Site.key == site)
    return list(session.scalars(query))


def standing_of(session: Session, account: FundAccount) -> Standing:
    balance = session.scalar(select(func.sum(FundMovement.amount_fen)).where(FundMovement.account_id == account.id))
    # Rounded up: a balance is below 30 % or it is not.
    line_fen = -(-account.initial_fen * REPLENISH_BELOW.numerator // REPLENISH_BELOW.denominator)
    return Standing(account, int(balance or 0), line_fen)


def movements_of(session: Session, account_id: int, *, limit: int = 200) -> list[FundMovement]:
    """Newest first."""
    query = select(FundMovement).where(FundMovement.account_id == account_id).order_by(FundMovement.id.desc())
    return list(session.scalars(query.limit(limit)))


def paid_fen(session: Session, proposal_id: int) -> int:
    """What has been paid for a proposal so far."""
    query = select(func.sum(FundMovement.amount_fen)).where(FundMovement.proposal_id == proposal_id)
    return -int(session.scalar(query) or 0)


def book(
    session: Session,
    account: FundAccount,
    kind: MovementKind,
    amount_fen: int,
    *,
    on: date,
    note: str = "",
    actor: Actor,
    now_ms: int,
) -> FundMovement:
    """Books what is no payment for a proposal. Raises InvalidProposal."""
    if kind in (MovementKind.USE, MovementKind.INITIAL):
        raise InvalidProposal("kind", NO_CONTRACT_TO_PAY)
    if amount_fen < 0 and kind is not MovementKind.CORRECTION:
        raise InvalidProposal("amount_fen", BAD_SIGN)
    check_amount("amount_fen", abs(amount_fen))
    _hold(session, account)
    if amount_fen < 0:
        _check_balance(session, account, -amount_fen)
    return _add(session, account, kind, amount_fen, on, note, None, actor, now_ms)


def pay(
    session: Session, proposal: Proposal, amount_fen: int, *, on: date, note: str = "", actor: Actor, now_ms: int
) -> FundMovement:
    """Pays for a proposal that is being carried out. Raises InvalidProposal."""
    check_executing(proposal)
    check_amount("amount_fen", amount_fen)
    account = account_for(session, proposal)
    if account is None:
        raise InvalidProposal("account", NO_ACCOUNT)
    contract, settlement = contract_of(session, proposal.id), settlement_of(session, proposal.id)
    if contract is None:
        raise InvalidProposal("contract", NO_CONTRACT_TO_PAY)
    _hold(session, account)
    agreed = settlement.final_fen if settlement is not None else contract.amount_fen
    paid = paid_fen(session, proposal.id) + amount_fen
    if paid > agreed:
        raise InvalidProposal("amount_fen", MORE_THAN_AGREED, {"paid": yuan(paid), "agreed": yuan(agreed)})
    _check_balance(session, account, amount_fen)
    return _add(session, account, MovementKind.USE, -amount_fen, on, note, proposal, actor, now_ms)


def _hold(session: Session, account: FundAccount) -> None:
    session.execute(select(FundAccount.id).where(FundAccount.id == account.id).with_for_update()).all()


def _check_balance(session: Session, account: FundAccount, wanted_fen: int) -> None:
    balance = standing_of(session, account).balance_fen
    if wanted_fen > balance:
        raise InvalidProposal("amount_fen", NOT_ENOUGH, {"balance": yuan(balance)})


def _add(
    session: Session,
    account: FundAccount,
    kind: MovementKind,
    amount_fen: int,
    on: date,
    note: str,
    proposal: Proposal | None,
    actor: Actor,
    now_ms: int,
) -> FundMovement:
    movement = FundMovement(
        account_id=account.id,
        proposal_id=proposal.id if proposal is not None else None,
        kind=kind.value,
        amount_fen=amount_fen,
        on=on,
        note=note.strip()[:MAX_NOTE_LENGTH],
        actor=actor.name,
        name=actor.display_name or actor.name,
        at_ms=now_ms,
    )
    session.add(movement)
    session.flush()
    data = {"kind": kind.value, "amount_fen": amount_fen, "on": on.isoformat(), "proposal_id": movement.proposal_id}
    entry = Entry("fund.moved", f"fund:{account.id}", actor=actor.name, site=account.site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)
    return movement
