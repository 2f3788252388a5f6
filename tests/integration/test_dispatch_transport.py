"""The guarded transport over real sockets: TLS, the proxy, rebinding names, slow and hostile endpoints, kept connections."""

import asyncio
import gzip
import io
import socket
import ssl
import time
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from services.dispatch.config import DispatchSettings
from services.dispatch.connections import FAILURES, TlsSettingsError, open_sessions, outcome_of_failure, tls_context
from services.dispatch.delivery.decide import Standing
from services.dispatch.delivery.jobs import Address, CircularContent, Endpoint, Job
from services.dispatch.guard import Guard, LookUp, look_up
from services.dispatch.ladder import Routes
from services.dispatch.outcomes import Delivered, Outcome, Refused, RetryLater
from services.dispatch.transport import ANSWER_PATIENCE, open_webhooks
from services.dispatch.vault import Vault, new_secret
from shared.contracts.events import Channel
from shared.contracts.topology import Lane
from tests.support.dispatch import letter
from tests.support.eventually import eventually
from tests.support.peers import Authority, Behaviour, Peer, answering, connect_proxy, peer, pouring, silent

NAME = "agency.example"
PUBLIC = "203.150.1.1"
SECRET_KEY = Fernet.generate_key().decode()
# None of what a test lets an endpoint do may take longer.
SOON = 3.0


def _settings(**more: str) -> DispatchSettings:
    values: dict[str, Any] = {
        "postgres_dsn": "postgresql://localhost/x",
        "amqp_url": "amqp://localhost/",
        "link_key": "k" * 43,
        "dispatch_secret_key": SECRET_KEY,
        "dispatch_allow_networks": "127.0.0.0/8",
        "dispatch_request_timeout": "5",
        **more,
    }
    return DispatchSettings(**values)


