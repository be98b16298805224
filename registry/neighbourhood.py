"""Which compounds help which in an emergency."""

from collections.abc import Collection

from sqlalchemy import BigInteger, ForeignKey, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.site import Site

MOST_HELPERS = 20


class SiteNeighbour(Table):
    """The staff of `helper_id` help at `site_id`; the other way round is a row of its own."""

    __tablename__ = "site_neighbour"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    helper_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    agreed_ms: Mapped[int] = mapped_column(BigInteger)


def helpers_of(session: Session, site_id: int) -> list[Site]:
    query = select(Site).join(SiteNeighbour, SiteNeighbour.helper_id == Site.id)
    return list(session.scalars(query.where(SiteNeighbour.site_id == site_id).order_by(Site.key)))


def set_helpers(session: Session, site: Site, helpers: Collection[Site], *, now_ms: int) -> None:
    """Raises InvalidField for a compound that would be its own neighbour, or for too many."""
    ids = {helper.id for helper in helpers}
    if site.id in ids:
        raise InvalidField("neighbours", "a compound is not its own neighbour")
    if len(ids) > MOST_HELPERS:
        raise InvalidField("neighbours", f"are too many: {MOST_HELPERS} at most")
    present = set(session.scalars(select(SiteNeighbour.helper_id).where(SiteNeighbour.site_id == site.id)))
    gone, new = present - ids, ids - present
    if gone:
        session.execute(
            delete(SiteNeighbour).where(SiteNeighbour.site_id == site.id, SiteNeighbour.helper_id.in_(gone))
        )
    if new:
        rows = [{"site_id": site.id, "helper_id": each, "agreed_ms": now_ms} for each in sorted(new)]
        session.execute(insert(SiteNeighbour), rows)
