"""Endpoints: where an agency takes webhooks, and the keys that sign them."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from yarl import URL

from services.dispatch import problems, proving, signatures
from services.dispatch.api.dependencies import Dispatch, EndpointOwner
from services.dispatch.delivery.jobs import Endpoint
from services.dispatch.guard import MAX_URL_LENGTH, AddressRefused, UrlRefused, check_url
from services.dispatch.proof import Proven, Unproven
from services.dispatch.remedies import remedy_for
from services.dispatch.resources import Resources
from services.dispatch.signatures import Signatures
from services.dispatch.store import endpoints, limits
from services.dispatch.store.endpoints import NewEndpoint, StoredEndpoint
from shared.postgres import Connection
from shared.problems import NOT_FOUND, FieldError, ProblemError

# A name that cannot be looked up now is taken all the same: every address is checked when it is dialled.
LOOK_UP_PATIENCE: Final = 2.0
LONGEST_OVERLAP: Final = 30 * 86_400

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

State = Literal["active", "paused", "unverified", "disabled"]
Secret = Annotated[SecretStr | None, Field(max_length=200)]
Overlap = Annotated[int | None, Field(ge=0, le=LONGEST_OVERLAP)]


class RemedyOut(BaseModel):
    """What to mend, in English and Thai."""

    en: str
    th: str


class EndpointSet(BaseModel):
    """The agency's one endpoint."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"url": "https://saraban.example.go.th/wian", "secret": None}]},
    )

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH, description="https address that takes POST requests.")]
    secret: Secret = Field(
        default=None, description="Signing secret (`whsec_` and 24 to 64 bytes in base64); null has a new one made."
    )
    signatures: Signatures = Field(
        default=Signatures.V1,
        description="`v1`: HMAC-SHA256 with the secret; `v1a`: Ed25519, verified with `public_key`; `both`.",
    )


class SecretRotation(BaseModel):
    """A new secret beside the one before."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"secret": None}]})

    secret: Secret = Field(default=None, description="The new signing secret; null has one made.")
    overlap_seconds: Overlap = Field(
        default=None, description="How long the secret before still signs too; 0: not at all, null: as the exchange is set."
    )


class KeyRotation(BaseModel):
    """A new key pair beside the one before."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"overlap_seconds": None}]})

    overlap_seconds: Overlap = Field(
        default=None, description="How long the key before still signs too; 0: not at all, null: as the exchange is set."
    )


class ProofOut(BaseModel):
    """What came of asking the endpoint to prove itself; `remedy` says what to mend when it did not."""

    proven: bool
    by: Literal["handshake", "challenge"] | None = None
    reason: str | None = None
    status: int | None = None
    answer: str = Field(default="", description="The beginning of what the endpoint answered.")
    remedy: RemedyOut | None = None


class EndpointOut(BaseModel):
    """An endpoint; `secret` is shown once, in the answer to the call that set it, and `proof` in that to the call that asked."""

    agency_id: UUID
    url: str
    secret: str | None = None
    state: State = Field(
        description="`active`; `paused`: letters wait; `unverified`: the address has not proven itself yet, and "
        "`disabled`: it answered 410, so letters go by the next channel."
    )
    disabled_reason: str | None
    unproven_reason: str | None
    remedy: RemedyOut | None = Field(description="What to mend when the endpoint is unverified or disabled.")
    proven_at: datetime | None
    signatures: Signatures
    public_key: str | None = Field(description="`whpk_…`, with which `v1a` signatures are verified.")
    old_public_keys: list[str] = Field(description="Keys that still sign beside it after a rotation, the newest first.")
    old_secrets_until: datetime | None = Field(description="Until when secrets that were rotated out still sign.")
    old_signing_keys_until: datetime | None
    proof: ProofOut | None = None
    updated_at: datetime


