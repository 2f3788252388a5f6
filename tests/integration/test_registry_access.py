"""Clients, tokens, scopes and the registry's own key set."""

import base64
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts
from joserfc import jwt
from joserfc.jwk import KeySet

from services.registry.app import PUBLIC_ROUTES
from services.registry.tokens import Tokens
from shared.access import TokenVerifier
from shared.signing import SigningKeyLocked
from tests.support.registry import RegistryUnderTest, open_registry
from tests.support.spoil import spoilt
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path) as opened:
        yield opened


async def _client(registry: RegistryUnderTest, *scopes: str) -> dict[str, str]:
    office = await registry.office("smk")
    return await registry.created(
        "/v1/clients", {"agency_id": office.agency_id, "name": "ระบบสารบรรณ", "scopes": scopes}, registry.operator
    )


async def test_token_carries_the_claims_of_its_client_and_is_checked_by_the_public_keys(registry: RegistryUnderTest) -> None:
    client = await _client(registry, "letters:read", "lists:write")
    answer = await registry.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]},
    )
    granted = answer.json()
    assert (granted["token_type"], granted["expires_in"], granted["scope"]) == ("Bearer", 900, "letters:read lists:write")
    assert answer.headers["cache-control"] == "no-store"
    keys = (await registry.http.get("/.well-known/jwks.json")).json()
    assert all("d" not in key for key in keys["keys"])
    claims = jwt.decode(granted["access_token"], KeySet.import_key_set(keys), algorithms=["Ed25519"]).claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("wian", "wian", client["client_id"])
    assert claims["agency"] == client["agency_id"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims["jti"]


async def test_client_may_ask_for_fewer_scopes_but_not_for_more(registry: RegistryUnderTest) -> None:
    client = await _client(registry, "letters:read", "lists:write")
    auth = (client["client_id"], client["client_secret"])
    fewer = await registry.http.post("/oauth/token", data={"grant_type": "client_credentials", "scope": "lists:write"}, auth=auth)
    assert fewer.json()["scope"] == "lists:write"
    more = await registry.http.post("/oauth/token", data={"grant_type": "client_credentials", "scope": "operate"}, auth=auth)
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"),
    [
        ({"grant_type": "password"}, ("a", "b"), 400, "unsupported_grant_type"),
        ({}, ("a", "b"), 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("unknown", "secret"), 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "\0", "client_secret": "x"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}, ("a", "b"), 400, "invalid_request"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, ("a", "b"), 400, "invalid_request"),
    ],
)
async def test_token_request_is_refused_in_the_words_of_the_rfc(
    registry: RegistryUnderTest, form: dict[str, str], auth: tuple[str, str] | None, status: int, error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if auth is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    answer = await registry.http.post("/oauth/token", data=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("authorization", ["Basic !!!", "Basic YWJj", "Bearer abc", "Basic /////w==", "Basic"])
async def test_spoilt_basic_header_is_an_unknown_client(registry: RegistryUnderTest, authorization: str) -> None:
    answer = await registry.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": authorization}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_wrong_secret_and_revoked_client_get_no_token(registry: RegistryUnderTest) -> None:
    client = await _client(registry, "letters:read")
    grant = {"grant_type": "client_credentials"}
    wrong = await registry.http.post("/oauth/token", data=grant, auth=(client["client_id"], client["client_secret"] + "x"))
    assert wrong.status_code == 401
    revoked = await registry.http.delete(f"/v1/clients/{client['client_id']}", headers=registry.operator)
    assert revoked.status_code == 204
    after = await registry.http.post("/oauth/token", data=grant, auth=(client["client_id"], client["client_secret"]))
    assert after.status_code == 401
    again = await registry.http.delete(f"/v1/clients/{client['client_id']}", headers=registry.operator)
    assert again.status_code == 404


async def test_secret_is_kept_as_a_hash_only(registry: RegistryUnderTest) -> None:
    client = await _client(registry, "letters:read")
    async with registry.database.connection() as connection:
        kept = str(await connection.fetch("SELECT clients.*::text AS row FROM clients"))
        keys = str(
            await connection.fetch("SELECT public_jwk::text || encode(private_encrypted, 'escape') AS row FROM signing_keys")
        )
    assert client["client_secret"] not in kept
    assert '"d"' not in keys
    listed = await registry.http.get("/v1/clients", headers=registry.operator)
    assert client["client_secret"] not in listed.text
    assert client["client_id"] in listed.text


async def test_token_that_is_spoilt_expired_foreign_or_missing_is_refused(
    registry: RegistryUnderTest, settings_environment: dict[str, str]
) -> None:
    good = registry.operator["Authorization"]
    tokens = Tokens(
        registry.database,
        encryption_key="encryption-key-of-the-tests-0123456789",
        issuer="wian",
        audience="wian",
        lifetime=-120,
    )
    expired = await tokens.issue("client", None, ["operate"])
    foreign = TokenIssuer().token(None, ["operate"])
    for authorization in (spoilt(good), f"Bearer {expired}", f"Bearer {foreign}", "Bearer x", None):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await registry.http.get("/v1/agencies", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), authorization


async def test_every_route_but_the_public_ones_asks_for_a_token(registry: RegistryUnderTest) -> None:
    asked: set[str] = set()
    paths: set[str] = set()
    for route in iter_route_contexts(registry.parts.app.routes):
        path = str(route.path)
        paths.add(path)
        for method in route.methods or ():
            answer = await registry.http.request(method, path.replace("{", "").replace("}", ""))
            if answer.status_code == 422:
                answer = await registry.http.request(method, re.sub(r"{\w+}", str(uuid4()), path))
            # An answer to HEAD has no body.
            if answer.status_code == 401 and (method == "HEAD" or answer.json()["code"] == "token_invalid"):
                asked.add(path)
            else:
                assert path in PUBLIC_ROUTES, (method, path, answer.text)
    assert len(asked) > 40
    assert asked == paths - set(PUBLIC_ROUTES)


async def test_missing_scope_is_refused_and_names_the_scope(registry: RegistryUnderTest) -> None:
    office = await registry.office("smk")
    reader = await registry.headers(office.agency_id, "letters:read")
    calls = [
        ("POST", "/v1/agencies"),
        ("POST", "/v1/agencies/import"),
        ("POST", "/v1/clients"),
        ("POST", "/v1/lists"),
        ("POST", "/v1/registers"),
        ("POST", "/v1/letters"),
        ("POST", f"/v1/letters/{uuid4()}/register"),
        ("POST", f"/v1/letters/{uuid4()}/dispatch"),
    ]
    for method, path in calls:
        answer = await registry.http.request(method, path, headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), path


async def test_operator_does_not_read_letters(registry: RegistryUnderTest) -> None:
    for path in ("/v1/letters", f"/v1/letters/{uuid4()}", f"/v1/attachments/{uuid4()}", "/v1/lists", "/v1/registers"):
        answer = await registry.http.get(path, headers=registry.operator)
        assert answer.status_code == 403, path


@pytest.mark.parametrize(
    ("with_agency", "scopes"), [(True, ["operate"]), (False, ["letters:read"]), (False, ["operate", "letters:read"])]
)
async def test_operator_scope_stands_alone(registry: RegistryUnderTest, with_agency: bool, scopes: list[str]) -> None:
    agency_id = (await registry.office("smk")).agency_id if with_agency else None
    body = {"agency_id": agency_id, "name": "x", "scopes": scopes}
    answer = await registry.http.post("/v1/clients", json=body, headers=registry.operator)
    assert (answer.status_code, answer.json()["code"]) == (422, "client_scopes_invalid")


async def test_client_of_an_unknown_agency_is_refused(registry: RegistryUnderTest) -> None:
    body = {"agency_id": str(uuid4()), "name": "x", "scopes": ["letters:read"]}
    answer = await registry.http.post("/v1/clients", json=body, headers=registry.operator)
    assert (answer.status_code, answer.json()["code"]) == (422, "agency_unknown")


async def test_replicas_share_one_signing_key(
    registry: RegistryUnderTest, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    async with open_registry(settings_environment, tmp_path) as other:
        answer = await other.http.get("/v1/agencies", headers=registry.operator)
        assert answer.status_code == 200
    assert await registry.count("signing_keys") == 1


async def test_registry_refuses_to_start_under_another_encryption_key(
    registry: RegistryUnderTest, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(SigningKeyLocked, match="WIAN_REGISTRY_KEY_ENCRYPTION_KEY"):
        async with open_registry(settings_environment, tmp_path, registry_key_encryption_key="another" * 7):
            pass


async def test_other_services_check_the_tokens_by_the_published_keys(registry: RegistryUnderTest) -> None:
    published = (await registry.http.get("/.well-known/jwks.json")).json()

    async def source() -> KeySet:
        return KeySet.import_key_set(published)

    verifier = TokenVerifier(source, issuer="wian", audience="wian")
    principal = await verifier.verify(registry.operator["Authorization"].removeprefix("Bearer "))
    assert principal.is_operator
    assert principal.agency_id is None
