"""Pages for people: rendered on the server in the reader's language, useful without a script.

Here belongs what is shown and how it is told. Here may not be: a rule of the domain, a query (those stand with their
tables), markup in Python.
"""

from fastapi import APIRouter

from api.pages import (
    alarms,
    assets,
    board,
    data_quality,
    due,
    duty,
    messages,
    report,
    report_codes,
    sign_in,
    ticket_case,
    ticket_page,
    tickets,
    units,
)
from api.pages.error_pages import error_page

__all__ = ["error_page", "router"]

router = APIRouter(include_in_schema=False)
for part in (
    board,
    units,
    alarms,
    tickets,
    ticket_page,
    ticket_case,
    report,
    report_codes,
    data_quality,
    due,
    duty,
    messages,
    sign_in,
    assets,
):
    router.include_router(part.router)
