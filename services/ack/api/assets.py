"""Style sheet, script and font of the pages."""

import hashlib
from pathlib import Path
from typing import Final

import fontpkg_sarabun
from fastapi import APIRouter, Request, Response

from shared import problems
from shared.problems import ProblemError

router = APIRouter(tags=["pages"])

_OWN: Final = Path(__file__).parent.parent / "pages" / "assets"
_FONTS: Final = Path(fontpkg_sarabun.ROOT) / "files"
# A closed list: the name in the address never becomes a path.
FILES: Final = {
    "style.css": (_OWN / "style.css", "text/css; charset=utf-8"),
    "icon.svg": (_OWN / "icon.svg", "image/svg+xml"),
    "track.js": (_OWN / "track.js", "text/javascript; charset=utf-8"),
    "Sarabun-Regular.ttf": (_FONTS / "Sarabun-Regular.ttf", "font/ttf"),
    "Sarabun-Medium.ttf": (_FONTS / "Sarabun-Medium.ttf", "font/ttf"),
    "Sarabun-SemiBold.ttf": (_FONTS / "Sarabun-SemiBold.ttf", "font/ttf"),
}
_DAY: Final = 86_400


@router.api_route("/assets/{name}", methods=["GET", "HEAD"], include_in_schema=False)
def read_asset(name: str, request: Request) -> Response:
    """A file of the pages, by its name on the list."""
    if name not in FILES:
        raise ProblemError(problems.NOT_FOUND)
    path, media_type = FILES[name]
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # The style may change with a release, and its address does not; a font never changes.
    age = 30 * _DAY if media_type == "font/ttf" else 300
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={age}", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type=media_type)
