"""The tracking page in a real browser: it moves with the circular, and without JavaScript it is read again by hand."""

import pytest
from playwright.async_api import expect

from tests.support.ack import OpenAck, circular, handed_over
from tests.support.browser import LANGUAGES, SIZES, Visitor, is_wider_than_its_window, keep_picture, violations


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


@pytest.mark.parametrize("size", SIZES)
async def test_the_relay_tree_grows_on_the_tracking_page_and_stands_on_its_own(ack: OpenAck, visitor: Visitor, size: str) -> None:
    sent = circular(["ผู้ว่าราชการจังหวัดสมุทรสาคร", "ผู้ว่าราชการจังหวัดนครปฐม"], relay_duties=[1, 2])
    await ack.apply(*sent.chunks(), handed_over(sent, *sent.recipients))
    below = circular(12, relay_of=sent.recipients[0].recipient_id)
    async with visitor.page(f"/t/{ack.tracking(sent)}", size=SIZES[size]) as page:
        levels = page.locator("#tree-levels .levels > li")
        await expect(levels).to_have_count(1)
        await ack.apply(*below.chunks(), handed_over(below, *below.recipients[:8]))
        for recipient in below.recipients[:5]:
            await ack.acknowledge(recipient)
        await expect(levels).to_have_count(2)
        await expect(levels.nth(1)).to_contain_text("๑๒ หน่วยงาน")
        assert await violations(page) == []
        assert not await is_wider_than_its_window(page)
        await keep_picture(page, f"tracking-tree-{size}")
    async with visitor.page(f"/t/{ack.tracking(sent)}/tree", size=SIZES[size]) as page:
        assert await violations(page) == []
    async with visitor.page(f"/t/{ack.tracking(sent)}", size=SIZES[size], script=False) as page:
        await page.get_by_role("link", name="Relay tree").click()
        await expect(page.locator(".levels > li")).to_have_count(2)
        await expect(page.get_by_role("row", name="ผู้ว่าราชการจังหวัดสมุทรสาคร")).to_contain_text("ลงรับแล้ว ๕")
        assert not await is_wider_than_its_window(page)
        await keep_picture(page, f"tree-{size}")
        await page.emulate_media(media="print")
        await keep_picture(page, f"tree-print-{size}")
