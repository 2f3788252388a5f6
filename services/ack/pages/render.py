"""Renders templates: every value is escaped, and every page goes out with the same strict headers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.ack import wording
from shared.thai.dates import clock, english_date, long_date, short_date
from shared.thai.digits import to_thai

FOLDER: Final = Path(__file__).parent

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; script-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        thai=to_thai,
        long_date=long_date,
        short_date=short_date,
        english_date=english_date,
        clock=clock,
        moment=wording.moment,
        fields=wording.fields,
        cited=wording.cited,
        file_size=file_size,
    )
    return environment


def file_size(size: int) -> str:
    """'๑.๒ MB': rounded for people."""
    if size < 1024:
        return to_thai(f"{size} B")
    shown, unit = (size / 1024, "KB") if size < 1024 * 1024 else (size / (1024 * 1024), "MB")
    return to_thai(f"{shown:.1f} {unit}")


_ENVIRONMENT: Final = _environment()


def page(
    template: str, values: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """The rendered page as an answer."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(values), status, {**HEADERS, **(headers or {})})
