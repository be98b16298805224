"""Tokens for programs, and who their bearer is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from api.routes.shapes import GrantShape, PersonShape, TokenShape
from api.security import ApiActor, sign_in, sign_out
from registry.login import LIFETIME_MS, Purpose

router = APIRouter(tags=["sign-in"])


@router.post("/token")
def open_token(request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> TokenShape:
    """Gives a bearer token for a name and a password."""
    login = sign_in(request, name=form.username, password=form.password, purpose=Purpose.API)
    return TokenShape(access_token=login.secret, expires_in=LIFETIME_MS // 1000)


@router.delete("/token", status_code=204)
def close_token(request: Request, _: ApiActor) -> Response:
    """Ends the login that this request carries."""
    sign_out(request)
    return Response(status_code=204)


@router.get("/me")
def show_caller(actor: ApiActor) -> PersonShape:
    return PersonShape(
        name=actor.name,
        display_name=actor.display_name,
        language=actor.language,
        grants=[GrantShape(role=grant.role, site=grant.site) for grant in actor.grants],
    )
