"""The evidence of a proposal: read online, checked by its hash, printed on A4 with a code that leads back here."""

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.gathered_evidence import evidence_of
from api.pages.evidence_words import EvidenceTeller
from api.pages.proposal_words import MATTER_TITLES, PROCEDURE_TITLES
from api.pages.proposals import visible_proposal
from api.pages.rendering import reader_of, render
from api.pages.report_codes import drawn
from api.resources import Held
from api.security import PageActor
from api.translations import as_language, translator
from governance.evidence import content_of, digest_of, frozen_pack, frozen_packs
from governance.proposal_stages import Procedure
from governance.ruleset import Matter
from registry.database import compact_json

router = APIRouter(include_in_schema=False)


@router.get("/proposals/{proposal_id}/evidence")
def show_evidence(
    request: Request, actor: PageActor, held: Held, proposal_id: int, language: str = "", round: int = 0
) -> HTMLResponse:
    """`language` prints the pack in a language other than the reader's; `round` shows what was frozen earlier."""
    reader = reader_of(request)
    if (wanted := as_language(language)) is not None:
        reader = replace(reader, _=translator(wanted))
    _ = reader._
    with held.database.reading() as session:
        proposal = visible_proposal(request, session, actor, proposal_id)
        packs = frozen_packs(session, proposal.id)
        pack = next((each for each in packs if each.round == round), None) or frozen_pack(session, proposal)
        if pack is not None:
            content, digest, is_intact = content_of(pack), pack.digest, pack.is_intact
        else:
            content = evidence_of(request, session, proposal, now_ms=reader.now_ms)
            digest, is_intact = digest_of(compact_json(content)), True
        teller = EvidenceTeller(content, _=_)
        address = f"{str(request.base_url).rstrip('/')}/proposals/{proposal.id}/evidence"
        told = content["proposal"]
        return render(
            request,
            "evidence.html",
            reader,
            proposal_id=proposal.id,
            told=told,
            matter=_(MATTER_TITLES[Matter(told["matter"])]),
            procedure=_(PROCEDURE_TITLES[Procedure(told["procedure"])]),
            amount=teller.yuan(told["amount_fen"]),
            span=(
                reader.moment(content["span"]["start_ms"]).iso[:10],
                reader.moment(content["span"]["end_ms"]).iso[:10],
            ),
            frozen=reader.moment(pack.frozen_ms, proposal.site.timezone) if pack is not None else None,
            digest=digest,
            is_intact=is_intact,
            earlier=[each.round for each in packs if pack is None or each.id != pack.id],
            sections=teller.sections(),
            options=teller.options(),
            covers=teller.covers(),
            money=teller.money(),
            cannot_say=teller.cannot_say(),
            address=address,
            drawing=drawn(address),
            is_other_language=wanted is not None,
        )


@router.get("/proposals/{proposal_id}/evidence.json")
def download_evidence(request: Request, actor: PageActor, held: Held, proposal_id: int, round: int = 0) -> Response:
    """The very bytes that the hash is of."""
    with held.database.reading() as session:
        proposal = visible_proposal(request, session, actor, proposal_id)
        pack = next((each for each in frozen_packs(session, proposal.id) if each.round == round), None)
        pack = pack or frozen_pack(session, proposal)
        if pack is not None:
            text = pack.content
        else:
            text = compact_json(evidence_of(request, session, proposal, now_ms=held.clock()))
    name = f"evidence-{proposal_id}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.encode(), media_type="application/json", headers=headers)
