"""The receive stamp over an agency's own PDF: upper right for whoever looks at it, and no file stops the service."""

import io
import math
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import FloatObject, NameObject, RectangleObject

from services.ack.stamping import Box, placed
from tests.support.ack import OpenAck, Sent, agency_of, circular, opened_ack
from tests.support.hostile_pdfs import one_page
from tests.support.stamps import inked
from tests.support.tokens import TokenIssuer

A4 = (0.0, 0.0, 595.0, 842.0)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_copy_max_bytes=200_000, ack_copy_timeout=20) as opened:
        yield opened


async def registered(ack: OpenAck) -> Sent:
    sent = circular(1)
    (recipient,) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name="สำนักงานจังหวัด GECC"))
    assert (await ack.acknowledge(recipient)).status_code == 200
    return sent


async def post(ack: OpenAck, sent: Sent, body: bytes, **headers: str) -> httpx.Response:
    (recipient,) = sent.recipients
    given = {"Content-Type": "application/pdf", **(headers or ack.headers(recipient.agency_id))}
    return await ack.http.post(f"/v1/recipients/{recipient.recipient_id}/stamped-copy", content=body, headers=given)


def paper(
    box: tuple[float, float, float, float] = A4,
    *,
    pages: int = 2,
    crop: tuple[float, float, float, float] | None = None,
    rotation: int = 0,
    unit: float | None = None,
    password: str | None = None,
) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        page = writer.add_blank_page(10, 10)
        page.mediabox = RectangleObject(box)
        page.cropbox = RectangleObject(box if crop is None else crop)
        if rotation:
            page.rotate(rotation)
        if unit is not None:
            page[NameObject("/UserUnit")] = FloatObject(unit)
    if password is not None:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"rotation": 90},
        {"rotation": 180},
        {"rotation": 270},
        {"box": (-300.0, 200.0, 295.0, 1042.0)},
        {"box": (595.0, 842.0, 0.0, 0.0)},
        {"crop": (100.0, 100.0, 500.0, 700.0), "rotation": 90},
        {"box": (0.0, 0.0, 120.0, 90.0), "pages": 1},
        {"box": (0.0, 0.0, 297.5, 421.0), "unit": 2.0},
    ],
)
async def test_the_stamp_lies_upper_right_on_the_first_page_alone(ack: OpenAck, odd: dict[str, Any]) -> None:
    answer = await post(ack, await registered(ack), paper(**odd))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["cache-control"] == "no-store"
    place = inked(answer.content)
    assert place is not None
    left, top, right, bottom = place
    assert left + right > 1, "on the right"
    assert 0.75 < right < 1
    assert 0 < top < 0.25
    assert bottom < 0.75
    reader = PdfReader(io.BytesIO(answer.content))
    assert len(reader.pages) == odd.get("pages", 2)
    if len(reader.pages) > 1:
        assert inked(answer.content, 1) is None
    text = "".join(reader.pages[0].extract_text().split())
    for written in ("GECC", "๑๑๐๗๒", "๐๙.๓๐น."):
        assert written in text, text


async def test_a_copy_stays_of_the_version_that_it_was(ack: OpenAck) -> None:
    answer = await post(ack, await registered(ack), one_page())
    assert answer.content.startswith(b"%PDF-1.7\n")


@given(
    rotation=st.sampled_from([0, 90, 180, 270]),
    corner=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    across=st.floats(1, 14_400),
    down=st.floats(1, 14_400),
    unit=st.floats(0.1, 100),
)
def test_the_stamp_is_inside_whatever_the_page(
    rotation: int, corner: tuple[float, float], across: float, down: float, unit: float
) -> None:
    box = Box(corner[0], corner[1], corner[0] + across, corner[1] + down)
    size = 181.0, 95.0
    scale, turn, (x, y) = placed(box, rotation, size, unit)
    angle = math.radians(turn)
    for along, up in ((0.0, 0.0), (size[0], 0.0), (0.0, size[1]), size):
        at_x = x + scale * (along * math.cos(angle) - up * math.sin(angle))
        at_y = y + scale * (along * math.sin(angle) + up * math.cos(angle))
        assert box.left - 1e-6 <= at_x <= box.right + 1e-6
        assert box.bottom - 1e-6 <= at_y <= box.top + 1e-6


async def test_what_cannot_be_stamped_is_refused_with_the_reason(ack: OpenAck, tmp_path: Path) -> None:
    sent = await registered(ack)
    whole = paper()
    for body, told in (
        (b"", "not a PDF"),
        (b"PK\x03\x04 a workbook", "not a PDF"),
        (paper(password="x"), "encrypted"),
        (paper(password=""), "encrypted"),
        (b"%PDF-1.7\nnothing else", "cannot be read as a PDF"),
        (whole[: len(whole) // 2], "cannot be read as a PDF"),
        (paper((0.0, 0.0, 0.0, 0.0)), "no area"),
        (paper(pages=0), "no page"),
        (one_page(b"/Rotate 45"), "turned by 45 degrees"),
    ):
        refused = await post(ack, sent, body)
        assert (refused.status_code, refused.json()["code"]) == (422, "copy_not_stampable"), body[:20]
        assert told in refused.json()["detail"], refused.json()["detail"]
    large = await post(ack, sent, whole + b"\n" * 200_000)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(30):
            yield b"%PDF-" * 2000

    (recipient,) = sent.recipients
    path = f"/v1/recipients/{recipient.recipient_id}/stamped-copy"
    unsaid = await ack.http.post(path, content=pieces(), headers=ack.headers(recipient.agency_id))
    assert (unsaid.status_code, unsaid.json()["code"]) == (413, "body_too_large")


async def test_a_pdf_that_takes_too_long_is_given_up_and_its_process_ended(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with opened_ack(settings_environment, token_issuer, ack_copy_timeout=0.05) as ack:
        sent = await registered(ack)
        refused = await post(ack, sent, paper())
        assert (refused.status_code, refused.json()["code"]) == (422, "copy_not_stampable")
        assert "0.05 seconds" in refused.json()["detail"]


async def test_only_the_recipient_has_its_copy_stamped(ack: OpenAck) -> None:
    sent = await registered(ack)
    assert (await post(ack, sent, paper(), **ack.headers(sent.sender))).status_code == 404
    assert (await post(ack, sent, paper(), Authorization="Bearer x")).status_code == 401
    other = circular(1)
    await ack.apply(*other.chunks())
    early = await post(ack, other, paper())
    assert (early.status_code, early.json()["code"]) == (409, "not_answered")
