"""Readers of pages: people with a browser, in the small world of the API's tests."""

from collections.abc import Callable, Mapping

import pytest

from api.security import CSRF_FIELD, CSRF_HEADER
from registry.role import Role
from tests.api.kit import World
from tests.api.pages.reading import Page

Grants = tuple[Role, str | None]


class Browser:
    """A person at a browser, in English unless they choose otherwise."""

    def __init__(self, world: World, headers: Mapping[str, str]) -> None:
        self._world = world
        self.headers = {**headers, "Accept": "text/html", "Accept-Language": "en"}

    def get(self, path: str) -> Page:
        return Page(self._world.client.get(path, headers=self.headers))

    def post(self, path: str, **fields: str) -> Page:
        form = {CSRF_FIELD: self.headers[CSRF_HEADER], **fields}
        return Page(self._world.client.post(path, headers=self.headers, data=form))


@pytest.fixture
def browser_of(world: World) -> Callable[..., Browser]:
    """`browser_of((Role.TECHNICIAN, "xiaohe"))`: a new person with these roles, signed in."""
    return lambda *grants: Browser(world, world.session(*grants))


@pytest.fixture
def admin(world: World) -> Browser:
    return Browser(world, world.session((Role.ADMIN, None)))
