"""The tracking page in a real browser: it moves with the circular, and without JavaScript it is read again by hand."""

import pytest
from playwright.async_api import expect

from tests.support.ack import OpenAck, circular, handed_over
from tests.support.browser import LANGUAGES, SIZES, Visitor, is_wider_than_its_window, keep_picture


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_moves_with_the_circular(ack: OpenAck, visitor: Visitor, size: str, language: str) -> None:
    sent = circular(["ปลัดจังหวัดสมุทรสาคร", "นายอำเภอเมืองสมุทรสาคร", "นายอำเภอบ้านแพ้ว"])
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    async with visitor.page(f"/t/{ack.tracking(sent)}", size=SIZES[size], language=language) as page:
        await expect(page.locator("#figure-registered")).to_have_text("๐")
        await ack.acknowledge(sent.recipients[1])
        await expect(page.locator("#line-2")).to_contain_text("๑๑๐๗๒")
        await expect(page.locator("#figure-registered")).to_have_text("๑")
        assert not await is_wider_than_its_window(page)
        await keep_picture(page, f"tracking-{size}-{language}")


async def test_without_javascript_it_says_how_to_see_more(ack: OpenAck, visitor: Visitor) -> None:
    sent = circular(2)
    await ack.apply(*sent.chunks())
    async with visitor.page(f"/t/{ack.tracking(sent)}", script=False) as page:
        await ack.acknowledge(sent.recipients[0])
        await page.get_by_role("link", name="Load again").click()
        await expect(page.locator("#line-1")).to_contain_text("๑๑๐๗๒")
