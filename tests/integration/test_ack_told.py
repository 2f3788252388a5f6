"""What ack tells the other services of an answer beside the answer itself: by which door, in whose name, and whether the link opens."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import pytest

from services.ack.reminding import Sweeper
from shared.contracts.events import RecipientRegistered, RecipientRejected, RecipientsReminded
from shared.thai.dates import BANGKOK
from tests.support.ack import FORM, REGISTERED, REJECTED, OpenAck, Sent, circular, opened_ack
from tests.support.tokens import TokenIssuer

DEADLINE = datetime(2026, 11, 25, 14, tzinfo=BANGKOK)


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


@pytest.fixture
async def sent(ack: OpenAck) -> Sent:
    sent = circular(3, deadline=DEADLINE)
    await ack.apply(*sent.chunks())
    return sent


async def _revoke(ack: OpenAck, sent: Sent, at: int) -> None:
    path = f"/v1/recipients/{sent.recipients[at].recipient_id}/link-revocations"
    answer = await ack.http.post(path, json={"reason": "ส่งผิดกล่อง"}, headers=ack.headers(sent.sender))
    assert answer.status_code == 200, answer.text


async def test_an_answer_is_told_with_its_door_its_name_and_whether_the_link_opens(ack: OpenAck, sent: Sent) -> None:
    by_page, by_token, refuses = sent.recipients
    for recipient, form in ((by_page, REGISTERED), (refuses, REJECTED)):
        nonce = ack.resources.forms.nonce(recipient.recipient_id)
        answer = await ack.http.post(f"/a/{ack.link(recipient)}", data={**form, "nonce": nonce}, headers=FORM)
        assert answer.status_code in (200, 303), answer.text
    await _revoke(ack, sent, 1)
    assert (await ack.acknowledge(by_token)).status_code == 200
    seen = {
        one["recipient_id"]: (one["door"], one["registrar_name"], one["link_opens"])
        for kind in (RecipientRegistered, RecipientRejected)
        for one in await ack.told(kind)
    }
    assert seen[str(by_page.recipient_id)] == ("page", REGISTERED["registrar_name"], True)
    assert seen[str(refuses.recipient_id)] == ("page", REJECTED["registrar_name"], True)
    door, name, opens = seen[str(by_token.recipient_id)]
    assert (door, bool(name), opens) == ("api", True, False)


async def test_a_reminder_says_whose_link_was_revoked(ack: OpenAck, sent: Sent) -> None:
    await _revoke(ack, sent, 1)
    ack.clock.now = DEADLINE + timedelta(microseconds=1)
    assert await Sweeper(ack.resources.database, ack.clock, poll_interval=1).run_once()
    reminded = (await ack.told(RecipientsReminded))[0]["recipients"]
    opens = {one["recipient_id"]: one["link_opens"] for one in reminded}
    assert [opens[str(one.recipient_id)] for one in sent.recipients] == [True, False, True]


def test_what_older_versions_told_is_read_still() -> None:
    old = {
        "recipient_id": "01a20adc-9390-7782-9bd7-063620469840",
        "circular_id": "01a20adc-9390-7782-9bd7-063620469841",
        "agency_id": "01a20adc-9390-7782-9bd7-063620469842",
        "letter_id": "01a20adc-9390-7782-9bd7-063620469843",
        "receive_number": "๓๓๓",
        "receive_date": "2017-11-10",
        "recorded_at": "2017-11-10T03:00:00Z",
    }
    event = RecipientRegistered.model_validate(old)
    assert (event.door, event.registrar_name, event.link_opens) == (None, None, True)