def _leads_to(*numbers: str) -> LookUp:
    """A look-up under the test's control: each time the next of `numbers`, the last one for ever."""
    left = list(numbers)

    def find(_host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        number = left.pop(0) if len(left) > 1 else left[0]
        return [(number, int(socket.AF_INET))]

    return find


def _job(vault: Vault, url: str) -> Job:
    circular = CircularContent(
        circular_id=uuid4(),
        sender_agency_id=uuid4(),
        sender_name_th="จังหวัดสมุทรสาคร",
        sender_name_en="Samut Sakhon Province",
        letter=letter(),
        dispatched_at=datetime.now(UTC),
        deadline=None,
        traceparent=None,
    )
    address = Address(uuid4(), uuid4(), uuid4(), "นายอำเภอ", 1, relay_duty=False, acknowledgment_link="link")
    standing = Standing(Lane.NORMAL, Channel.WEBHOOK, None, 0, 0, Routes(webhook=True, email=False), None, None)
    return Job(address, circular, standing, Endpoint(url, vault.seal(new_secret())), None)


@asynccontextmanager
async def _sending(settings: DispatchSettings, find: LookUp = look_up) -> AsyncGenerator[Callable[[str], Any]]:
    vault = Vault(settings.secret_keys)
    async with open_webhooks(settings, vault, find=find) as sender:

        async def send(url: str) -> Outcome:
            return await sender.send(_job(vault, url))

        yield send


async def _send(url: str, settings: DispatchSettings, find: LookUp = look_up) -> Outcome:
    async with _sending(settings, find) as send:
        return await send(url)


def _reason(outcome: Outcome) -> str | None:
    return getattr(outcome, "reason", None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_an_endpoint_of_a_closed_network_is_trusted_by_its_own_authority_alone(authority: Authority) -> None:
    async with peer(answering(), authority.issue("127.0.0.1").server_context()) as endpoint:
        url = f"https://127.0.0.1:{endpoint.port}/hook"
        assert _reason(await _send(url, _settings())) == "certificate_invalid"
        assert isinstance(await _send(url, _settings(dispatch_ca_file=str(authority.file))), Delivered)
    assert len(endpoint.requests) == 1, "nothing is sent before the certificate is verified"


@pytest.mark.parametrize(
    ("names", "days"), [(("127.0.0.1",), -1), (("other.example",), 1), (("127.0.0.2",), 1), (("*.example",), 1)]
)
async def test_an_expired_or_a_stranger_s_certificate_is_refused(authority: Authority, names: tuple[str, ...], days: int) -> None:
    async with peer(answering(), authority.issue(*names, days=days).server_context()) as endpoint:
        url = f"https://127.0.0.1:{endpoint.port}/hook"
        assert _reason(await _send(url, _settings(dispatch_ca_file=str(authority.file)))) == "certificate_invalid"
    assert endpoint.requests == []


async def test_tls_before_1_2_is_refused(authority: Authority) -> None:
    context = authority.issue("127.0.0.1").server_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    settings = _settings(dispatch_ca_file=str(authority.file))
    assert tls_context(settings).minimum_version is ssl.TLSVersion.TLSv1_2
    async with peer(answering(), context) as endpoint:
        assert _reason(await _send(f"https://127.0.0.1:{endpoint.port}/hook", settings)) == "tls_failed"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown_to_an_endpoint_that_asks_for_one(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    ours, stranger = authority.issue("wian.example", password=b"pass word"), Authority(tmp_path, "stranger").issue("wian.example")
    context = authority.issue("127.0.0.1").server_context(clients_from=authority.file)
    context.maximum_version = version
    trusting = {"dispatch_ca_file": str(authority.file)}
    async with peer(answering(), context) as endpoint:
        url = f"https://127.0.0.1:{endpoint.port}/hook"
        # A server that hangs up after the handshake of TLS 1.3 does not always get to say why.
        refusals = {"tls_failed"} if version is ssl.TLSVersion.TLSv1_2 else {"tls_failed", "connection_failed"}
        assert _reason(await _send(url, _settings(**trusting))) in refusals
        wrong = {"dispatch_client_certificate": str(stranger.certificate), "dispatch_client_key": str(stranger.key)}
        assert _reason(await _send(url, _settings(**trusting, **wrong))) in refusals
        right = {
            "dispatch_client_certificate": str(ours.certificate),
            "dispatch_client_key": str(ours.key),
            "dispatch_client_key_password": "pass word",
        }
        assert isinstance(await _send(url, _settings(**trusting, **right)), Delivered)
    assert endpoint.client_names[-1:] == ["wian.example"]
    assert len(endpoint.requests) == 1


def test_files_that_cannot_be_used_are_named_at_the_start_and_nothing_is_asked(authority: Authority, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    ours = authority.issue("wian.example", password=b"secret")
    files = {"dispatch_client_certificate": str(ours.certificate), "dispatch_client_key": str(ours.key)}
    for change, named in (
        ({"dispatch_ca_file": str(empty)}, "WIAN_DISPATCH_CA_FILE"),
        ({"dispatch_ca_file": str(tmp_path / "none.pem")}, "WIAN_DISPATCH_CA_FILE"),
        ({**files, "dispatch_client_key": str(tmp_path / "none.key")}, "WIAN_DISPATCH_CLIENT_KEY"),
        (files, "WIAN_DISPATCH_CLIENT_KEY_PASSWORD"),
        ({**files, "dispatch_client_key_password": "wrong"}, "WIAN_DISPATCH_CLIENT_KEY_PASSWORD"),
    ):
        with pytest.raises(TlsSettingsError, match=named):
            tls_context(_settings(**change))


def _through_proxy(proxy: Peer, authority: Authority, scheme: str = "http", **more: str) -> DispatchSettings:
    return _settings(
        dispatch_allow_networks="",
        dispatch_ca_file=str(authority.file),
        dispatch_egress_proxy=f"{scheme}://clerk:p%40ss@127.0.0.1:{proxy.port}",
        **more,
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_webhooks_leave_by_the_proxy_in_one_tunnel_verified_end_to_end(authority: Authority, scheme: str) -> None:
    outer = authority.issue("127.0.0.1").server_context() if scheme == "https" else None
    ours = authority.issue("wian.example")
    inner = authority.issue(NAME).server_context(clients_from=authority.file)
    more = {"dispatch_client_certificate": str(ours.certificate), "dispatch_client_key": str(ours.key)}
    async with (
        peer(answering(), inner) as endpoint,
        peer(connect_proxy({f"{NAME}:443": endpoint.port}), outer) as proxy,
        _sending(_through_proxy(proxy, authority, scheme, **more), _leads_to(PUBLIC)) as send,
    ):
        for _ in range(3):
            assert isinstance(await send(f"https://{NAME}/hook"), Delivered)
    (request,) = proxy.requests
    assert request.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic Y2xlcms6cEBzcw==\r\n" in request
    assert endpoint.connections == 1
    assert len(endpoint.requests) == 3
    assert all(b"roxy-" not in got and b"Y2xlcms6" not in got for got in endpoint.requests)
    assert endpoint.client_names == ["wian.example"]


async def test_the_proxy_is_told_of_nothing_that_leads_inside(authority: Authority) -> None:
    async with peer(connect_proxy({})) as proxy:
        settings = _through_proxy(proxy, authority)
        for url, find, reason in (
            (f"https://{NAME}/hook", _leads_to("127.0.0.1"), "address_refused"),
            (f"https://{NAME}/hook", _leads_to("169.254.169.254"), "address_refused"),
            ("https://10.0.0.1/hook", look_up, "url_refused: address_not_public"),
            ("https://[::ffff:10.0.0.1]/hook", look_up, "url_refused: address_not_public"),
        ):
            outcome = await _send(url, settings, find)
            assert isinstance(outcome, Refused)
            assert outcome.reason == reason
        allowed = _through_proxy(proxy, authority).model_copy(
            update={"dispatch_allow_networks": _settings().dispatch_allow_networks}
        )
        async with peer(answering()) as inside:
            assert isinstance(await _send(f"http://127.0.0.1:{inside.port}/", allowed), Delivered), "plain http goes directly"
    assert proxy.connections == 0


async def test_a_name_that_cannot_be_looked_up_is_not_handed_to_the_proxy(authority: Authority) -> None:
    def find(_host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with peer(connect_proxy({})) as proxy:
        assert _reason(await _send(f"https://{NAME}/hook", _through_proxy(proxy, authority), find)) == "lookup_failed"
    assert proxy.connections == 0


async def test_a_proxy_that_refuses_or_is_away_is_not_the_endpoint_s_fault(authority: Authority) -> None:
    async with peer(connect_proxy({}, status=b"403 Forbidden")) as proxy:
        settings = _through_proxy(proxy, authority)
        assert _reason(await _send(f"https://{NAME}/hook", settings, _leads_to(PUBLIC))) == "proxy_refused"
    assert _reason(await _send(f"https://{NAME}/hook", settings, _leads_to(PUBLIC))) == "proxy_unreachable"


async def test_nothing_but_the_proxy_is_dialled_where_there_is_one(authority: Authority) -> None:
    def find(host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        return [(PUBLIC if host == NAME else "127.0.0.3", int(socket.AF_INET))]

    async with (
        peer(connect_proxy({})) as proxy,
        peer(silent) as other,
        open_sessions(_through_proxy(proxy, authority), find=find) as sessions,
    ):
        for past in (f"127.0.0.1:{other.port}", f"127.0.0.2:{proxy.port}", f"other.example:{proxy.port}"):
            with pytest.raises(FAILURES) as failure:
                await sessions["https"].post(f"https://{NAME}/", proxy=f"http://{past}")
            assert _reason(outcome_of_failure(failure.value)) == "address_refused"
    assert proxy.connections == other.connections == 0


async def test_a_name_that_is_rebound_between_two_look_ups_reaches_nothing(authority: Authority) -> None:
    async with peer(answering(), authority.issue(NAME).server_context()) as inside:
        settings = _settings(dispatch_allow_networks="", dispatch_ca_file=str(authority.file))
        url = f"https://{NAME}:{inside.port}/hook"
        find = _leads_to(PUBLIC, "127.0.0.1")
        assert find(NAME, inside.port, 0)[0][0] == PUBLIC, "what the check at registration saw"
        outcome = await _send(url, settings, find)
        assert isinstance(outcome, Refused)
        assert outcome.reason == "address_refused"
        assert inside.connections == 0
        # The same name is reached when the operator allows the network: the endpoint was really there.
        allowing = _settings(dispatch_ca_file=str(authority.file))
        assert isinstance(await _send(url, allowing, _leads_to("127.0.0.1")), Delivered)


async def test_the_socket_is_refused_even_when_the_resolver_lets_an_address_pass() -> None:
    settings = _settings(dispatch_allow_networks="")
    async with peer(answering()) as inside, open_sessions(settings) as sessions:
        session = sessions["https"]
        connector: Any = session.connector
        connector._resolver._guard = Guard.of_everything()
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(FAILURES) as failure:
                await session.post(f"https://{host}:{inside.port}/")
            assert _reason(outcome_of_failure(failure.value)) == "address_refused"
    assert inside.connections == 0


async def test_an_address_that_does_not_answer_gives_way_to_the_next_one() -> None:
    def find(_host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        return [("127.9.9.9", int(socket.AF_INET)), ("127.0.0.1", int(socket.AF_INET))]

    async with peer(answering()) as endpoint:
        assert isinstance(await _send(f"http://{NAME}:{endpoint.port}/", _settings(), find), Delivered)


async def test_every_phase_has_a_limit_and_says_which_it_was() -> None:
    def find(_host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        time.sleep(0.3)
        return [("127.0.0.1", int(socket.AF_INET))]

    async def outcome(limit: str, url: str, find: LookUp = look_up) -> str | None:
        begun = time.monotonic()
        reason = _reason(await _send(url, _settings(**{f"dispatch_{limit}_timeout": "0.2"}), find))
        assert time.monotonic() - begun < SOON
        return reason

    async with peer(silent) as mute:
        assert await outcome("lookup", f"https://{NAME}:{mute.port}/", find) == "lookup_timeout"
        assert await outcome("tls", f"https://127.0.0.1:{mute.port}/") == "tls_timeout"
        assert await outcome("first_byte", f"http://127.0.0.1:{mute.port}/") == "first_byte_timeout"
        assert await outcome("request", f"http://127.0.0.1:{mute.port}/") in ("timeout", "first_byte_timeout")
    # A server whose queue of connections is full does not answer the next one.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [asyncio.create_task(asyncio.open_connection(*full.getsockname())) for _ in range(2)]
        await asyncio.wait(waiting, timeout=0.3)
        assert await outcome("connect", f"http://127.0.0.1:{full.getsockname()[1]}/") == "connect_timeout"
        for task in waiting:
            task.cancel()
        for opened in await asyncio.gather(*waiting, return_exceptions=True):
            if not isinstance(opened, BaseException):
                opened[1].transport.abort()


async def test_a_peer_that_reads_nothing_is_given_up() -> None:
    async def reads_nothing(_running: Peer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.Event().wait()

    async with (
        peer(reads_nothing) as endpoint,
        open_sessions(_settings(dispatch_send_timeout="0.5", dispatch_request_timeout="2")) as sessions,
    ):
        begun = time.monotonic()
        with pytest.raises(FAILURES) as failure:
            await sessions["http"].post(f"http://127.0.0.1:{endpoint.port}/", data=io.BytesIO(b"x" * 30_000_000))
        # Linux keeps this time; elsewhere the whole request's is left.
        expected = "send_timeout" if hasattr(socket, "TCP_USER_TIMEOUT") else "timeout"
        assert _reason(outcome_of_failure(failure.value)) == expected
        assert time.monotonic() - begun < SOON


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        pytest.param(pouring(OK, b"X: y\r\n"), "answer_malformed", id="header lines without end"),
        pytest.param(pouring(OK + b"X: ", b"y" * 4096), "answer_malformed", id="a header without end"),
        pytest.param(pouring(b"HTTP/1.1 200 ", b"y" * 4096), "answer_malformed", id="a status line without end"),
        pytest.param(pouring(b"\x16\x03\x01", b"\x00" * 100), "answer_malformed", id="no HTTP"),
        pytest.param(pouring(OK, b"X", pause=0.05), "timeout", id="a header dripped"),
        pytest.param(pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), "timeout", id="interim answers without end"),
    ],
)
async def test_an_answer_that_never_begins_is_bounded(behave: Behaviour, reason: str) -> None:
    begun = time.monotonic()
    async with peer(behave) as endpoint:
        outcome = await _send(f"http://127.0.0.1:{endpoint.port}/", _settings(dispatch_request_timeout="0.8"))
        assert isinstance(outcome, RetryLater)
        assert outcome.reason == reason
        assert len(outcome.answer.encode()) <= 1024
        await eventually(endpoint.open_connections, lambda count: count == 0)
    assert time.monotonic() - begun < SOON


BOMB = gzip.compress(b"\x00" * 50_000_000)


@pytest.mark.parametrize(
    ("behave", "answer"),
    [
        pytest.param(
            answering(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB), "\x1f", id="gzip bomb"
        ),
        pytest.param(pouring(OK + b"Content-Length: 9999999999\r\n\r\n", b"y" * 65_536), "y" * 1024, id="a body without end"),
        pytest.param(
            pouring(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n", pause=0.05), "y", id="a body dripped in chunks"
        ),
        pytest.param(pouring(OK + b"Content-Length: 1000\r\n\r\n", b"y", pause=0.05), "y", id="a body dripped"),
    ],
)
async def test_an_answer_that_never_ends_is_read_to_its_limit_and_counts(behave: Behaviour, answer: str) -> None:
    begun = time.monotonic()
    async with peer(behave) as endpoint:
        outcome = await _send(f"http://127.0.0.1:{endpoint.port}/", _settings())
        assert isinstance(outcome, Delivered)
        assert outcome.answer.startswith(answer)
        assert len(outcome.answer.encode()) <= 1024
        await eventually(endpoint.open_connections, lambda count: count == 0)
    assert time.monotonic() - begun < ANSWER_PATIENCE + SOON


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_one_connection_carries_many_letters(authority: Authority, scheme: str) -> None:
    context = authority.issue("127.0.0.1").server_context() if scheme == "https" else None
    body = OK + b"Content-Length: 4\r\n\r\ndone"
    async with peer(answering(body), context) as endpoint, _sending(_settings(dispatch_ca_file=str(authority.file))) as send:
        for _ in range(100):
            assert isinstance(await send(f"{scheme}://127.0.0.1:{endpoint.port}/hook"), Delivered)
    assert (endpoint.connections, len(endpoint.requests)) == (1, 100)


async def test_idle_connections_are_bounded_and_the_latest_are_kept() -> None:
    async with peer(answering()) as endpoint, _sending(_settings(dispatch_idle_connections="3"), _leads_to("127.0.0.1")) as send:
        for n in range(20):
            assert isinstance(await send(f"http://agency-{n}.example:{endpoint.port}/"), Delivered)
        await eventually(endpoint.open_connections, lambda count: count <= 4)
        before = endpoint.connections
        for n in (17, 18, 19):
            assert isinstance(await send(f"http://agency-{n}.example:{endpoint.port}/"), Delivered)
        assert endpoint.connections == before == 20
