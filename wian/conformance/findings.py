"""What a check finds, as values, and the pure decisions from an answer to a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The exchange keeps so much of an answer; the probe reads more, to see whether it ends.
ANSWER_KEPT: Final = 4096
SLOW_SECONDS: Final = 5.0
GONE: Final = 410
ASKS_FOR_RETRY: Final = frozenset({408, 409, 425, 429})


class Verdict(StrEnum):
    """`warn`: it works, but could be better, or is right on a developer's machine only."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    NOT_CHECKED = "not-checked"


_GRAVITY: Final = (Verdict.PASS, Verdict.NOT_CHECKED, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class Text:
    """The same in English and Thai."""

    en: str
    th: str

    def __add__(self, other: "Text") -> "Text":
        """One after the other, as sentences."""
        return Text(f"{self.en} {other.en}", f"{self.th} {other.th}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why."""

    verdict: Verdict
    why: Text


class Trouble(StrEnum):
    """Why there was no answer."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request's answer, or the trouble that came instead; `seconds` until the status was there.

    `whole` says that the answer ended within the bounds; `reused` that the connection was an earlier request's.
    """

    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    whole: bool = True
    reused: bool = False
    seconds: float = 0.0
    trouble: Trouble | None = None
    detail: str = ""

    @property
    def taken(self) -> bool:
        """2xx alone is success (Standard Webhooks 1.0)."""
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        """3xx is never followed."""
        return 300 <= self.status < 400

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        return (self.headers or {}).get(name, "")

    def told(self) -> Text:
        """What happened, in a sentence."""
        milliseconds = f"{self.seconds * 1000:.0f} ms"
        match self.trouble:
            case Trouble.TIMEOUT:
                return Text(f"No answer within {self.seconds:.0f} s.", f"ไม่ตอบภายใน {self.seconds:.0f} วินาที")
            case Trouble.CONNECTION:
                return Text(f"No connection, or it broke: {self.detail}.", f"เชื่อมต่อไม่ได้หรือการเชื่อมต่อขาด: {self.detail}")
            case Trouble.CERTIFICATE:
                return Text(f"The certificate is not trusted: {self.detail}.", f"ใบรับรองไม่น่าเชื่อถือ: {self.detail}")
            case None:
                return Text(f"Answered {self.status} in {milliseconds}.", f"ตอบ {self.status} ใน {milliseconds}")


def worst(judgements: Sequence[Judgement]) -> Judgement:
    """The gravest of several, the first of its kind."""
    return max(judgements, key=lambda judgement: _GRAVITY.index(judgement.verdict))


def accepted(exchange: Exchange) -> Judgement:
    """The letter must be taken."""
    return Judgement(Verdict.PASS if exchange.taken else Verdict.FAIL, exchange.told())


def accepted_in_time(exchange: Exchange) -> Judgement:
    """The letter must be taken, and should be at once."""
    if exchange.taken and exchange.seconds > SLOW_SECONDS:
        return Judgement(Verdict.WARN, exchange.told())
    return accepted(exchange)


def refused(exchange: Exchange) -> Judgement:
    """The request must be refused with a 4xx that is not worth a retry."""
    told = exchange.told()
    if exchange.taken:
        return Judgement(Verdict.FAIL, told + Text("It was taken.", "รับไว้ ทั้งที่ต้องปฏิเสธ"))
    if exchange.status == GONE:
        return Judgement(Verdict.WARN, told + Text("410 says that the endpoint is gone.", "410 หมายถึงเลิกใช้ปลายทางนี้แล้ว"))
    if exchange.status in ASKS_FOR_RETRY:
        return Judgement(Verdict.WARN, told + Text("That asks for a retry.", "สถานะนี้ขอให้ส่งซ้ำ"))
    if 400 <= exchange.status < 500:
        return Judgement(Verdict.PASS, told)
    return Judgement(Verdict.FAIL, told + Text("Expected a 4xx, such as 401.", "ควรตอบ 4xx เช่น 401"))


def refused_or_troubled(exchange: Exchange) -> Judgement:
    """As `refused`; a 5xx refuses too, but says that a fault of the server did it."""
    judgement = refused(exchange)
    if exchange.status >= 500:
        return Judgement(Verdict.WARN, judgement.why)
    return judgement


def better_refused(exchange: Exchange) -> Judgement:
    """As `refused`, for what does no great harm when it is taken."""
    judgement = refused(exchange)
    return Judgement(Verdict.WARN, judgement.why) if exchange.taken else judgement


def better_accepted(exchange: Exchange) -> Judgement:
    """As `accepted`, for what a retry will heal."""
    judgement = accepted(exchange)
    return judgement if exchange.taken else Judgement(Verdict.WARN, judgement.why)


def not_redirected(exchange: Exchange) -> Judgement:
    """Redirects are not followed, so a letter that is answered by one does not arrive."""
    if exchange.redirects:
        to = exchange.header("Location")
        return Judgement(Verdict.FAIL, exchange.told() + Text(f"It points to {to!r}.", f"ชี้ไปที่ {to!r}"))
    return Judgement(Verdict.PASS, exchange.told())


def small_answer(exchange: Exchange) -> Judgement:
    """An answer must end, and should be small and not packed."""
    size = len(exchange.body)
    encoding = exchange.header("Content-Encoding")
    if not exchange.whole:
        return Judgement(Verdict.FAIL, Text(f"After {size} bytes the answer had not ended.", f"คำตอบยังไม่จบแม้อ่านแล้ว {size} ไบต์"))
    if encoding not in ("", "identity"):
        return Judgement(Verdict.WARN, Text(f"The answer is packed ({encoding}).", f"คำตอบถูกบีบอัด ({encoding})"))
    told = Text(f"{size} bytes.", f"{size} ไบต์")
    return Judgement(Verdict.WARN if size > ANSWER_KEPT else Verdict.PASS, told)


def kept_alive(exchanges: Sequence[Exchange]) -> Judgement:
    """A second letter should come over the first one's connection."""
    if not all(exchange.taken and exchange.whole for exchange in exchanges):
        return Judgement(Verdict.NOT_CHECKED, worst([accepted(exchange) for exchange in exchanges]).why)
    if exchanges[-1].reused:
        return Judgement(Verdict.PASS, Text("The connection was used again.", "ใช้การเชื่อมต่อเดิมซ้ำได้"))
    return Judgement(Verdict.WARN, Text("The connection was closed after the answer.", "ปิดการเชื่อมต่อหลังตอบ"))
