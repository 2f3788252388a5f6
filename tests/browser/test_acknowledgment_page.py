"""The acknowledgment page in a real browser: without JavaScript, by keyboard, on a telephone, for whoever cannot see it."""

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from shared.codes import acknowledgment_code
from shared.contracts.events import Channel, HandOverGrade, Speed
from tests.support.ack import NOW, REGISTERED, REJECTED, OpenAck, Sent, agency_of, circular, handed_over
from tests.support.browser import LANGUAGES, PHONE, SIZES, Visitor, is_wider_than_its_window, keep_picture, violations


def sent_letter() -> Sent:
    return circular(
        ["ปลัดจังหวัดสมุทรสาคร", "นายอำเภอเมืองสมุทรสาคร"],
        relay_duties=[1],
        deadline=NOW + timedelta(days=1),
        speed=Speed.URGENT,
        body=(
            "ด้วยจังหวัดสมุทรสาครได้รับแจ้งว่า เพื่อให้การพัฒนางานบริการประชาชนเป็นไปตามเกณฑ์มาตรฐานศูนย์ราชการสะดวก จึงขอให้หน่วยงานในสังกัดดำเนินการตามแนวทางที่ส่งมาพร้อมนี้",
            "จึงเรียนมาเพื่อพิจารณาดำเนินการ และแจ้งให้หน่วยงานในสังกัดทราบต่อไป",
        ),
    )


