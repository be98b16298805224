"""What owners think of how their report was handled: one to five stars, once, when its case has ended."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.errors import AlertsError
from alerts.incident import ticket_entry
from alerts.resident_report import RESIDENT, ResidentReport
from alerts.ticket import get_ticket
from alerts.ticket_record import merged_into
from alerts.ticket_stages import FINAL_STAGES, Stage
from registry import activity
from registry.database import BigId, Table

MOST_STARS = 5


class ServiceRating(Table):
    __tablename__ = "service_rating"
    __table_args__ = (Index("ix_service_rating_site_at", "site_id", "at_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("resident_report.id"), unique=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    stars: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)


class NotRateable(AlertsError):
    """`reason`: `open` (the case has not ended), `rated` (once is enough), `stars` (there are one to five)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the report cannot be rated: {reason}")
        self.reason = reason


def rating_of(session: Session, report_id: int) -> ServiceRating | None:
    return session.scalar(select(ServiceRating).where(ServiceRating.report_id == report_id))


def rate(session: Session, report: ResidentReport, stars: int, *, now_ms: int) -> ServiceRating:
    """Raises NotRateable."""
    ticket = get_ticket(session, merged_into(session, report.ticket_id) or report.ticket_id)
    if not 1 <= stars <= MOST_STARS:
        raise NotRateable("stars")
    if Stage(ticket.stage) not in FINAL_STAGES:
        raise NotRateable("open")
    if rating_of(session, report.id) is not None:
        raise NotRateable("rated")
    rating = ServiceRating(report_id=report.id, ticket_id=ticket.id, site_id=ticket.site_id, stars=stars, at_ms=now_ms)
    try:
        with session.begin_nested():
            session.add(rating)
    except IntegrityError as error:
        # The same form twice at once.
        raise NotRateable("rated") from error
    activity.append(session, [ticket_entry(ticket, "ticket.rated", RESIDENT, {"stars": stars})], now_ms=now_ms)
    return rating


def ratings_between(session: Session, site_id: int, *, start_ms: int, end_ms: int) -> list[ServiceRating]:
    query = select(ServiceRating).where(
        ServiceRating.site_id == site_id, ServiceRating.at_ms >= start_ms, ServiceRating.at_ms < end_ms
    )
    return list(session.scalars(query.order_by(ServiceRating.id)))
