"""`wian verify`: checks receipts offline, with nothing but the file and the keys, and says which byte is wrong."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast

import rfc8785

from services.ack.evidence.form import (
    FORMAT,
    HEADER_FORMAT,
    LINE,
    b64,
    canonical_problem,
    first_difference,
    protected_header,
    signed_by,
    unb64,
)

Keys = Mapping[str, Mapping[str, Any]]
LONGEST_SEARCH: Final = 2048

_START: Final = b'{"body":{'
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HEX: Final = b"0123456789abcdef"
_HEADER_LENGTH: Final = len(b64(protected_header("k" * 43)))  # key ids are thumbprints: 43 characters
_MOST_MISPLACED: Final = 3
# Two lines whose line end was changed.
_JOINED: Final = re.compile(rb'"sha256":"[0-9a-f]{64}"\}(.)\{"body":\{', re.DOTALL)


# A stranger can sign whatever he likes with keys of his own: what is read below is of the types that are expected.
_ABSENT: Final = object()
_HEADER_MEMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "format": (str,),
    "scope": (str,),
    "circular_id": (str,),
    "recipient_id": (str, type(None)),
    "content_hash": (str,),
    "receipts": (int,),
    "head_sha256": (str, type(None)),
    "keys": (list,),
}
_RECEIPT_MEMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "format": (str,),
    "circular_id": (str,),
    "sequence": (int,),
    "previous_sha256": (str, type(None)),
    "content_hash": (str,),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong first: in which line, which check, at which byte of the file. `exact` says that it is that very byte."""

    check: str
    line: int
    offset: int
    detail: str
    sequence: int | None = None
    exact: bool = True

    def __str__(self) -> str:
        receipt = "" if self.sequence is None else f", receipt {self.sequence}"
        near = "byte" if self.exact else "in what begins at byte"
        return f"WRONG: {self.check} at {near} {self.offset} (line {self.line}{receipt}): {self.detail}"