@router.put("", summary="Set the endpoint")
async def put_endpoint(body: EndpointSet, caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Set where your agency takes webhooks; a paused or disabled endpoint becomes active again.

    The address is asked to prove itself at once: by the CloudEvents handshake (OPTIONS), or else by echoing a signed challenge.
    Until it has, the endpoint is `unverified` and gets no letters; `proof` says what to mend.
    Keep the secret: it is needed to verify signatures (Standard Webhooks 1.0), and is not shown again. The one before ends at once.
    """
    agency_id = caller.agency()
    await _check(dispatch, body.url)
    secret = _chosen(body.secret)
    sealed, pair = dispatch.vault.seal(secret), signatures.new_key_pair()
    async with dispatch.database.connection() as connection:
        before = await endpoints.get(connection, agency_id)
    proof: Proven | Unproven | None = None
    proven_at = _proven_before(before, body.url)
    if proven_at is None and dispatch.settings.dispatch_endpoint_proof == "required":
        proof = await proving.ask(dispatch.webhooks, agency_id, Endpoint(body.url, (sealed,)), dispatch.settings.public_url)
        proven_at = datetime.now(UTC) if isinstance(proof, Proven) else None
    new = NewEndpoint(
        url=body.url,
        secret_encrypted=sealed,
        signing_key_encrypted=dispatch.vault.seal(pair.private),
        public_key=pair.public,
        signatures=body.signatures,
        unproven_reason=proof.reason if isinstance(proof, Unproven) else None,
        proven_at=proven_at,
    )
    async with dispatch.database.transaction() as connection:
        stored = await endpoints.save(connection, agency_id, new)
        await _keep_rate(connection, stored, proof)
    return _show(stored, secret=secret, proof=proof)


@router.get("", summary="Read the endpoint")
async def get_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Your agency's endpoint, without its secret; `remedy` says what to mend when nothing is sent to it."""
    return _show(await _own(dispatch, caller.agency()))


@router.delete("", status_code=204, summary="Remove the endpoint")
async def delete_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> Response:
    """Remove your agency's endpoint; letters under way go by the next channel. Doing it again changes nothing."""
    async with dispatch.database.transaction() as connection:
        await endpoints.delete(connection, caller.agency())
    return Response(status_code=204)


@router.post("/verify", summary="Ask the endpoint to prove itself again")
async def verify_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Ask again after you have mended what `remedy` names; an endpoint that was switched off by 410 begins again this way too.

    An endpoint that gets letters already keeps its state, whatever comes of it.
    """
    stored = await _own(dispatch, caller.agency())
    proof: Proven | Unproven | None = None
    if dispatch.settings.dispatch_endpoint_proof == "required":
        endpoint = Endpoint(stored.url, tuple(stored.sealed_keys))
        proof = await proving.ask(dispatch.webhooks, stored.agency_id, endpoint, dispatch.settings.public_url)
    async with dispatch.database.transaction() as connection:
        if isinstance(proof, Unproven):
            changed = await endpoints.doubt(connection, stored, proof.reason) if stored.state == "unverified" else stored
        else:
            changed = await endpoints.prove(connection, stored)
            await _keep_rate(connection, stored, proof)
    if changed is None:
        raise ProblemError(problems.ENDPOINT_CHANGED)
    return _show(changed, proof=proof)


@router.post("/pause", summary="Pause the endpoint")
async def pause_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Keep letters back, during maintenance, say: they wait, as long as the time for webhooks lasts. Requests under way go on."""
    async with dispatch.database.transaction() as connection:
        paused = await endpoints.pause(connection, caller.agency())
    return _show(paused or await _refuse(dispatch, caller.agency()))


@router.post("/resume", summary="Resume the endpoint")
async def resume_endpoint(caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Let the letters go that waited."""
    async with dispatch.database.transaction() as connection:
        resumed = await endpoints.resume(connection, caller.agency())
    return _show(resumed or await _refuse(dispatch, caller.agency()))


@router.post("/rotate-secret", summary="Rotate the secret")
async def rotate_secret(body: SecretRotation, caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Sign with a new secret, and for a while with the one before too: two signatures, either of which verifies.

    Keep the secret in the answer. If the answer was lost, call again: the secret that your receiver knows still signs.
    """
    secret = _chosen(body.secret)
    overlap = _overlap(dispatch, body.overlap_seconds)
    async with dispatch.database.transaction() as connection:
        rotated = await endpoints.rotate_secret(connection, caller.agency(), dispatch.vault.seal(secret), overlap)
    if rotated is None:
        await _own(dispatch, caller.agency())
        raise ProblemError(problems.ROTATIONS_TOO_MANY)
    return _show(rotated, secret=secret)


@router.post("/rotate-signing-key", summary="Rotate the v1a key")
async def rotate_signing_key(body: KeyRotation, caller: EndpointOwner, dispatch: Dispatch) -> EndpointOut:
    """Sign `v1a` with a new key pair, and for a while with the one before too; take `public_key` from the answer."""
    pair = signatures.new_key_pair()
    sealed, overlap = dispatch.vault.seal(pair.private), _overlap(dispatch, body.overlap_seconds)
    async with dispatch.database.transaction() as connection:
        rotated = await endpoints.rotate_signing_key(connection, caller.agency(), sealed, pair.public, overlap)
    if rotated is None:
        await _own(dispatch, caller.agency())
        raise ProblemError(problems.ROTATIONS_TOO_MANY)
    return _show(rotated)


async def _keep_rate(connection: Connection, asked: StoredEndpoint, proof: Proven | Unproven | None) -> None:
    if isinstance(proof, Proven):
        await limits.set_allowed(connection, asked.agency_id, asked.url, proof.per_second)


async def _own(dispatch: Resources, agency_id: UUID) -> StoredEndpoint:
    async with dispatch.database.connection() as connection:
        stored = await endpoints.get(connection, agency_id)
    if stored is None:
        raise ProblemError(NOT_FOUND, "your agency has no endpoint")
    return stored


async def _refuse(dispatch: Resources, agency_id: UUID) -> StoredEndpoint:
    stored = await _own(dispatch, agency_id)
    raise ProblemError(
        problems.ENDPOINT_NOT_ACTIVE, f"the endpoint is {stored.state}: {stored.unproven_reason or stored.disabled_reason}"
    )


def _proven_before(before: StoredEndpoint | None, url: str) -> datetime | None:
    """When this address proved itself, if it takes letters still: a program that sets it at each start needs no new proof."""
    takes_letters = before is not None and before.state in ("active", "paused") and before.url == url
    return before.proven_at if before is not None and takes_letters else None


def _chosen(given: SecretStr | None) -> str:
    secret = signatures.new_secret() if given is None else given.get_secret_value()
    if not signatures.is_usable(secret):
        raise ProblemError(
            problems.ENDPOINT_SECRET_INVALID,
            errors=[FieldError("/secret", "secret_invalid", "expected `whsec_` and 24 to 64 bytes in base64")],
        )
    return secret


def _overlap(dispatch: Resources, seconds: int | None) -> timedelta:
    return timedelta(seconds=dispatch.settings.dispatch_secret_overlap if seconds is None else seconds)


def show_remedy(reason: str | None, status: int | None) -> RemedyOut:
    """The remedy as the API writes it."""
    remedy = remedy_for(reason, status)
    return RemedyOut(en=remedy.en, th=remedy.th)


def mend(stored: StoredEndpoint) -> RemedyOut | None:
    """What to mend so that the endpoint gets letters; None when it does."""
    if stored.state == "disabled":
        return show_remedy("http_410", None)
    return None if stored.unproven_reason is None else show_remedy(stored.unproven_reason, None)


def state_of(stored: StoredEndpoint) -> State:
    match stored.state:
        case "active" | "paused" | "unverified":
            return stored.state
        case _:
            return "disabled"


def _show_proof(proof: Proven | Unproven) -> ProofOut:
    match proof:
        case Proven():
            return ProofOut(proven=True, by=proof.by)
        case Unproven():
            remedy = show_remedy(proof.reason, proof.status)
            return ProofOut(proven=False, reason=proof.reason, status=proof.status, answer=proof.answer, remedy=remedy)


def _show(stored: StoredEndpoint, *, secret: str | None = None, proof: Proven | Unproven | None = None) -> EndpointOut:
    return EndpointOut(
        agency_id=stored.agency_id,
        url=stored.url,
        secret=secret,
        state=state_of(stored),
        disabled_reason=stored.disabled_reason,
        unproven_reason=stored.unproven_reason,
        remedy=mend(stored),
        proven_at=stored.proven_at,
        signatures=Signatures(stored.signatures),
        public_key=stored.public_key,
        old_public_keys=stored.old_public_keys,
        old_secrets_until=stored.old_secrets_until,
        old_signing_keys_until=stored.old_signing_keys_until,
        proof=None if proof is None else _show_proof(proof),
        updated_at=stored.updated_at,
    )


async def _check(dispatch: Resources, text: str) -> None:
    try:
        url = check_url(text, dispatch.settings.dispatch_allow_networks)
        await _look_up(dispatch, url)
    except UrlRefused as error:
        raise ProblemError(
            problems.ENDPOINT_URL_REFUSED, str(error), errors=[FieldError("/url", error.code, str(error))]
        ) from error


async def _look_up(dispatch: Resources, url: URL) -> None:
    try:
        async with asyncio.timeout(LOOK_UP_PATIENCE):
            await dispatch.resolvers[url.scheme].resolve(url.raw_host or "", url.port or 0, socket.AF_UNSPEC)
    except AddressRefused as error:
        raise UrlRefused("address_not_public", str(error)) from error
    except (OSError, TimeoutError, UnicodeError):
        return
