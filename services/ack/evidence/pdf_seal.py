"""Seals a PDF (PAdES, ETSI EN 319 142-1): any reader of PDFs shows whose it is and that no byte of it was changed."""

import asyncio
import io
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final, cast

import httpx
import structlog
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper, TimestampRequestError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from services.ack.evidence.time_stamping import TimeStampAuthority, TimeStampRefused

FIELD: Final = "Wian"
REASON: Final = "บัญชีรายชื่อแนบท้าย ออกโดยระบบเวียน"
PIECE: Final = 1024 * 1024

log = structlog.stdlib.get_logger(__name__)


class PdfSeal:
    """The operator's certificate and key, and the authority that says at what time they were used, if there is one."""

    def __init__(self, certificates: bytes, key: bytes, password: bytes | None, authority: TimeStampAuthority | None) -> None:
        """`certificates` in PEM, the signer's first; raises ValueError when the key is not its, or cannot be opened."""
        try:
            private, own = load_pem_private_key(key, password), load_pem_x509_certificates(certificates)[0]
        except TypeError as error:
            raise ValueError(str(error)) from error
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise ValueError("the key is not the one of the certificate")
        # The libraries have no types.
        chain: list[Any] = list(cast("Iterable[Any]", load_certs_from_pemder_data(certificates)))
        registry: Any = SimpleCertificateStore
        self._signer = SimpleSigner(chain[0], load_private_key_from_pemder_data(key, password), registry.from_certs(chain))
        # It keeps the size of the authority's answers, which it asks for once.
        self._stamper = None if authority is None else _Stamper(authority)

    @classmethod
    def from_files(
        cls, certificates: str, key: str | None, password: str | None, authority: TimeStampAuthority | None
    ) -> "PdfSeal":
        """The seal of these PEM files; without `key` it stands with the certificate. Raises ValueError, naming the setting."""
        try:
            found = Path(certificates).read_bytes()
            private = found if key is None else Path(key).read_bytes()
            return cls(found, private, None if password is None else password.encode(), authority)
        except (OSError, ValueError, IndexError) as error:
            raise ValueError(f"WIAN_ACK_SEAL_CERTIFICATE and WIAN_ACK_SEAL_KEY give no seal: {error}") from error

    async def seal(self, file: IO[bytes]) -> None:
        """Seal the PDF where it stands, and go back to its beginning; done beside the event loop.

        An authority that does not answer costs the time-stamp, not the seal.
        """
        end = file.seek(0, io.SEEK_END)
        if self._stamper is not None:
            try:
                await asyncio.to_thread(self._seal, file, self._stamper)
            except (TimeStampRefused, TimestampRequestError, httpx.HTTPError) as error:
                log.warning("an annex is sealed without a time-stamp", error=repr(error))
                file.truncate(end)
            else:
                return
        await asyncio.to_thread(self._seal, file, None)

    def _seal(self, file: IO[bytes], stamper: TimeStamper | None) -> None:
        file.seek(0)
        about = PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm="sha256",
            reason=REASON,
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        signer: Any = PdfSigner(about, self._signer, timestamper=stamper)
        signer.sign_pdf(IncrementalPdfFileWriter(file), in_place=True, chunk_size=PIECE)
        file.seek(0)


class _Stamper(TimeStamper):
    """Asks the service's own authority, with its time-out and bounds."""

    def __init__(self, authority: TimeStampAuthority) -> None:
        super().__init__()
        self._authority = authority

    async def async_request_tsa_response(self, req: Any) -> Any:
        response: Any = tsp.TimeStampResp
        given = await self._authority.ask(req.dump())
        try:
            answer = response.load(given, strict=True)
            status = answer["status"]["status"].native
            info = answer["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed if status == "granted" else None
            fits = info is not None and all(info[name].dump() == req[name].dump() for name in ("message_imprint", "nonce"))
        except (ValueError, TypeError, KeyError) as error:
            raise TimeStampRefused(f"the answer is no time-stamp: {error}") from error
        if not fits:
            raise TimeStampRefused(f"{status}, or of something else")
        return answer
