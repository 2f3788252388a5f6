"""Problems as the API reports them: RFC 9457, a stable code, the field, and what to do, in Thai and English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem. `code` never changes; the remedies say what the caller should do."""

    code: str
    status: int
    title_en: str
    title_th: str
    remedy_en: str
    remedy_th: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """Where in the request: `pointer` is a JSON pointer (RFC 6901) into the body, or ``line N`` of an uploaded file.

    What is wrong outside of the body is named as ``query limit``, ``path letter_id`` or ``header if-match``.
    """

    pointer: str
    code: str
    detail: str


def body_pointer(location: Sequence[str | int], body: object, *, missing: bool) -> str:
    """The JSON pointer to a place in `body` that a validator names; `missing`: its last part is what should be there.

    Validators also name the branch of a union that they tried: what the body does not hold is no part of the pointer.
    """
    parts: list[str] = []
    at: object = body
    for number, part in enumerate(location, 1):
        held = _held(at)
        if part in held:
            at = held[part]
        elif not (missing and number == len(location)):
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)


def _held(value: object) -> Mapping[object, object]:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if isinstance(value, list | tuple):
        return dict(enumerate(cast("Sequence[object]", value)))
    return {}


class ProblemError(Exception):
    """A refusal that the caller is told of; nothing was stored.

    ProblemError
      └ raised by domain and api code with one entry of a service's catalogue
    """

    def __init__(
        self, problem: Problem, detail: str = "", *, errors: Sequence[FieldError] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(f"{problem.code}: {detail}")
        self.problem = problem
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after

    def body(self) -> dict[str, object]:
        """The problem+json document."""
        document: dict[str, object] = {
            "type": f"urn:wian:problem:{self.problem.code}",
            "code": self.problem.code,
            "title": self.problem.title_en,
            "title_th": self.problem.title_th,
            "status": self.problem.status,
            "detail": self.detail,
            "remedy": {"en": self.problem.remedy_en, "th": self.problem.remedy_th},
        }
        if self.errors:
            document["errors"] = [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in self.errors]
        return document


REQUEST_INVALID: Final = Problem(
    "request_invalid",
    422,
    "The request is not valid",
    "คำขอไม่ถูกต้อง",
    "Correct the fields named in `errors` and send the request again.",
    "แก้ไขช่องที่ระบุใน errors แล้วส่งใหม่",
)
NOT_FOUND: Final = Problem(
    "not_found",
    404,
    "There is no such thing, or it is not yours to see",
    "ไม่พบข้อมูล หรือท่านไม่มีสิทธิ์เข้าถึง",
    "Check the identifier, and that the token belongs to the agency concerned.",
    "ตรวจสอบรหัสอ้างอิงและหน่วยงานของโทเคน",
)
METHOD_NOT_ALLOWED: Final = Problem(
    "method_not_allowed",
    405,
    "This address does not take that method",
    "ที่อยู่นี้ไม่รองรับวิธีเรียกดังกล่าว",
    "See the API description for the methods of this address.",
    "ดูวิธีเรียกที่รองรับในเอกสาร API",
)
TOKEN_INVALID: Final = Problem(
    "token_invalid",
    401,
    "The access token is missing, spoilt or expired",
    "โทเคนไม่มี ไม่ถูกต้อง หรือหมดอายุ",
    "Get a new token from /oauth/token and send it as `Authorization: Bearer …`.",
    "ขอโทเคนใหม่จาก /oauth/token แล้วส่งในส่วนหัว Authorization",
)
SCOPE_MISSING: Final = Problem(
    "scope_missing",
    403,
    "The token does not carry the scope that this call needs",
    "โทเคนไม่มีขอบเขตสิทธิ์ที่จำเป็น",
    "Ask the operator for a client with the scope named in `detail`.",
    "ขอให้ผู้ดูแลระบบเพิ่มขอบเขตสิทธิ์ที่ระบุใน detail",
)
BODY_TOO_LARGE: Final = Problem(
    "body_too_large",
    413,
    "The request body is too large",
    "ข้อมูลที่ส่งมีขนาดใหญ่เกินไป",
    "Send less at once; `detail` names the limit.",
    "ลดขนาดข้อมูล ดูขีดจำกัดใน detail",
)
UNAVAILABLE: Final = Problem(
    "temporarily_unavailable",
    503,
    "A part of the system cannot be reached now",
    "ระบบบางส่วนไม่พร้อมให้บริการชั่วคราว",
    "Nothing was stored. Send the same request again after `Retry-After` seconds.",
    "ยังไม่มีการบันทึก โปรดส่งคำขอเดิมอีกครั้งภายหลัง",
)
INTERNAL: Final = Problem(
    "internal_error",
    500,
    "An error of ours",
    "เกิดข้อผิดพลาดภายในระบบ",
    "Send the request again; if it fails again, tell the operator the `trace_id`.",
    "โปรดลองใหม่ หากยังไม่สำเร็จให้แจ้ง trace_id แก่ผู้ดูแลระบบ",
)

CURSOR_INVALID: Final = Problem(
    "cursor_invalid",
    422,
    "That cursor is not one of ours",
    "ตัวชี้ตำแหน่งรายการไม่ถูกต้อง",
    "Begin again without `after`, and follow `next` as it is given.",
    "เริ่มอ่านรายการใหม่โดยไม่ระบุ after",
)
IDEMPOTENCY_KEY_MISSING: Final = Problem(
    "idempotency_key_missing",
    400,
    "The call needs an Idempotency-Key",
    "ต้องมีส่วนหัว Idempotency-Key",
    "Send a header Idempotency-Key of 1 to 200 visible ASCII characters, a new one for each order.",
    "ส่งส่วนหัว Idempotency-Key ยาว ๑ ถึง ๒๐๐ ตัวอักษร ไม่ซ้ำกันในแต่ละคำสั่ง",
)
IDEMPOTENCY_KEY_REUSED: Final = Problem(
    "idempotency_key_reused",
    422,
    "That Idempotency-Key was used for another request",
    "Idempotency-Key นี้ใช้กับคำขออื่นแล้ว",
    "Use a new key for a new request.",
    "ใช้คีย์ใหม่สำหรับคำขอใหม่",
)

CATALOGUE: Final = (
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_KEY_REUSED,
    CURSOR_INVALID,
    REQUEST_INVALID,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOKEN_INVALID,
    SCOPE_MISSING,
    BODY_TOO_LARGE,
    UNAVAILABLE,
    INTERNAL,
)
