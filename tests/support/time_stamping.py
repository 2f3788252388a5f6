"""A time-stamping authority (RFC 3161) on a port of its own, with a root that it is trusted by."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass
class Authority:
    """What it answers with next: `status` granted, or another; `forget` leaves the nonce out; `of` is another message's hash."""

    url: str = ""
    status: str = "granted"
    http_status: int = 200
    of: bytes | None = None
    asked: int = 0
    at: datetime = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    root_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        self.root = _certificate("root", self.root_key, "root", self.root_key, is_root=True)
        self.certificate = _certificate("time-stamps", self.key, "root", self.root_key, is_root=False)

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)

    def answer(self, query: bytes) -> bytes:
        """The TimeStampResp to a TimeStampReq."""
        asked: Any = tsp.TimeStampReq.load(query)
        imprint = asked["message_imprint"]
        if self.status != "granted":
            refused = tsp.PKIStatusInfo({"status": self.status, "status_string": ["not today"]}).dump()
            # The library's own response has no form without a token.
            return bytes([0x30, len(refused)]) + refused
        if self.of is not None:
            imprint["hashed_message"] = self.of
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": "1.2.3.4.1",
                "message_imprint": imprint,
                "serial_number": self.asked,
                "gen_time": self.at,
                "nonce": asked["nonce"].native,
            }
        )
        token = cms.ContentInfo({"content_type": "signed_data", "content": self._signed(info.dump())})
        return tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()

    def _signed(self, info: bytes) -> cms.SignedData:
        own: Any = asn1_x509.Certificate.load(self.certificate.public_bytes(serialization.Encoding.DER))
        certificate_id = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(own.dump()).digest()}]})
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info).digest()]},
                {"type": "signing_certificate_v2", "values": [certificate_id]},
            ]
        )
        signature = self.key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256())
        issuer = cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number})
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": issuer}),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}),
            "signature": signature,
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
                "certificates": [own],
                "signer_infos": [signer],
            }
        )


@asynccontextmanager
async def authority() -> AsyncGenerator[Authority]:
    """An authority that answers on a port of this machine until the block ends."""
    made = Authority()

    async def stamp(request: web.Request) -> web.Response:
        made.asked += 1
        body = made.answer(await request.read())
        return web.Response(body=body, status=made.http_status, content_type="application/timestamp-reply")

    app = web.Application()
    app.router.add_post("/tsa", stamp)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/tsa"
        yield made
    finally:
        await runner.cleanup()


def _certificate(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, is_root: bool
) -> x509.Certificate:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())