class Wrong(Exception):
    """Carries the fault out of the check that found it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(slots=True)
class Verified:
    """What has been found right."""

    receipts: int = 0
    chain: bool = False
    # The keys stand in the file itself: they prove that it is whole, and not whose it is.
    own_keys: bool = False
    content_hash: str | None = None
    previous: str | None = None
    sequence: int = 0
    circular_id: str | None = None
    # The hash of the receipt that a checkpoint names, if it was met.
    watched: str | None = None
    keys: Keys = field(default_factory=dict[str, Mapping[str, Any]])


def verify(
    lines: Iterable[bytes], keys: Keys | None = None, content_hash: str | None = None, *, watch: int | None = None
) -> Verified:
    """Check a receipt, a recipient's receipts or a circular's chain, line by line; raises Wrong at the first fault.

    The hash of the receipt with the number `watch` is kept.
    """
    state, header, offset = Verified(own_keys=keys is None), None, 0
    number, embedded = 0, dict[str, Mapping[str, Any]]()
    for number, raw in enumerate(lines, start=1):
        line = Line(raw, number, offset)
        if line.kind == "header" and number > 1:
            raise line.wrong("form", 0, "a header stands only in the first line")
        if line.kind == "header":
            embedded = keys_of(line.content)
            known = state.keys = embedded if keys is None else keys
        elif keys is None and header is None:
            raise line.wrong("key unknown", 0, "the file has no header with keys: give them with --jwks")
        else:
            known = keys if keys is not None else embedded
        line.check_seal(known)
        line.require(_HEADER_MEMBERS if line.kind == "header" else _RECEIPT_MEMBERS)
        if line.kind == "header":
            line.expect("format", HEADER_FORMAT)
            header = line.content
        else:
            _follow(state, line, header)
            if line.content["sequence"] == watch:
                state.watched = line.sha256
        if content_hash is not None:
            line.expect("content_hash", content_hash)
        state.content_hash, state.circular_id = line.content["content_hash"], line.content["circular_id"]
        offset += len(raw)
    if number == 0:
        raise Wrong(Fault("form", 1, 0, "the file is empty"))
    _check_end(state, header, number, offset)
    return state


def _follow(state: Verified, line: "Line", header: Mapping[str, Any] | None) -> None:
    line.expect("format", FORMAT)
    sequence = line.content["sequence"]
    if header is not None:
        line.expect("circular_id", header["circular_id"])
        line.expect("content_hash", header["content_hash"])
        if header["recipient_id"] is not None:
            line.expect("recipient_id", header["recipient_id"])
    if header is not None and header["scope"] == "circular":
        state.chain = True
        if sequence != state.sequence + 1:
            raise line.wrong(
                "gap", line.place("sequence"), f"receipt {state.sequence + 1} should stand here, and {sequence} does"
            )
    elif sequence <= state.sequence:
        raise line.wrong("order", line.place("sequence"), f"receipt {sequence} stands after {state.sequence}")
    if sequence == state.sequence + 1 and line.content["previous_sha256"] != state.previous:
        raise line.wrong("chain link", line.place("previous_sha256"), "previous_sha256 is not the hash of the receipt before")
    state.receipts += 1
    state.sequence, state.previous = sequence, line.sha256


def _check_end(state: Verified, header: Mapping[str, Any] | None, lines: int, offset: int) -> None:
    if header is None:
        return
    if state.receipts != header["receipts"]:
        raise Wrong(Fault("gap", lines + 1, offset, f"the file ends after {state.receipts} of {header['receipts']} receipts"))
    if header["scope"] == "circular" and state.previous != header["head_sha256"]:
        raise Wrong(Fault("chain link", lines, offset, "the last receipt is not the head that the header names"))


def keys_of(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The keys of a JWK set or a header, by their id; none when it has another form."""
    found = document.get("keys")
    if not isinstance(found, list):
        return {}
    keys = (cast("dict[str, Any]", key) for key in cast("list[Any]", found) if isinstance(key, dict))
    return {key["kid"]: key for key in keys if isinstance(key.get("kid"), str) and isinstance(key.get("x"), str)}


