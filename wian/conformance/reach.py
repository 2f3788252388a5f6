"""The checks before the first letter: whether the exchange may call the address, and whether TLS holds."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from yarl import URL

from services.dispatch.guard import UrlRefused, check_url, is_public
from wian.conformance.findings import Judgement, Text, Verdict

HTTPS_PORT: Final = 443
ENDS_SOON_DAYS: Final = 14
PATIENCE: Final = 10.0

_NOT_PUBLIC: Final = Text(
    "It is no public address: the exchange reaches it only where its operator allows it.",
    "ไม่ใช่ที่อยู่สาธารณะ ระบบเวียนจะเรียกได้เมื่อผู้ดูแลอนุญาตเท่านั้น",
)


async def address(url: str) -> Judgement:
    """Whether the exchange would take `url` for an endpoint; http is judged with the certificate."""
    try:
        parsed = URL(url)
        if parsed.scheme == "http":
            parsed = parsed.with_scheme("https").with_port(None if parsed.port == 80 else parsed.port)
        check_url(str(parsed) if "@" not in url else url, ())
        public = await _resolves_to_public(parsed)
    except UrlRefused as error:
        if error.code != "address_not_public":
            return Judgement(Verdict.FAIL, Text(f"The exchange refuses it: {error}.", f"ระบบเวียนไม่รับ ({error.code})"))
        public = False
    except ValueError as error:
        return Judgement(Verdict.FAIL, Text(f"It cannot be read: {error}.", "อ่าน URL ไม่ได้"))
    except OSError:
        return Judgement(Verdict.FAIL, Text("The name has no address.", "ไม่พบที่อยู่ของชื่อโฮสต์นี้"))
    if not public:
        return Judgement(Verdict.WARN, _NOT_PUBLIC)
    return Judgement(Verdict.PASS, Text("Every address of the name is public.", "ทุกที่อยู่ของชื่อนี้เป็นสาธารณะ"))


async def _resolves_to_public(url: URL) -> bool:
    found = await asyncio.get_running_loop().getaddrinfo(url.raw_host or "", url.port or HTTPS_PORT)
    return all(is_public(ipaddress.ip_address(str(target[0]).partition("%")[0])) for _, _, _, _, target in found)


async def certificate(url: URL, context: ssl.SSLContext, *, own_authority: bool, public: bool) -> Judgement:
    """Whether TLS holds; `public` says that the address is one, `own_authority` that a CA file was given."""
    if url.scheme != "https":
        told = Text("Plain http.", "ใช้ http ธรรมดา")
        return Judgement(Verdict.FAIL if public else Verdict.WARN, told)
    try:
        shown = await _shown_certificate(url, context)
    except ssl.SSLCertVerificationError as error:
        return Judgement(Verdict.FAIL, Text(f"{error.verify_message}.", f"ใบรับรองไม่ผ่าน: {error.verify_message}"))
    except ssl.SSLError as error:
        return Judgement(Verdict.FAIL, Text(f"TLS failed: {error.reason}.", f"ตกลง TLS ไม่ได้: {error.reason}"))
    except (OSError, TimeoutError) as error:
        why = Text(f"No connection: {type(error).__name__}.", f"เชื่อมต่อไม่ได้: {type(error).__name__}")
        return Judgement(Verdict.NOT_CHECKED, why)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    told = Text(f"Valid for {days} more days.", f"ใช้ได้อีก {days} วัน")
    if own_authority:
        told += Text("Trusted by your CA file; the exchange must trust it too.", "เชื่อถือตามไฟล์ CA ของท่าน ระบบเวียนต้องเชื่อถือด้วย")
    return Judgement(Verdict.WARN if own_authority or days < ENDS_SOON_DAYS else Verdict.PASS, told)


async def _shown_certificate(url: URL, context: ssl.SSLContext) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(url.raw_host, url.port, ssl=context)
    shown: dict[str, Any] = writer.get_extra_info("peercert")
    writer.transport.abort()
    return shown


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are verified, with the authorities of `ca_file` beside the system's."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def blind() -> ssl.SSLContext:
    """Nothing is verified: so that an endpoint whose certificate has failed can be told the rest too."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
