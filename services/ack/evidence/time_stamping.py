"""Time-stamps of a third party (RFC 3161): that a checkpoint was there at a time which is not by Wian's clock."""

from typing import Final

import httpx
from rfc3161_client import HashAlgorithm, PKIStatus, TimestampRequestBuilder, decode_timestamp_response

ANSWER_LIMIT: Final = 256 * 1024


class TimeStampRefused(Exception):  # noqa: N818 - what an authority answered, not a mistake of ours
    """The authority gave no time-stamp, or one of something else."""


class TimeStampAuthority:
    """Asks one authority by HTTP (RFC 3161, section 3.4); `timeout` in seconds."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    async def stamp(self, body: bytes) -> bytes:
        """The answer (a TimeStampResp in DER) with a time-stamp over `body`. Raises TimeStampRefused, httpx.HTTPError.

        Who signed it is for those to check who rely on it, against roots that they trust; here only that it answers this question.
        """
        request = TimestampRequestBuilder().data(body).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = await self.ask(request.as_bytes())
        try:
            stamped = decode_timestamp_response(answer)
            status = PKIStatus(stamped.status)
        except ValueError as error:
            raise TimeStampRefused(f"the answer is no time-stamp: {error}") from error
        if status is not PKIStatus.GRANTED:
            raise TimeStampRefused(f"{status.name.lower()}: {', '.join(stamped.status_string)}")
        if stamped.tst_info.message_imprint.message != request.message_imprint.message or stamped.tst_info.nonce != request.nonce:
            raise TimeStampRefused("the time-stamp is of something else")
        return answer

    async def ask(self, request: bytes) -> bytes:
        """What the authority answers to a TimeStampReq, unread. Raises TimeStampRefused, httpx.HTTPError."""
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        answer = bytearray()
        async with (
            httpx.AsyncClient(timeout=self._timeout) as http,
            http.stream("POST", self._url, content=request, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise TimeStampRefused(f"the authority answered {response.status_code}")
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > ANSWER_LIMIT:
                    raise TimeStampRefused(f"the answer is longer than {ANSWER_LIMIT} bytes")
        return bytes(answer)
