"""Classes of speed (ข้อ 28) and secrecy, by code or by Thai name; what is not known is refused, never defaulted."""

from collections.abc import Mapping
from typing import Final

from services.registry import problems
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError
from shared.thai.text import normalise

SPEED_NAMES: Final[Mapping[Speed, str]] = {
    Speed.NORMAL: "ปกติ",
    Speed.URGENT: "ด่วน",
    Speed.VERY_URGENT: "ด่วนมาก",
    Speed.MOST_URGENT: "ด่วนที่สุด",
}
SECRECY_NAMES: Final[Mapping[Secrecy, str]] = {
    Secrecy.NORMAL: "ปกติ",
    Secrecy.CONFIDENTIAL: "ลับ",
    Secrecy.SECRET: "ลับมาก",
}
TOP_SECRET: Final = frozenset({"top_secret", "topsecret", "top-secret", "ลับที่สุด"})

_SPEEDS: Final = {name: speed for speed, thai in SPEED_NAMES.items() for name in (speed.value, thai)}
_SECRECIES: Final = {name: secrecy for secrecy, thai in SECRECY_NAMES.items() for name in (secrecy.value, thai)}


def _comparable(text: str) -> str:
    return normalise(text).replace(" ", "").lower()


def read_speed(text: str) -> Speed | FieldError:
    """The class of speed that `text` names, or what is wrong with it."""
    speed = _SPEEDS.get(_comparable(text))
    return speed or FieldError("/speed", problems.SPEED_UNKNOWN.code, f"expected one of {', '.join(_SPEEDS)}, got {text!r}")


def read_secrecy(text: str) -> Secrecy | FieldError:
    """The class of secrecy that `text` names, or what is wrong with it; ลับที่สุด never enters (ข้อ 29)."""
    comparable = _comparable(text)
    if comparable in TOP_SECRET:
        return FieldError("/secrecy", problems.SECRECY_NOT_ELECTRONIC.code, "ลับที่สุด must not travel electronically")
    secrecy = _SECRECIES.get(comparable)
    return secrecy or FieldError(
        "/secrecy", problems.SECRECY_UNKNOWN.code, f"expected one of {', '.join(_SECRECIES)}, got {text!r}"
    )
