"""Mails beside letters against a real mail server: reminders, and what was answered in an agency's name."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from services.ack.facts import Door, RejectionReason
from services.dispatch.mail_notices import MAILED_DOORS
from services.dispatch.notice_message import DOORS, REJECTIONS
from shared.access import Scope
from shared.contracts.events import CircularDispatched, RecipientRegistered, RecipientRejected, RecipientWithdrawn, Secrecy
from tests.support.dispatch import (
    Bench,
    bench,
    circular_dispatched,
    gathered,
    letter,
    mail_notices,
    recipient_registered,
    recipients_reminded,
)
from tests.support.eventually import eventually
from tests.support.receiver import MailSink
from tests.support.tokens import TokenIssuer
from wian.embedded.processes import OwnedProcess, free_ports

MAILBOX = "saraban@example.go.th"
BOUNCES = "bounces.wian.example.go.th"
DEADLINE = datetime(2560 - 543 + 20, 11, 20, 9, 30, tzinfo=UTC)
SUBJECT = "การพัฒนางานบริการประชาชน"


@pytest.fixture
def dispatch_variables(sink: MailSink) -> dict[str, str]:
    return {"dispatch_smtp_port": str(sink.port), "dispatch_bounce_domain": BOUNCES}


def _text(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return part.get_content()


async def _circular(dispatch: Bench, *, secrecy: Secrecy = Secrecy.NORMAL) -> CircularDispatched:
    circular = circular_dispatched([await dispatch.agency(email=MAILBOX)], content=letter(secrecy=secrecy))
    await dispatch.apply(circular)
    return circular


def _registered(circular: CircularDispatched, door: str | None, *, link_opens: bool = True) -> RecipientRegistered:
    told = {"door": door, "registrar_name": "น.ส. <b>สมศรี</b>", "link_opens": link_opens}
    return recipient_registered(circular).model_copy(update=told)


async def test_a_reminder_is_mailed_once_in_both_languages_and_acknowledges_nothing(dispatch: Bench, sink: MailSink) -> None:
    circular = await _circular(dispatch)
    event = recipients_reminded(circular, deadline=DEADLINE)
    for _ in range(2):
        await dispatch.apply(event)
    assert await dispatch.engine.mail_notifier.run_once() == 1
    assert await dispatch.engine.mail_notifier.run_once() == 0

    (message,) = sink.messages
    (notice,) = await mail_notices(dispatch)
    assert (notice["state"], notice["attempts"]) == ("sent", 1)
    assert sink.recipients == [MAILBOX]
    assert message["Message-ID"] == f"<{notice['notice_id']}@wian.invalid>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert dispatch.settings.return_paths is not None
    assert sink.senders == [dispatch.settings.return_paths.of(notice["notice_id"])]
    assert message["Subject"].startswith(f"โปรดลงทะเบียนรับหนังสือ: สค ๐๐๑๗.๑/ว ๑๕๑๒๓ เรื่อง {SUBJECT}")
    text, page = _text(message), _text(message, "html")
    for said in ("จังหวัดสมุทรสาคร", SUBJECT, "๒๐ พฤศจิกายน ๒๕๘๐ เวลา ๑๖.๓๐ น.", "20 November 2037, 16:30", "acknowledges nothing"):
        assert said in text
        assert said in page
    row = await dispatch.delivery()
    assert f"/a/{row['acknowledgment_link']}" in text
    assert "&lt;b&gt;GECC" in page
    assert (row["acknowledged_at"], row["handed_over_at"], row["attempts"]) == (None, None, 0)


async def test_the_agency_above_is_told_of_number_and_agency_and_gets_neither_subject_nor_link(
    dispatch: Bench, sink: MailSink
) -> None:
    circular = await _circular(dispatch)
    above = await dispatch.agency(email="governor@example.go.th")
    await dispatch.apply(recipients_reminded(circular, above, deadline=datetime.now(UTC), overdue=True, escalation=True))
    await dispatch.engine.mail_notifier.run_once()
    (message,) = sink.messages
    assert sink.recipients == ["governor@example.go.th"]
    text = _text(message) + _text(message, "html") + message["Subject"]
    assert "สค ๐๐๑๗.๑/ว ๑๕๑๒๓" in text
    assert "ที่ว่าการอำเภอ ในสังกัดของท่าน" in text
    assert "overdue" in text
    assert SUBJECT not in text
    assert "/a/" not in _text(message)


async def test_a_reminder_with_a_revoked_link_says_where_else_to_look(dispatch: Bench, sink: MailSink) -> None:
    circular = await _circular(dispatch)
    await dispatch.apply(recipients_reminded(circular, link_opens=False))
    await dispatch.engine.mail_notifier.run_once()
    text = _text(sink.messages[0])
    assert "/a/" not in text
    assert f"/v1/inbox/{(await dispatch.delivery())['delivery_id']}" in text


async def test_a_reminder_that_comes_before_its_letter_waits_for_it(dispatch: Bench, sink: MailSink) -> None:
    circular = circular_dispatched([await dispatch.agency(email=MAILBOX)])
    await dispatch.apply(recipients_reminded(circular))
    assert await dispatch.engine.mail_notifier.run_once() == 0
    await dispatch.apply(circular)
    assert await dispatch.engine.mail_notifier.run_once() == 1
    assert len(sink.messages) == 1


async def test_two_workers_send_each_mail_once(
    dispatch: Bench, sink: MailSink, settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    circular = await _circular(dispatch)
    for minutes in range(8):
        event = recipients_reminded(circular)
        await dispatch.apply(event.model_copy(update={"due_at": event.due_at - timedelta(minutes=minutes)}))
    async with bench(settings_environment, token_issuer, dispatch_smtp_port=str(sink.port)) as other:
        for _ in range(2):
            await gathered(dispatch.engine.mail_notifier.run_once(), other.engine.mail_notifier.run_once())
    assert len(sink.messages) == len({message["Message-ID"] for message in sink.messages}) == 8
    assert {row["state"] for row in await mail_notices(dispatch)} == {"sent"}


async def test_a_worker_that_dies_while_it_sends_is_followed_by_another_with_the_same_mail(
    dispatch: Bench, sink: MailSink, settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    await dispatch.apply(recipients_reminded(await _circular(dispatch)))
    gate = sink.gates["example.go.th"] = asyncio.Event()
    dying = asyncio.create_task(dispatch.engine.mail_notifier.run_once())

    async def under_way() -> int:
        return sink.busy["example.go.th"]

    await eventually(under_way, lambda mails: mails == 1)
    async with bench(settings_environment, token_issuer, dispatch_smtp_port=str(sink.port)) as other:
        assert await other.engine.mail_notifier.run_once() == 0, "it is claimed"
        # As by a kill: nothing is recorded, and no lease is given back. The mail server has taken the mail all the same.
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        gate.set()
        assert (await mail_notices(dispatch))[0]["state"] == "waiting"
        await _expire_leases(dispatch)
        assert await other.engine.mail_notifier.run_once() == 1
        assert await other.engine.mail_notifier.run_once() == 0
    (notice,) = await mail_notices(dispatch)
    assert notice["state"] == "sent"
    assert 1 <= len(sink.messages) <= 2
    assert {message["Message-ID"] for message in sink.messages} == {f"<{notice['notice_id']}@wian.invalid>"}


@asynccontextmanager
async def _worker_process(environment: dict[str, str], folder: Path) -> AsyncGenerator[OwnedProcess]:
    """Dispatch's workers as a process of their own, ended with the block."""
    (port,) = free_ports(1)
    process = OwnedProcess(
        [sys.executable, "-m", "services.dispatch", "worker"],
        environment={**os.environ, **environment, "WIAN_HTTP_PORT": str(port)},
        folder=Path.cwd(),
        log=folder / f"worker-{port}.log",
        held=[],
        death_signal=signal.SIGKILL,
    )
    try:
        yield process
    finally:
        await process.kill()


