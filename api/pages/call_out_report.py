"""The report of a call-out, to be read on a screen and to be printed."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from alerts.call_out import get_call_out
from alerts.call_out_errors import UnknownCallOut
from alerts.call_out_report import report_of
from api.pages.call_out_cards import call_out_card, muster_rows, stage_cards
from api.pages.moments import duration_text
from api.pages.rendering import reader_of, render
from api.resources import Held
from api.routes.parameters import LARGEST_ID
from api.security import PageActor, check_site

router = APIRouter(include_in_schema=False)


@router.get("/call-outs/{call_out_id}/report")
def show_report(request: Request, actor: PageActor, held: Held, call_out_id: int) -> HTMLResponse:
    reader = reader_of(request)

    def span(span_ms: int | None) -> str:
        return duration_text(span_ms, _=reader._) if span_ms is not None else "–"

    with held.database.reading() as session:
        call_out = get_call_out(session, min(call_out_id, LARGEST_ID))
        check_site(request, actor, call_out.site.key, unknown=UnknownCallOut(call_out_id))
        report = report_of(session, call_out, now_ms=reader.now_ms)
        cards = stage_cards(call_out, reader=reader)
        end_ms = call_out.stood_down_ms
        return render(
            request,
            "call_out_report.html",
            reader,
            call_out=call_out_card(call_out, report.muster, reader=reader, is_named=True),
            stood_down_by=reader.who_and_role(call_out.stood_down_by),
            ended_by=reader.who_and_role(call_out.ended_by),
            lasted=span(end_ms - call_out.called_ms) if end_ms is not None and call_out.called_ms is not None else "",
            stages=list(zip(cards, report.stages, strict=True)),
            times=[(each.number, span(each.coming_ms), span(each.arrived_ms)) for each in report.times],
            stock=report.stock,
            alarm_ids=report.alarm_ids,
            people=muster_rows(report.people, call_out, reader=reader),
        )
