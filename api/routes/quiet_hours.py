"""The caller's own quiet hours: minor messages wait for their end."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.resources import Held
from api.security import ApiActor
from registry.quiet_hours import QuietHours, clear_quiet_hours, quiet_hours_of, set_quiet_hours

router = APIRouter(prefix="/me/quiet-hours", tags=["people"])

ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM, at the compound")]


class QuietHoursShape(BaseModel):
    start: ClockTime
    end: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="may be after midnight")]


class OwnQuietHours(BaseModel):
    quiet_hours: QuietHoursShape | None = Field(description="absent for none besides those of the compounds")


def _shape(kept: QuietHours) -> QuietHoursShape:
    return QuietHoursShape(start=_clock(kept.start_min), end=_clock(kept.end_min))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _person(actor: ApiActor) -> int:
    assert actor.person_id is not None, "a program speaks for a person"
    return actor.person_id


@router.get("")
def show_quiet_hours(actor: ApiActor, held: Held) -> OwnQuietHours:
    with held.database.reading() as session:
        kept = quiet_hours_of(session, [_person(actor)]).get(_person(actor))
        return OwnQuietHours(quiet_hours=_shape(kept) if kept is not None else None)


@router.put("")
def put_quiet_hours(actor: ApiActor, held: Held, wanted: QuietHoursShape) -> OwnQuietHours:
    """Minor messages wait for their end and come as one. Grave ones, fire and entrapment never wait."""
    with held.database.writing() as session:
        kept = set_quiet_hours(session, _person(actor), start_min=_minute(wanted.start), end_min=_minute(wanted.end))
        return OwnQuietHours(quiet_hours=_shape(kept))


@router.delete("", status_code=204)
def delete_quiet_hours(actor: ApiActor, held: Held) -> None:
    with held.database.writing() as session:
        clear_quiet_hours(session, _person(actor))
