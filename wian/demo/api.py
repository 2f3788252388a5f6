"""How the demo's agencies call the API: with a token of their own, and again after an honest "try later"."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

RETRY_PAUSE: Final = 0.5
TOKEN_MARGIN_SECONDS: Final = 60

Json = Any


class ApiRefusal(Exception):
    """The API refused a call; the message holds its problem document."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}")
        self.status = response.status_code


class Api:
    """One client of the API. Calls are repeated while the system cannot be reached, until `patience` seconds are over."""

    def __init__(self, http: httpx.AsyncClient, client_id: str, client_secret: str, *, patience: float) -> None:
        self._http = http
        self._credentials = (client_id, client_secret)
        self._patience = patience
        self._token = ""
        self._token_until = 0.0

    async def get(self, path: str) -> Json:
        return (await self.request("GET", path)).json()

    async def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Json:
        return (
            await self.request("POST", path, content=_json(body), headers={"Content-Type": "application/json", **(headers or {})})
        ).json()

    async def put(self, path: str, body: object) -> Json:
        return (await self.request("PUT", path, content=_json(body), headers={"Content-Type": "application/json"})).json()

    async def request(
        self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer of a call that succeeded; raises `ApiRefusal` for any other that is final."""
        response = await self.answer(method, path, content, headers)
        if response.is_error:
            raise ApiRefusal(response)
        return response

    async def answer(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The final answer of a call, whatever it says."""
        given = {"Authorization": f"Bearer {await self._bearer()}", **(headers or {})}
        return await send(self._http, method, path, content=content, headers=given, patience=self._patience)

    async def _bearer(self) -> str:
        if time.monotonic() > self._token_until:
            response = await send(
                self._http,
                "POST",
                "/oauth/token",
                content=b"grant_type=client_credentials",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                auth=httpx.BasicAuth(*self._credentials),
                patience=self._patience,
            )
            if response.is_error:
                raise ApiRefusal(response)
            answer = response.json()
            self._token = answer["access_token"]
            self._token_until = time.monotonic() + answer["expires_in"] - TOKEN_MARGIN_SECONDS
        return self._token


def _json(body: object) -> bytes | None:
    return None if body is None else json.dumps(body, ensure_ascii=False).encode()


async def send(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    patience: float,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> httpx.Response:
    """Send, and send again after a 503 or a lost connection, for `patience` seconds; returns the last answer."""
    deadline = time.monotonic() + patience
    while True:
        try:
            response = await http.request(method, url, content=content, headers=headers, auth=auth)
            if response.status_code != 503 or time.monotonic() > deadline:
                return response
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(RETRY_PAUSE)


def path_of(url: str) -> str:
    """The path of an absolute link of ours."""
    return urlsplit(url).path
