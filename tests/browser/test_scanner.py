"""A mail scanner with a whole browser: it runs scripts, follows every link, presses every button and submits every form as it stands."""

from playwright.async_api import Page

from tests.support.ack import OpenAck, circular
from tests.support.browser import Visitor


async def _submit_everything(page: Page, path: str) -> int:
    forms: int = await page.evaluate("document.forms.length")
    for number in range(forms):
        # `submit()` asks no field whether it is filled in; `click()` presses the button as a person would.
        for act in ("form => form.submit()", "form => { form.noValidate = true; form.querySelector('button').click() }"):
            async with page.expect_navigation():
                await page.evaluate(f"number => ({act})(document.forms[number])", number)
            await page.goto(path)
    return forms


async def test_a_scanner_that_submits_every_form_answers_nothing(ack: OpenAck, visitor: Visitor) -> None:
    sent = circular(2)
    answered, waiting = sent.recipients
    await ack.apply(*sent.chunks())
    await ack.acknowledge(answered)
    doubt = f"/v1/recipients/{answered.recipient_id}/disputes"
    assert (await ack.http.post(doubt, json={"text": "ผิดฉบับ"}, headers=ack.headers(sent.sender))).status_code == 200
    owed = await ack.outgoing()
    for recipient, forms in ((answered, 3), (waiting, 2)):
        path = f"/a/{ack.link(recipient)}"
        async with visitor.page(path) as page:
            assert await _submit_everything(page, path) == forms
    async with visitor.page(f"/t/{ack.tracking(sent)}") as page:
        assert await page.evaluate("document.forms.length") == 0
    assert [row["state"] for row in await ack.rows(sent)] == ["registered", "awaiting"]
    assert await ack.outgoing() == owed
