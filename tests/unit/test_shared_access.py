"""Tokens: only a whole, unexpired one of the right issuer and audience proves a caller."""

from typing import Literal
from uuid import uuid4

import pytest
from joserfc.jwk import KeySet, OKPKey

from shared import problems
from shared.access import AGENCY_SCOPES, REMEMBERED_FOR, Principal, Scope, TokenVerifier
from shared.problems import ProblemError
from tests.support.spoil import spoilt
from tests.support.tokens import TokenIssuer


async def test_token_names_the_client_its_agency_and_its_scopes(token_issuer: TokenIssuer) -> None:
    agency = uuid4()
    principal = await token_issuer.verifier().verify(token_issuer.token(agency, [Scope.LETTERS_READ]))
    assert principal == Principal(f"test-{agency}", agency, frozenset({"letters:read"}))
    assert not principal.is_operator


@pytest.mark.parametrize("spoil", ["signature", "expired", "audience", "stranger", "none", "rubbish"])
async def test_spoilt_token_is_refused(token_issuer: TokenIssuer, spoil: str) -> None:
    good = token_issuer.token(uuid4(), AGENCY_SCOPES)
    _, payload, _ = good.split(".")
    tokens = {
        "signature": spoilt(good),
        "expired": token_issuer.token(uuid4(), AGENCY_SCOPES, lifetime=-60),
        "audience": token_issuer.token(uuid4(), AGENCY_SCOPES, audience="somebody-else"),
        "stranger": TokenIssuer().token(uuid4(), AGENCY_SCOPES),
        "none": f"eyJhbGciOiJub25lIn0.{payload}.",
        "rubbish": "ก.ข.ค",
    }
    with pytest.raises(ProblemError) as refusal:
        await token_issuer.verifier().verify(tokens[spoil])
    assert refusal.value.problem is problems.TOKEN_INVALID


async def test_keys_are_read_again_when_a_new_key_signs_and_not_at_every_spoilt_token() -> None:
    first, second = TokenIssuer(), TokenIssuer()
    current, reads = first, 0

    async def source() -> KeySet:
        nonlocal reads
        reads += 1
        return await current.key_source()

    now = 0.0
    verifier = TokenVerifier(source, issuer="wian", audience="wian", clock=lambda: now)
    await verifier.verify(first.token(None, [Scope.OPERATE]))
    current, now = second, 60.0
    principal = await verifier.verify(second.token(None, [Scope.OPERATE]))
    assert principal.is_operator
    assert reads == 2
    for _ in range(5):
        with pytest.raises(ProblemError):
            await verifier.verify(TokenIssuer().token(None, []))
    assert reads == 2


async def test_a_good_token_is_checked_once_a_minute_and_never_beyond_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = TokenIssuer()
    now, checked = 0.0, 0
    verify = OKPKey.get_op_key

    def counted(key: OKPKey, operation: Literal["sign", "verify"]) -> object:
        nonlocal checked
        checked += operation == "verify"
        return verify(key, operation)

    monkeypatch.setattr(OKPKey, "get_op_key", counted)
    verifier = TokenVerifier(issuer.key_source, issuer="wian", audience="wian", clock=lambda: now)
    token = issuer.token(uuid4(), AGENCY_SCOPES)
    first = await verifier.verify(token)
    for _ in range(3):
        assert await verifier.verify(token) == first
    assert checked == 1
    now = REMEMBERED_FOR
    assert await verifier.verify(token) == first
    assert checked == 2

    monkeypatch.setattr("shared.access.time.time", lambda: 2.0**40)
    with pytest.raises(ProblemError):
        await verifier.verify(token)
