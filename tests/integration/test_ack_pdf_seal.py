"""The seal inside the annex's PDF: a validator that is not ours accepts it, and finds every changed byte."""

import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from services.ack import printing
from services.ack.config import AckSettings
from services.ack.evidence.pdf_seal import PdfSeal
from tests.support.ack import OpenAck, circular, opened_ack
from tests.support.time_stamping import authority
from tests.support.tokens import TokenIssuer

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Certified:
    certificate: Path
    key: Path
    root: asn1_x509.Certificate


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    """A certificate of the operator's, with its key under a password, and the root above it."""
    root_key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = signed("root", root_key, "root", root_key)
    own = signed("ระบบเวียน", own_key, "root", root_key)
    pem = serialization.Encoding.PEM
    (tmp_path / "own.pem").write_bytes(own.public_bytes(pem) + root.public_bytes(pem))
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    (tmp_path / "own.key").write_bytes(own_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
    return Certified(tmp_path / "own.pem", tmp_path / "own.key", of_der(root))


def signed(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    is_root = name == issuer
    usage = dict.fromkeys(
        ("data_encipherment", "key_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
    )
    usage |= {"key_cert_sign": is_root, "digital_signature": not is_root, "content_commitment": not is_root}
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=400))
        .not_valid_after(datetime.now(UTC) + timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def of_der(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


@asynccontextmanager
async def sealing(environment: dict[str, str], tokens: TokenIssuer, certified: Certified, **more: Any) -> AsyncGenerator[OpenAck]:
    given = {
        "ack_seal_certificate": str(certified.certificate),
        "ack_seal_key": str(certified.key),
        "ack_seal_key_password": PASSWORD,
    }
    async with opened_ack(environment, tokens, **given, **more) as opened:
        yield opened


async def status(pdf: bytes, certified: Certified, *roots: asn1_x509.Certificate) -> Any:
    """What the validator says of the one signature."""
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    own = ValidationContext(trust_roots=[certified.root])
    return await async_validate_pdf_signature(signature, own, ValidationContext(trust_roots=[*roots]))


@pytest.mark.parametrize("rows", [1, 70])
async def test_the_seal_is_accepted_and_a_changed_byte_is_found(
    settings_environment: dict[str, str],
    token_issuer: TokenIssuer,
    certified: Certified,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    # The longer one is set in parts and joined: another program wrote that file.
    monkeypatch.setattr(printing, "PAGES_OF_A_PART", 1)
    monkeypatch.setattr(printing, "ROWS_OF_A_PART", 33)
    async with sealing(settings_environment, token_issuer, certified) as ack:
        sent = circular(rows)
        await ack.apply(*sent.chunks())
        pdf = (await ack.read(sent, "/annex.pdf")).content
    found = await status(pdf, certified)
    assert found.bottom_line, found.pretty_print_details()
    assert found.coverage.name == "ENTIRE_FILE"
    assert found.timestamp_validity is None
    at = pdf.index(b"stream\n") + 20
    changed = pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]
    found = await status(changed, certified)
    assert (found.intact, found.bottom_line) == (False, False)


async def test_the_seal_bears_a_time_stamp_and_stands_without_one(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, certified: Certified
) -> None:
    async with (
        authority() as tsa,
        sealing(settings_environment, token_issuer, certified, ack_tsa_url=tsa.url) as ack,
    ):
        sent = circular(1)
        await ack.apply(*sent.chunks())
        tsa.at = datetime.now(UTC).replace(microsecond=0)
        found = await status((await ack.read(sent, "/annex.pdf")).content, certified, of_der(tsa.root))
        assert found.bottom_line, found.pretty_print_details()
        assert found.timestamp_validity.timestamp == tsa.at
        tsa.http_status = 503
        found = await status((await ack.read(sent, "/annex.pdf")).content, certified)
        assert found.bottom_line
        assert found.timestamp_validity is None
        tsa.http_status, tsa.status = 200, "rejection"
        assert (await status((await ack.read(sent, "/annex.pdf")).content, certified)).bottom_line
        tsa.status, tsa.of = "granted", b"\0" * 32
        found = await status((await ack.read(sent, "/annex.pdf")).content, certified, of_der(tsa.root))
        assert found.bottom_line
        assert found.timestamp_validity is None, "a time-stamp of something else is not taken"


def test_a_seal_that_cannot_be_made_is_refused_at_the_start(
    certified: Certified, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    certificate, key = str(certified.certificate), str(certified.key)
    other = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "other.key").write_bytes(other.private_bytes(*form))
    for wrong in (
        (certificate, key, "wrong", None),
        (certificate, key, None, None),
        (certificate, str(tmp_path / "other.key"), None, None),
        (certificate, None, None, None),
        (str(tmp_path / "missing.pem"), key, PASSWORD, None),
        (key, key, PASSWORD, None),
    ):
        with pytest.raises(ValueError, match="WIAN_ACK_SEAL_"):
            PdfSeal.from_files(*wrong)
    with pytest.raises(ValueError, match="need WIAN_ACK_SEAL_CERTIFICATE"):
        AckSettings.model_validate({"ack_key_encryption_key": "a" * 43, **settings_environment, "ack_seal_key": key})
