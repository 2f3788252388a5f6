"""The entrance for whoever holds paper: one field for the code of the cover sheet, which leads to the letter's page."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.ack import problems
from services.ack.api.dependencies import Ack
from services.ack.api.pages import form_fields
from services.ack.pages import render
from services.ack.store import paper_codes
from shared.codes import code_digest, read_code
from shared.links import Purpose
from shared.problems import Problem

router = APIRouter(tags=["pages"])


@router.api_route("/a", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def show_entrance() -> Response:
    """The field for the code."""
    return _shown("")


@router.post("/a", response_class=HTMLResponse, include_in_schema=False)
async def take_code(request: Request, ack: Ack) -> Response:
    """Leads on to the page behind the link of the letter; records nothing."""
    typed = (await form_fields(request)).get("code", "")
    code = read_code(typed)
    if code is None:
        return _shown(typed, problems.CODE_MISTYPED)
    async with ack.database.connection() as connection:
        recipient_id = await paper_codes.find(connection, code_digest(ack.settings.link_key.get_secret_value(), code))
    if recipient_id is None:
        return _shown(typed, problems.CODE_UNKNOWN)
    # 303: the browser asks for the page with GET, and the code stays out of every address.
    return RedirectResponse(f"/a/{ack.links.sign(Purpose.ACKNOWLEDGE, recipient_id)}", 303, render.HEADERS)


def _shown(typed: str, problem: Problem | None = None) -> Response:
    return render.page("entrance.html", {"typed": typed, "problem": problem}, status=200 if problem is None else problem.status)