class Line:
    """One line of a file: where its parts stand, and whether they fit together."""

    def __init__(self, raw: bytes, number: int, offset: int) -> None:
        self._number, self._offset = number, offset
        self._text = raw.removesuffix(b"\n")
        self.content: Mapping[str, Any] = {}
        match = LINE.fullmatch(self._text)
        if match is None or self._text == raw:
            at, exact = (len(raw), True) if match is not None else _misshapen(raw)
            raise self.wrong("form", at, "this is not a line of an export", exact=exact)
        joined = _JOINED.search(self._text)
        if joined is not None and canonical_problem(self._text) is not None:
            raise self.wrong("form", joined.start(1), "one line should end here")
        self._match = match
        self.kind = match["kind"].decode()
        self.sha256 = match["sha256"].decode()
        # A body that does not parse is found by its hash, which tells the byte.
        with suppress(ValueError, RecursionError):
            self.content = json.loads(match["body"])

    @property
    def body(self) -> bytes:
        """The exact bytes that were signed."""
        return self._match["body"]

    def wrong(self, check: str, at: int, detail: str, *, exact: bool = True) -> Wrong:
        """The fault at this byte of the line."""
        sequence = self.content.get("sequence")
        return Wrong(
            Fault(check, self._number, self._offset + at, detail, sequence if isinstance(sequence, int) else None, exact)
        )

    def place(self, name: str) -> int:
        """Where the value of the body's member stands in the line; members are in the order of their names."""
        before = {key: value for key, value in self.content.items() if key < name}
        return self._match.start("body") + len(rfc8785.dumps(cast("Any", before))) - 1 + bool(before) + len(name) + 3

    def expect(self, name: str, value: object) -> None:
        """The body's member has this value; raises Wrong."""
        if self.content.get(name) != value:
            raise self.wrong("content", self.place(name), f"{name} is {self.content.get(name)!r}, and should be {value!r}")

    def require(self, members: Mapping[str, tuple[type, ...]]) -> None:
        """What was signed has the members that the checks read, of these types; raises Wrong."""
        for name, types in members.items():
            value = self.content.get(name, _ABSENT)
            if type(value) not in types:
                raise self.wrong("form", self._match.start("body"), f"{name} is missing or of another type", exact=False)
        if self.content.get("scope", "circular") not in ("circular", "recipient"):
            raise self.wrong("form", self.place("scope"), f"scope is {self.content['scope']!r}")

    def check_seal(self, keys: Keys) -> None:
        """Hash, key, signature and canonical form; raises Wrong."""
        body, at = self._match["body"], self._match.start
        exact = hashlib.sha256(body).hexdigest()
        if exact != self.sha256:
            if self._signed(keys):
                where = at("sha256") + first_difference(exact.encode(), self._match["sha256"])
                raise self.wrong("hash", where, "the body is as it was signed, and sha256 is not its hash")
            changed = _changed_byte(body, self.sha256)
            if changed is None:
                raise self.wrong("hash", at("body"), "the body is not the one that sha256 was made of", exact=False)
            where, original = changed
            raise self.wrong("hash", at("body") + where, f"this byte is {body[where]:#04x}, and was {original:#04x}")
        self._check_header(keys)
        if not self._signed(keys):
            raise self.wrong("signature", at("signature"), "the signature is not one of this body under its key", exact=False)
        problem = canonical_problem(self._text)
        if problem is not None:
            raise self.wrong("canonical form", problem, "this is not canonical JSON (RFC 8785)")

    def _check_header(self, keys: Keys) -> None:
        given = self._match["header"]
        known = [b64(protected_header(kid)).encode() for kid in keys]
        if given not in known:
            where = max((first_difference(given, one) for one in known), default=0)
            raise self.wrong("key unknown", self._match.start("header") + where, "no known key has signed this")

    def _signed(self, keys: Keys) -> bool:
        header = self._match["header"].decode()
        key = next((jwk for kid, jwk in keys.items() if b64(protected_header(kid)) == header), None)
        try:
            return key is not None and signed_by(key, header, unb64(self._match["signature"].decode()), self._match["body"])
        except ValueError:
            return False


def _misshapen(raw: bytes) -> tuple[int, bool]:
    """The first byte that stands where a line has another, and whether it is the only one."""
    text = raw.removesuffix(b"\n")
    if LINE.fullmatch(raw[:-1]):
        return len(raw) - 1, True
    start = _START
    found: list[list[int]] = []
    for kind in (b"header", b"receipt", b"annex"):
        end = [b"}", *_each(b',"jws":"'), *[_BASE64] * _HEADER_LENGTH, *_each(b".."), *[_BASE64] * 86, *_each(b'","kind":"')]
        end += [*_each(kind), *_each(b'","sha256":"'), *[_HEX] * 64, *_each(b'"}')]
        if len(text) < len(start) + len(end):
            return min(first_difference(start, text), len(text)), False
        places = [*enumerate(_each(start)), *enumerate(end, len(text) - len(end))]
        found.append([at for at, allowed in places if text[at] not in allowed])
    closest = min(found, key=len)
    # Of a line that was cut, the end has nothing in common with the end of a line.
    return (closest[0], len(closest) == 1) if 0 < len(closest) < _MOST_MISPLACED else (0 if not closest else len(text), False)


def _each(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


def _changed_byte(body: bytes, sha256: str) -> tuple[int, int] | None:
    """The one byte whose change gives the hash, with its value; None when more than one byte is wrong."""
    if len(body) > LONGEST_SEARCH:
        return None
    wanted, before = bytes.fromhex(sha256), hashlib.sha256()
    for at in range(len(body)):
        rest = body[at + 1 :]
        for value in range(256):
            attempt = before.copy()
            attempt.update(bytes((value,)) + rest)
            if attempt.digest() == wanted:
                return at, value
        before.update(body[at : at + 1])
    return None
