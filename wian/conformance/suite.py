"""The suite: every check once, in order, towards one endpoint."""

import asyncio
import base64
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from yarl import URL

from shared.ids import new_id
from wian.conformance import letters, reach
from wian.conformance.catalogue import Check
from wian.conformance.findings import (
    Exchange,
    Judgement,
    Text,
    Trouble,
    Verdict,
    accepted,
    accepted_in_time,
    better_accepted,
    better_refused,
    kept_alive,
    not_redirected,
    refused,
    refused_or_troubled,
    small_answer,
    worst,
)
from wian.conformance.probe import Probe, open_probe

ORIGIN: Final = "conformance.invalid"
AN_HOUR: Final = timedelta(hours=1)
AT_ONCE: Final = 10

_UNSEEN: Final = Text(
    "That it is registered once cannot be seen from outside: look into your registry for webhook-id {id}.",
    "การลงรับเพียงครั้งเดียวมองไม่เห็นจากภายนอก โปรดตรวจทะเบียนของท่านด้วย webhook-id {id}",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: Check
    judgement: Judgement


Trial = Callable[[Probe], Awaitable[Judgement]]


async def ownership(probe: Probe) -> Judgement:
    """The CloudEvents handshake (HTTP 1.1 Web Hooks, §4), or else the signed challenge."""
    asked = await probe.request("OPTIONS", None, {"WebHook-Request-Origin": ORIGIN, "WebHook-Request-Rate": "120"})
    if asked.taken and asked.header("WebHook-Allowed-Origin") in (ORIGIN, "*"):
        return Judgement(Verdict.PASS, Text("The handshake was answered.", "ตอบการจับมือ"))
    event_id, challenge = new_id(), secrets.token_urlsafe(24)
    answer = await probe.send(letters.event(event_id, letters.CHALLENGE_TYPE, {"challenge": challenge}), event_id)
    if answer.taken and _challenge_in(answer.body) == challenge:
        return Judgement(Verdict.PASS, Text("The challenge was answered.", "ตอบคำท้า"))
    return Judgement(
        Verdict.FAIL,
        Text("Handshake:", "การจับมือ:") + asked.told() + Text("Challenge:", "คำท้า:") + answer.told(),
    )


def _challenge_in(body: bytes) -> str | None:
    try:
        document: Any = json.loads(body)
        return document["challenge"]
    except (ValueError, KeyError, TypeError):
        return None


async def signature_wrong(probe: Probe) -> Judgement:
    """Well-formed, but made with another secret."""
    body, event_id = _letter()
    return refused(await probe.post(body, {**probe.signed(body, event_id), "webhook-signature": f"v1,{_other_hmac()}"}))


async def signature_garbled(probe: Probe) -> Judgement:
    """Neither base64 nor a version."""
    body, event_id = _letter()
    garbled = ("v1,***", "v1", "=")
    return worst(
        [
            refused_or_troubled(await probe.post(body, {**probe.signed(body, event_id), "webhook-signature": signature}))
            for signature in garbled
        ]
    )


async def signature_missing(probe: Probe) -> Judgement:
    """Without the signature, and without any of the three headers."""
    body, event_id = _letter()
    headers = probe.signed(body, event_id)
    unsigned = {name: value for name, value in headers.items() if name != "webhook-signature"}
    bare = {"content-type": headers["content-type"]}
    return worst([refused(await probe.post(body, given)) for given in (unsigned, bare)])


async def body_changed(probe: Probe) -> Judgement:
    """One byte of the body is another than the one that was signed."""
    body, event_id = _letter()
    return refused(await probe.post(letters.changed_by_a_byte(body), probe.signed(body, event_id)))


async def timestamp_old(probe: Probe) -> Judgement:
    """Signed rightly, an hour ago."""
    body, event_id = _letter()
    return refused(await probe.post(body, probe.signed(body, event_id, shift=-AN_HOUR)))


async def timestamp_future(probe: Probe) -> Judgement:
    """Signed rightly, an hour from now."""
    body, event_id = _letter()
    return better_refused(await probe.post(body, probe.signed(body, event_id, shift=AN_HOUR)))


async def rotation(probe: Probe) -> Judgement:
    """Two signatures, as while a secret is replaced; the right one first, and last."""
    return await _signed_also(probe, f"v1,{_other_hmac()}")


async def other_version(probe: Probe) -> Judgement:
    """An Ed25519 signature beside the right one, before it and after it."""
    return await _signed_also(probe, f"v1a,{base64.b64encode(secrets.token_bytes(64)).decode()}")


async def _signed_also(probe: Probe, other: str) -> Judgement:
    found: list[Judgement] = []
    for first in (True, False):
        body, event_id = _letter()
        headers = probe.signed(body, event_id)
        pair = (other, headers["webhook-signature"]) if first else (headers["webhook-signature"], other)
        found.append(accepted(await probe.post(body, {**headers, "webhook-signature": " ".join(pair)})))
    return worst(found)


async def repeated(probe: Probe) -> Judgement:
    """The same letter, after it was taken."""
    body, event_id = _letter()
    found = [accepted(await probe.send(body, event_id)) for _ in range(2)]
    return _with_note(worst(found), event_id)


async def repeated_at_once(probe: Probe) -> Judgement:
    """The same letter twice, side by side; a retry would heal a refusal."""
    body, event_id = _letter()
    answers = await asyncio.gather(*(probe.send(body, event_id) for _ in range(2)))
    return _with_note(worst([better_accepted(answer) for answer in answers]), event_id)


def _with_note(judgement: Judgement, event_id: UUID) -> Judgement:
    note = Text(_UNSEEN.en.format(id=event_id), _UNSEEN.th.format(id=event_id))
    return Judgement(judgement.verdict, judgement.why + note)


async def unknown_event(probe: Probe) -> Judgement:
    """A type that no version of the exchange has."""
    event_id = new_id()
    return accepted(await probe.send(letters.event(event_id, letters.UNKNOWN_TYPE, {"anything": None}), event_id))


async def extra_fields(probe: Probe) -> Judgement:
    """A letter with more in it than is known today."""
    body, event_id = _letter()
    return accepted(await probe.send(letters.with_extra_fields(body), event_id))


async def thai(probe: Probe) -> Judgement:
    """Thai letters, vowels above and below, digits."""
    event_id = new_id()
    return accepted(await probe.send(letters.letter(event_id, thai=True), event_id))


async def large(probe: Probe) -> Judgement:
    """A long letter."""
    event_id = new_id()
    return accepted(await probe.send(letters.large_letter(event_id), event_id))


async def keep_alive(probe: Probe) -> Judgement:
    """Two letters one after the other; the probe must be one that keeps connections."""
    exchanges: list[Exchange] = []
    for _ in range(2):
        body, event_id = _letter()
        exchanges.append(await probe.send(body, event_id))
    return kept_alive(exchanges)


async def concurrent(probe: Probe) -> Judgement:
    """Different letters, side by side."""

    async def one() -> Exchange:
        body, event_id = _letter()
        return await probe.send(body, event_id)

    return worst([accepted_in_time(answer) for answer in await asyncio.gather(*(one() for _ in range(AT_ONCE)))])


def _letter() -> tuple[bytes, UUID]:
    event_id = new_id()
    return letters.letter(event_id), event_id


def _other_hmac() -> str:
    return base64.b64encode(hmac.digest(secrets.token_bytes(32), b"somebody else", "sha256")).decode()


# Each of these says something only when a valid letter is taken: a refusal by one that refuses all proves nothing.
TRIALS: Final[Mapping[Check, Trial]] = {
    Check.SIGNATURE_WRONG: signature_wrong,
    Check.SIGNATURE_GARBLED: signature_garbled,
    Check.SIGNATURE_MISSING: signature_missing,
    Check.BODY_CHANGED: body_changed,
    Check.TIMESTAMP_OLD: timestamp_old,
    Check.TIMESTAMP_FUTURE: timestamp_future,
    Check.ROTATION: rotation,
    Check.OTHER_VERSION: other_version,
    Check.REPEATED: repeated,
    Check.REPEATED_AT_ONCE: repeated_at_once,
    Check.UNKNOWN_EVENT: unknown_event,
    Check.EXTRA_FIELDS: extra_fields,
    Check.THAI: thai,
    Check.LARGE: large,
    Check.KEEP_ALIVE: keep_alive,
    Check.CONCURRENT: concurrent,
}

_NO_LETTER: Final = Judgement(
    Verdict.NOT_CHECKED, Text("A valid letter was not taken, so this would prove nothing.", "ยังไม่รับหนังสือที่ถูกต้อง จึงยังตรวจข้อนี้ไม่ได้")
)
_REDIRECTED: Final = Judgement(Verdict.NOT_CHECKED, Text("The answer was a redirect.", "คำตอบเป็นการเปลี่ยนเส้นทาง"))
_UNREADABLE: Final = Judgement(Verdict.NOT_CHECKED, Text("The address cannot be called.", "เรียกที่อยู่นี้ไม่ได้"))


async def run(
    url: str,
    secret: str,
    *,
    patience: float,
    ca_file: Path | None = None,
    report: Callable[[Finding], None] = lambda _finding: None,
) -> list[Finding]:
    """Make every check; `report` is told of each finding as it comes."""
    found: dict[Check, Judgement] = {}

    def keep(check: Check, judgement: Judgement) -> Judgement:
        found[check] = judgement
        report(Finding(check, judgement))
        return judgement

    address = keep(Check.ADDRESS, await reach.address(url))
    if address.verdict is Verdict.FAIL:
        for check in Check:
            if check not in found:
                keep(check, _UNREADABLE)
        return [Finding(check, judgement) for check, judgement in found.items()]
    trusting = reach.trusting(ca_file)
    certificate = keep(
        Check.CERTIFICATE,
        await reach.certificate(URL(url), trusting, own_authority=ca_file is not None, public=address.verdict is Verdict.PASS),
    )
    context = reach.blind() if certificate.verdict is Verdict.FAIL else trusting
    async with AsyncExitStack() as stack:
        probe = await stack.enter_async_context(open_probe(url, secret, patience=patience, context=context))
        keeping = await stack.enter_async_context(open_probe(url, secret, patience=patience, context=context, keep_alive=True))
        body, event_id = _letter()
        first = await probe.send(body, event_id)
        reached = first.trouble not in (Trouble.CONNECTION, Trouble.TIMEOUT)
        keep(Check.OWNERSHIP, await ownership(probe) if reached else _NO_LETTER)
        keep(Check.REDIRECT, not_redirected(first) if reached else _NO_LETTER)
        keep(Check.ACCEPTED, _REDIRECTED if first.redirects else accepted_in_time(first))
        keep(Check.ANSWER, small_answer(first) if reached else _NO_LETTER)
        for check, trial in TRIALS.items():
            keep(check, await trial(keeping if check is Check.KEEP_ALIVE else probe) if first.taken else _NO_LETTER)
    return [Finding(check, judgement) for check, judgement in found.items()]
