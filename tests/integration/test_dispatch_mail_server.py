"""Mail over a real mail server as it is in life: few connections, limits by domain, signatures, sizes, and other scripts."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from uuid import uuid4

import dkim
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from services.dispatch.mail_limits import LONGEST_DEFERRAL, DomainLimits, Domains
from services.dispatch.return_path import ReturnPaths
from shared.contracts.events import AttachmentLink, Channel
from tests.support.dispatch import Bench, bench, circular_dispatched, dispatch_settings, letter, recipients_reminded
from tests.support.eventually import eventually
from tests.support.receiver import MailSink, mail_sink
from tests.support.tokens import TokenIssuer

KEY = generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SHORT_PEM = generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_DER = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
BOUNCES = "bounces.wian.example.go.th"


@asynccontextmanager
async def _over(
    base: Mapping[str, str], tokens: TokenIssuer, more: Mapping[str, str] = MappingProxyType({}), **server: object
) -> AsyncGenerator[tuple[Bench, MailSink]]:
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(mail_sink(**server))
        yield await stack.enter_async_context(bench(base, tokens, dispatch_smtp_port=str(sink.port), **more)), sink


async def _send(dispatch: Bench, *mailboxes: str) -> None:
    agencies = [await dispatch.agency(email=mailbox) for mailbox in mailboxes]
    await dispatch.apply(circular_dispatched(agencies))
    await dispatch.deliver_due(channel=Channel.EMAIL)


async def test_connections_outlive_their_batch_and_a_dead_one_costs_no_mail(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    more = {"dispatch_smtp_connections": "1", "dispatch_mail_domain_in_flight": "1"}
    async with _over(settings_environment, token_issuer, more) as (dispatch, sink):
        await _send(dispatch, "a@one.go.th", "b@two.go.th")
        await _send(dispatch, "c@three.go.th")
        assert (len(sink.messages), sink.connections) == (3, 1)
        sink.hang_up()
        await _send(dispatch, "d@four.go.th")
        assert (len(sink.messages), sink.connections) == (4, 2)
        assert await dispatch.states() == ["handed_over"] * 4
        assert [row["outcome"] for row in await dispatch.attempts()] == ["delivered"] * 4


async def test_a_connection_that_carries_nothing_is_closed(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with _over(settings_environment, token_issuer, {"dispatch_smtp_idle": "0.05"}) as (dispatch, sink):
        await _send(dispatch, "a@one.go.th")

        async def still_open() -> int:
            return sink.open_connections

        await eventually(still_open, lambda left: left == 0)


async def test_a_slow_domain_holds_up_no_other_and_what_is_over_its_limit_costs_no_attempt(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with _over(settings_environment, token_issuer, {"dispatch_smtp_connections": "3"}) as (dispatch, sink):
        slow = sink.gates["slow.go.th"] = asyncio.Event()
        agencies = [await dispatch.agency(email=f"a{n}@slow.go.th") for n in range(6)]
        agencies += [await dispatch.agency(email=f"b{n}@quick{n}.go.th") for n in range(6)]
        await dispatch.apply(circular_dispatched(agencies))
        sending = asyncio.create_task(dispatch.deliver_due(channel=Channel.EMAIL))

        async def put_back() -> int:
            return sum(row["state"] == "scheduled" for row in await dispatch.deliveries())

        await eventually(put_back, lambda count: count == 4)
        assert {address.rpartition("@")[2] for address in sink.recipients} == {f"quick{n}.go.th" for n in range(6)}
        assert sink.most_busy["slow.go.th"] == 2
        deferred = [row for row in await dispatch.deliveries() if row["state"] == "scheduled"]
        assert {(row["channel"], row["attempts"], row["channel_attempts"]) for row in deferred} == {("email", 0, 0)}
        assert len({row["next_attempt_at"] for row in deferred}) == 4, "they do not come back together"
        slow.set()
        await sending
        assert len(await dispatch.attempts()) == 8
        await dispatch.make_due()
        await dispatch.deliver_due(channel=Channel.EMAIL)
        assert await dispatch.states() == ["handed_over"] * 12


async def test_a_minute_takes_so_many_mails_to_a_domain_and_the_rest_is_spread_behind_it() -> None:
    now = 1000.0
    domains = Domains(DomainLimits(in_flight=9, per_minute=3), clock=lambda: now)
    assert [await domains.enter("a.th") for _ in range(3)] == [None] * 3
    after = [await domains.enter("a.th") for _ in range(3)]
    assert after == [60.0, 80.0, 100.0]
    assert await domains.enter("b.th") is None
    assert [await domains.enter("a.th") for _ in range(60)][-1] == LONGEST_DEFERRAL
    now += 60.5
    assert await domains.enter("a.th") is None


async def test_a_place_is_passed_on_in_turn_and_never_lost() -> None:
    domains = Domains(DomainLimits(in_flight=1, per_minute=None), clock=lambda: 0.0, patience=30)
    assert await domains.enter("a.th") is None
    first, second, third = (asyncio.create_task(domains.enter("a.th")) for _ in range(3))
    await asyncio.sleep(0)
    domains.leave("a.th", 1)
    second.cancel()
    assert await first is None
    domains.leave("a.th", 1)
    assert await third is None, "the one that was cancelled took no place with it"
    domains.leave("a.th", 1)
    assert await domains.enter("a.th") is None
    fourth = asyncio.create_task(domains.enter("a.th"))
    await asyncio.sleep(0)
    domains.leave("a.th", 1)
    fourth.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fourth
    assert await domains.enter("a.th") is None, "cancelled with a place in hand, it gave it back"


async def test_mail_is_signed_by_its_domain_and_the_signature_covers_what_is_read(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    more = {"dispatch_dkim_key": PEM, "dispatch_dkim_selector": "wian1", "dispatch_mail_from": "saraban@mail.wian.example.go.th"}
    more |= {"dispatch_dkim_domain": "wian.example.go.th"}
    async with _over(settings_environment, token_issuer, more) as (dispatch, sink):
        await _send(dispatch, "a@one.go.th")
    (raw,) = sink.raw
    asked: list[bytes] = []

    def published(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(PUBLIC_DER)

    assert dkim.verify(raw, dnsfunc=published)
    assert asked == [b"wian1._domainkey.wian.example.go.th."]
    signature = raw[: raw.index(b"\r\nFrom:")]
    assert b"c=relaxed/relaxed" in signature
    for name in (b"From: ", b"Subject: ", b"Message-ID: ", b"Auto-Submitted: "):
        assert not dkim.verify(raw.replace(b"\r\n" + name, b"\r\n" + name + b"x", 1), dnsfunc=published), name
    assert not dkim.verify(b"From: other@example.com\r\n" + raw, dnsfunc=published), "no second From"


async def test_reminders_are_signed_as_letters_are_and_keep_to_the_limits_of_domains(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    more = {"dispatch_dkim_key": PEM, "dispatch_dkim_selector": "wian1", "dispatch_mail_domain_in_flight": "1"}
    async with _over(settings_environment, token_issuer, more) as (dispatch, sink):
        circular = circular_dispatched([await dispatch.agency(email="saraban@example.go.th")])
        await dispatch.apply(circular)
        for minutes in range(3):
            event = recipients_reminded(circular)
            await dispatch.apply(event.model_copy(update={"due_at": event.due_at - timedelta(minutes=minutes)}))
        await dispatch.engine.mail_notifier.run_once()
    assert len(sink.messages) == 3
    assert sink.most_busy["example.go.th"] == 1

    def published(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"wian1._domainkey.wian.invalid."
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(PUBLIC_DER)

    assert all(dkim.verify(raw, dnsfunc=published) for raw in sink.raw)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"dispatch_dkim_key": "no key"}, "WIAN_DISPATCH_DKIM_KEY: it must be a private key"),
        ({"dispatch_dkim_key": SHORT_PEM}, "WIAN_DISPATCH_DKIM_KEY: it must be an RSA key of at least 2048 bits"),
        ({"dispatch_dkim_domain": "other.go.th"}, "WIAN_DISPATCH_DKIM_DOMAIN"),
        ({"dispatch_dkim_selector": "a b"}, "dispatch_dkim_selector"),
    ],
)
def test_a_signature_that_nobody_could_verify_stops_the_start(
    settings_environment: dict[str, str], changed: dict[str, str], named: str
) -> None:
    good = {**settings_environment, "dispatch_dkim_key": PEM, "dispatch_dkim_selector": "wian1"}
    assert dispatch_settings(good).dkim_signer is not None
    with pytest.raises(ValidationError, match=named) as raised:
        dispatch_settings({**good, **changed})
    assert "BEGIN" not in str(raised.value)


async def test_each_mail_has_a_return_path_of_its_own(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> None:
    async with _over(settings_environment, token_issuer, {"dispatch_bounce_domain": BOUNCES}) as (dispatch, sink):
        await _send(dispatch, "a@one.go.th", "b@two.go.th")
        paths = ReturnPaths(dispatch.settings.link_key.get_secret_value(), BOUNCES)
        found = [paths.read(sender or "") for sender in sink.senders]
        assert set(found) == {row["delivery_id"] for row in await dispatch.deliveries()}
    assert {message["From"].addresses[0].addr_spec for message in sink.messages} == {"saraban@wian.invalid"}


def test_a_return_path_cannot_be_made_up() -> None:
    paths = ReturnPaths("k" * 43, BOUNCES)
    delivery_id = uuid4()
    address = paths.of(delivery_id)
    local = address.partition("@")[0]
    assert len(local) <= 64
    assert paths.read(address) == paths.read(address.upper().replace(BOUNCES.upper(), BOUNCES)) == delivery_id
    for place in range(len("bounces+"), len(local)):
        for changed in set("abcdefghijklmnopqrstuvwxyz234567") - {local[place]}:
            assert paths.read(f"{local[:place]}{changed}{local[place + 1 :]}@{BOUNCES}") is None
    assert paths.read(f"{local}@elsewhere.go.th") is None
    for alike in ("bounce\u017f+" + local.partition("+")[2], "bounces+" + "\u212a" * 42):
        assert paths.read(f"{alike}@{BOUNCES}") is None, "letters that only look like those of ASCII when case is ignored"
    assert ReturnPaths("l" * 43, BOUNCES).read(address) is None
    assert paths.read(local) is paths.read("") is paths.read(f"bounces+{'a' * 41}@{BOUNCES}") is None


@asynccontextmanager
async def _file(content: bytes) -> AsyncGenerator[tuple[str, AttachmentLink]]:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/pdf")

    app = web.Application()
    app.router.add_get("/f/{link}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    link = AttachmentLink(
        url="http://wian.test/f/signed",
        attachment_id=uuid4(),
        file_name="หนังสือ.pdf",
        media_type="application/pdf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", link
    await runner.cleanup()


@pytest.mark.parametrize("announced", [True, False], ids=["the server says how much it takes", "it says so when it has too much"])
async def test_what_is_too_large_for_the_server_is_linked(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, *, announced: bool
) -> None:
    async with _file(b"%PDF-1.7 " + b"x" * 60_000) as (url, link):
        options = {"data_size_limit": 40_000} if announced else {}
        async with _over(settings_environment, token_issuer, {"dispatch_internal_url": url}, **options) as (dispatch, sink):
            if not announced:
                sink.answers.append("552 5.3.4 too large for us")
            agency = await dispatch.agency(email="saraban@example.go.th")
            await dispatch.apply(circular_dispatched([agency], content=letter(attachments=[link])))
            await dispatch.deliver_due(channel=Channel.EMAIL)
            assert [row["outcome"] for row in await dispatch.attempts()] == ["delivered"]
    (message,) = sink.messages
    assert list(message.iter_attachments()) == []
    body = message.get_body(("plain",))
    assert body is not None
    assert link.url in body.get_content()


async def test_a_mailbox_in_thai_is_written_to_when_the_server_can(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    more = {"dispatch_dkim_key": PEM, "dispatch_dkim_selector": "wian1"}
    async with _over(settings_environment, token_issuer, more, enable_SMTPUTF8=True) as (dispatch, sink):
        await _send(dispatch, "สารบรรณ@มหาดไทย.ไทย")
    assert sink.recipients == ["สารบรรณ@xn--l3cg2ag6b2bxi.xn--o3cw4h"]
    assert "สารบรรณ@xn--l3cg2ag6b2bxi.xn--o3cw4h".encode() in sink.raw[0]


async def test_a_mailbox_in_thai_is_refused_with_a_reason_when_the_server_cannot(
    settings_environment: dict[str, str], token_issuer: TokenIssuer
) -> None:
    async with _over(settings_environment, token_issuer) as (dispatch, sink):
        await _send(dispatch, "สารบรรณ@example.go.th", "saraban@มหาดไทย.ไทย")
        assert [(row["state"], row["channel"]) for row in await dispatch.deliveries()] == [
            ("scheduled", "inbox"),
            ("handed_over", "email"),
        ]
        assert [row["reason"] for row in await dispatch.attempts()] == ["mailbox_needs_smtputf8", None]
    assert sink.recipients == ["saraban@xn--l3cg2ag6b2bxi.xn--o3cw4h"]
