"""Other sides that a test writes byte by byte: an endpoint that may behave badly, a proxy, and the certificates of both."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Peer:
    """A server on the loopback interface, and what it saw."""

    port: int = 0
    connections: int = 0
    open: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    client_names: list[str] = field(default_factory=list[str])

    async def open_connections(self) -> int:
        return self.open

    async def request_count(self) -> int:
        return len(self.requests)


@asynccontextmanager
async def peer(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Peer]:
    """A server that does with each connection what `behave` says, and ends with the block."""
    running = Peer()
    in_hand: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        in_hand.add(task)
        running.connections += 1
        running.open += 1
        shown = writer.get_extra_info("peercert")
        if shown:
            running.client_names.append(dict(part[0] for part in shown["subject"])["commonName"])
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await behave(running, reader, writer)
        finally:
            running.open -= 1
            in_hand.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tuple(in_hand):
            task.cancel()
        await asyncio.gather(*in_hand, return_exceptions=True)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request with its body; raises IncompleteReadError when the other side has gone."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


def answering(answer: bytes = NO_CONTENT) -> Behaviour:
    """Answers every request on a connection."""

    async def behave(running: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            running.requests.append(await read_request(reader))
            writer.write(answer)
            await writer.drain()

    return behave


def pouring(beginning: bytes, then: bytes, pause: float = 0.0) -> Behaviour:
    """Answers a request with `beginning`, and then with `then` for ever."""

    async def behave(running: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.requests.append(await read_request(reader))
        writer.write(beginning)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


async def silent(_running: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes what comes and says nothing."""
    while await reader.read(65_536):
        pass


def connect_proxy(routes: Mapping[str, int], *, status: bytes = b"200 Connection established") -> Behaviour:
    """A CONNECT proxy with a look-up of its own: each authority leads to a port on the loopback interface."""

    async def behave(running: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        running.requests.append(request)
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        await writer.drain()
        if not status.startswith(b"200"):
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", routes[request.split()[1].decode()])
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            there_writer.transport.abort()

    return behave


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key in PEM files; the key's file may be encrypted."""

    certificate: Path
    key: Path

    def server_context(self, *, clients_from: Path | None = None) -> ssl.SSLContext:
        """For a server with this certificate, which asks for one of `clients_from` when that is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if clients_from is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients_from)
        return context


class Authority:
    """A certificate authority of the test's own, with its files in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = (
            self._builder(self._name, self._key.public_key(), days=1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, days: int = 1, password: bytes | None = None) -> Identity:
        """A certificate for `names` (host names or addresses) that ends in `days`, which may be past."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(_name(names[0]), key.public_key(), days=days)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = f"{names[0]}-{certificate.serial_number:x}"
        issued = Identity(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        encryption = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
        return issued

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