async def test_a_killed_process_loses_no_mail_and_repeats_only_what_it_had_in_hand(
    dispatch: Bench, sink: MailSink, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    circular = await _circular(dispatch)
    for minutes in range(30):
        event = recipients_reminded(circular)
        await dispatch.apply(event.model_copy(update={"due_at": event.due_at - timedelta(minutes=minutes)}))
    given = {**settings_environment, "dispatch_smtp_port": str(sink.port), "dispatch_bounce_domain": BOUNCES}
    given |= {"dispatch_secret_key": Fernet.generate_key().decode(), "dispatch_mail_notice_concurrency": "3"}
    environment = {f"WIAN_{name.upper()}": value for name, value in given.items()}
    gate = sink.gates["example.go.th"] = asyncio.Event()

    async def in_hand() -> int:
        return sink.busy["example.go.th"]

    async with _worker_process(environment, tmp_path) as process:
        # The letter's own mail may be one of them.
        await eventually(in_hand, lambda mails: mails >= 2)
        at_most = int(given["dispatch_mail_notice_concurrency"])
        await process.kill()
    gate.set()
    await eventually(in_hand, lambda mails: mails == 0)
    assert {row["state"] for row in await mail_notices(dispatch)} == {"waiting"}, "nothing was recorded of what was in hand"
    await _expire_leases(dispatch)

    async def waiting() -> int:
        return sum(row["state"] == "waiting" for row in await mail_notices(dispatch))

    async with _worker_process(environment, tmp_path):
        await eventually(waiting, lambda mails: mails == 0)
    notices = await mail_notices(dispatch)
    assert {row["state"] for row in notices} == {"sent"}
    sent = Counter(str(message["Message-ID"]) for message in sink.messages)
    times = [sent[f"<{row['notice_id']}@wian.invalid>"] for row in notices]
    assert set(times) <= {1, 2}, "none is lost, and none is sent a third time"
    assert times.count(2) <= at_most


async def test_a_record_that_was_lost_repeats_the_mail_under_its_name(dispatch: Bench, sink: MailSink) -> None:
    await dispatch.apply(recipients_reminded(await _circular(dispatch)))
    await dispatch.engine.mail_notifier.run_once()
    async with dispatch.database.connection() as connection:
        await connection.execute(
            "UPDATE mail_notices SET state = 'waiting', ended_at = NULL, lease_token = gen_random_uuid(), next_attempt_at = now()"
        )
    await dispatch.engine.mail_notifier.run_once()
    first, second = sink.messages
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_mail_server_in_trouble_is_tried_again_and_a_refusal_is_final(dispatch: Bench, sink: MailSink) -> None:
    await dispatch.apply(recipients_reminded(await _circular(dispatch)))
    sink.answers.append("451 4.3.0 later")
    await dispatch.engine.mail_notifier.run_once()
    (notice,) = await mail_notices(dispatch)
    assert (notice["state"], notice["attempts"], notice["reason"]) == ("waiting", 1, "mail_refused")
    assert notice["next_attempt_at"] > datetime.now(UTC)
    await _expire_leases(dispatch)
    sink.recipient_answers.append("550 5.1.1 no such mailbox")
    await dispatch.engine.mail_notifier.run_once()
    (notice,) = await mail_notices(dispatch)
    assert (notice["state"], notice["attempts"], notice["reason"]) == ("failed", 2, "recipient_refused")
    assert (await dispatch.states(), sink.messages) == (["scheduled"], [])


async def test_what_need_not_or_must_not_be_mailed_is_dropped(dispatch: Bench, sink: MailSink) -> None:
    secret = await _circular(dispatch, secrecy=Secrecy.CONFIDENTIAL)
    await dispatch.apply(recipients_reminded(secret))
    await dispatch.apply(_registered(secret, "page"))
    answered = await _circular(dispatch)
    await dispatch.apply(recipients_reminded(answered))
    await dispatch.apply(recipient_registered(answered))
    over = await _circular(dispatch)
    await dispatch.apply(recipients_reminded(over, deadline=datetime.now(UTC) - timedelta(seconds=1)))
    nobody = circular_dispatched([await dispatch.agency()])
    await dispatch.apply(nobody)
    await dispatch.apply(recipients_reminded(nobody))
    await dispatch.engine.mail_notifier.run_once()
    assert sink.messages == []
    found = {(row["circular_id"], row["kind"], row["state"], row["reason"]) for row in await mail_notices(dispatch)}
    assert found == {
        (secret.circular_id, "reminded", "dropped", "secret"),
        (secret.circular_id, "answered", "dropped", "secret"),
        (answered.circular_id, "reminded", "dropped", "answered"),
        (over.circular_id, "reminded", "dropped", "over"),
    }


async def test_a_secret_letter_that_may_be_mailed_keeps_its_subject(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, sink: MailSink
) -> None:
    more = {"dispatch_smtp_port": str(sink.port), "dispatch_email_secret_letters": "true"}
    async with bench(settings_environment, token_issuer, **more) as dispatch:
        content = letter(secrecy=Secrecy.SECRET).model_copy(update={"subject": "เรื่องลับ"})
        circular = circular_dispatched([await dispatch.agency(email=MAILBOX)], content=content)
        await dispatch.apply(circular)
        await dispatch.apply(recipients_reminded(circular))
        await dispatch.engine.mail_notifier.run_once()
    (message,) = sink.messages
    assert "เรื่องลับ" not in _text(message) + _text(message, "html") + message["Subject"]
    assert "ชั้นความลับ ลับมาก" in _text(message)


async def test_an_agency_switches_its_mails_off_and_the_operator_all(
    dispatch: Bench, sink: MailSink, settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    circular = await _circular(dispatch)
    agency = circular.recipients[0].agency_id
    headers = dispatch.tokens.headers(agency, Scope.ENDPOINTS_WRITE)
    every = {"exchange_reminders": True, "exchange_answers": True}
    assert (await dispatch.http.get("/v1/endpoints/mail", headers=headers)).json() == {"reminders": True, "answers": True} | every
    answer = await dispatch.http.put("/v1/endpoints/mail", json={"reminders": False}, headers=headers)
    assert answer.json() == {"reminders": False, "answers": True} | every
    await dispatch.apply(recipients_reminded(circular))
    await dispatch.apply(_registered(circular, "page"))
    await dispatch.engine.mail_notifier.run_once()
    states = {row["kind"]: (row["state"], row["reason"]) for row in await mail_notices(dispatch)}
    assert states == {"reminded": ("dropped", "switched_off"), "answered": ("sent", None)}
    assert len(sink.messages) == 1
    stranger = dispatch.tokens.headers(uuid4(), Scope.ENDPOINTS_WRITE)
    assert (await dispatch.http.get("/v1/endpoints/mail", headers=stranger)).json()["reminders"] is True

    off = {"dispatch_mail_reminders": "false", "dispatch_mail_answers": "false"}
    await dispatch.apply(_registered(circular, "clerk"))
    async with bench(settings_environment, token_issuer, dispatch_smtp_port=str(sink.port), **off) as silent:
        await silent.apply(recipients_reminded(circular))
        await silent.apply(_registered(circular, "page"))
        await silent.engine.mail_notifier.run_once()
    assert len(sink.messages) == 1
    assert [row["reason"] for row in await mail_notices(dispatch)].count("switched_off") == 2
    assert len(await mail_notices(dispatch)) == 3


async def test_the_contact_is_told_what_was_recorded_by_the_page_and_how_to_take_it_back(dispatch: Bench, sink: MailSink) -> None:
    circular = await _circular(dispatch)
    # By the agency's own system, or told by an older version.
    for door in ("api", "link", None):
        await dispatch.apply(_registered(circular, door))
    assert await mail_notices(dispatch) == []
    await dispatch.apply(_registered(circular, "page"))
    await dispatch.engine.mail_notifier.run_once()
    (message,) = sink.messages
    text, page = _text(message), _text(message, "html")
    recipient = circular.recipients[0].recipient_id
    link = (await dispatch.delivery())["acknowledgment_link"]
    for said in ("๓๓๓", "๑๐ พฤศจิกายน ๒๕๖๐", "10 November 2017", f"/a/{link}", f"/v1/recipients/{recipient}/withdrawals"):
        assert said in text
        assert said in page
    assert "น.ส. <b>สมศรี</b>" in text
    assert "&lt;b&gt;สมศรี" in page


async def test_the_contact_is_told_of_a_refusal_that_the_senders_clerk_wrote_down(dispatch: Bench, sink: MailSink) -> None:
    circular = await _circular(dispatch)
    registered = _registered(circular, "clerk", link_opens=False)
    about = registered.model_dump(include={"recipient_id", "circular_id", "agency_id", "letter_id", "recorded_at"})
    event = RecipientRejected(
        **about, reason="misaddressed", text="ผิดเรื่อง", registrar_name="นาย ก", door="clerk", link_opens=False
    )
    await dispatch.apply(event)
    await dispatch.engine.mail_notifier.run_once()
    (message,) = sink.messages
    text = _text(message)
    assert "Somebody has refused a letter" in text
    for said in ("ส่งผิดหน่วยงาน / misaddressed", "ผิดเรื่อง", "นาย ก", "เจ้าหน้าที่ของหน่วยงานผู้ส่ง"):
        assert said in text
    assert "/a/" not in text


async def test_the_contact_is_told_when_an_answer_is_taken_back_by_the_page(dispatch: Bench, sink: MailSink) -> None:
    circular = await _circular(dispatch)
    about = recipient_registered(circular).model_dump(
        include={"recipient_id", "circular_id", "agency_id", "letter_id", "recorded_at"}
    )
    for door in ("api", "page"):
        await dispatch.apply(RecipientWithdrawn(**about, reason="<i>ผิดเรื่อง</i>", door=door))
    await dispatch.engine.mail_notifier.run_once()
    (message,) = sink.messages
    assert "taken your agency's answer back" in _text(message)
    assert "&lt;i&gt;ผิดเรื่อง" in _text(message, "html")
    assert f"/a/{(await dispatch.delivery())['acknowledgment_link']}" in _text(message)


def test_every_way_in_and_reason_has_its_words() -> None:
    assert set(DOORS) == MAILED_DOORS < set(Door)
    assert set(REJECTIONS) == set(RejectionReason)


async def _expire_leases(dispatch: Bench) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE mail_notices SET next_attempt_at = now() WHERE state = 'waiting'")