async def fill_in(page: Page, number: str = REGISTERED["receive_number"]) -> None:
    await page.get_by_label("Receive number").fill(number)
    await page.get_by_label("Date", exact=False).fill(REGISTERED["receive_date"])
    await page.get_by_label("Time").fill(REGISTERED["receive_time"])
    await page.locator("#reg-registrar_name").fill(REGISTERED["registrar_name"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_clerk_reads_and_registers_without_javascript(ack: OpenAck, visitor: Visitor, size: str, language: str) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks(), agency_of(recipient, name="ที่ทำการปกครองจังหวัดสมุทรสาคร"))
    async with visitor.page(f"/a/{ack.link(recipient)}", size=SIZES[size], language=language, script=False) as page:
        await expect(page.get_by_role("heading", level=1)).to_contain_text(sent.letter.subject)
        await expect(page.get_by_role("heading", name="Register this letter")).to_be_visible()
        assert not await is_wider_than_its_window(page)
        await keep_picture(page, f"letter-{size}-{language}")
        await fill_in(page)
        await page.get_by_role("button", name="Register").click()
        await expect(page.get_by_role("heading", name="Registered")).to_be_visible()
        await expect(page.locator(".stamp")).to_contain_text(REGISTERED["receive_number"])
        assert not await is_wider_than_its_window(page)
        await keep_picture(page, f"receipt-{size}-{language}")
    row = (await ack.rows(sent))[0]
    assert (row["state"], row["receive_number"]) == ("registered", REGISTERED["receive_number"])


async def test_the_keyboard_alone_leads_to_a_receipt(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks())
    async with visitor.page(f"/a/{ack.link(recipient)}", size=PHONE, script=False) as page:
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        typed = {
            "reg-receive_number": REGISTERED["receive_number"],
            "reg-registrar_name": REGISTERED["registrar_name"],
            "reg-unit": REGISTERED["unit"],
        }
        button = page.get_by_role("button", name="Register")
        for _ in range(40):
            await page.keyboard.press("Tab")
            at = await page.evaluate("document.activeElement.id")
            # Everything that is reached shows that it is: an outline, which nothing else of the page has.
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            if at in typed:
                await page.keyboard.insert_text(typed.pop(at))
            if await button.evaluate("element => element === document.activeElement"):
                break
        assert not typed, "every field was reached before the button"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Registered")).to_be_visible()
    assert (await ack.rows(sent))[0]["state"] == "registered"


async def test_what_was_typed_wrongly_is_said_at_its_field(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks())
    async with visitor.page(f"/a/{ack.link(recipient)}", size=PHONE) as page:
        await fill_in(page, "ไม่มี")
        await page.get_by_role("button", name="Register").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        number = page.get_by_label("Receive number")
        await expect(number).to_have_attribute("aria-invalid", "true")
        assert "เลขรับไม่ถูกต้อง" in await page.locator("#reg-receive_number-fault").inner_text()
        await expect(number).to_have_value("ไม่มี")
        assert await violations(page) == []
        await keep_picture(page, "letter-wrong-phone")


async def test_a_letter_is_refused_on_the_same_page(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks())
    async with visitor.page(f"/a/{ack.link(recipient)}", size=PHONE, script=False) as page:
        await page.get_by_text("Misaddressed, or refused").click()
        await page.locator("#rej-reason").select_option(REJECTED["reason"])
        await page.locator("#rej-text").fill(REJECTED["text"])
        await page.locator("#rej-registrar_name").fill(REJECTED["registrar_name"])
        await keep_picture(page, "letter-refusing-phone")
        await page.get_by_role("button", name="Refuse").click()
        await expect(page.get_by_role("heading", name="Refused")).to_be_visible()
        await keep_picture(page, "refused-phone")


async def test_a_clerk_corrects_and_withdraws_what_was_wrong(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks())
    await ack.acknowledge(recipient)
    async with visitor.page(f"/a/{ack.link(recipient)}", size=PHONE, script=False) as page:
        await page.get_by_text("Correct the number or the date").click()
        number = page.locator("#cor-receive_number")
        await expect(number).to_have_value(REGISTERED["receive_number"])
        await number.fill("๑๑๐๗๓")
        await page.locator("#cor-reason").fill("พิมพ์ผิด")
        await page.get_by_role("button", name="Record the correction").click()
        await expect(page.get_by_role("status")).to_contain_text("The correction is recorded")
        await expect(page.get_by_role("status")).to_be_in_viewport()
        await expect(page.locator(".stamp")).to_contain_text("๑๑๐๗๓")
        # Loading again is asked with GET, and changes nothing.
        await page.reload()
        await page.get_by_text("Withdraw an answer given by mistake").click()
        await page.get_by_role("button", name="Withdraw").click()
        await expect(page.locator("#wit-reason")).to_be_focused()
        await page.locator("#wit-reason").fill("ลงรับผิดฉบับ")
        await page.get_by_role("button", name="Withdraw").click()
        await expect(page.get_by_role("status")).to_contain_text("The answer is withdrawn")
        await expect(page.get_by_role("status")).to_be_in_viewport()
        await expect(page.get_by_role("heading", name="Register this letter")).to_be_visible()
    assert (await ack.rows(sent))[0]["receive_number"] is None
    assert await ack.outgoing() == ["ack.recipient.registered.v1"] * 2 + ["ack.recipient.withdrawn.v1"]


async def test_what_is_refused_after_an_answer_is_readable_too(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    await ack.apply(*sent.chunks())
    async with visitor.page(f"/a/{ack.link(recipient)}", size=PHONE) as page:
        await fill_in(page, "๗๗๗")
        await ack.acknowledge(recipient)
        await page.get_by_role("button", name="Register").click()
        await expect(page.get_by_role("alert")).to_contain_text("๗๗๗")
        await expect(page.locator(".stamp")).to_contain_text(REGISTERED["receive_number"])
        assert await violations(page) == []
        await keep_picture(page, "answered-otherwise-phone")
        await page.get_by_text("Correct the number or the date").click()
        await page.locator("#cor-receive_number").fill("ไม่มี")
        await page.locator("#cor-reason").fill("พิมพ์ผิด")
        await page.get_by_role("button", name="Record the correction").click()
        await expect(page.locator("#cor-receive_number-fault")).to_be_visible()
        await expect(page.locator("#cor-reason")).to_have_value("พิมพ์ผิด")
        assert await violations(page) == []
        await keep_picture(page, "correction-wrong-phone")


async def test_a_code_from_paper_leads_to_the_letter(ack: OpenAck, visitor: Visitor) -> None:
    sent = sent_letter()
    (recipient, _) = sent.recipients
    news = handed_over(sent, recipient, channel=Channel.PAPER, grade=HandOverGrade.BLIND)
    await ack.apply(*sent.chunks(), news)
    async with visitor.page("/a", size=PHONE) as page:
        code = page.get_by_label("Acknowledgment code")
        await code.fill("1234")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await violations(page) == []
        await keep_picture(page, "code-wrong-phone")
        await code.fill(acknowledgment_code(ack.resources.settings.link_key.get_secret_value(), recipient.recipient_id))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(sent.letter.subject)
