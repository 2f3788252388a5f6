"""The registry opened for a test: called over ASGI, with clients and tokens made as an operator makes them."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.registry.app import open_parts
from services.registry.config import RegistrySettings
from services.registry.operator import bootstrap_operator
from shared import postgres
from shared.access import AGENCY_SCOPES
from shared.postgres import Database
from shared.service import Parts

Headers = dict[str, str]

LETTER: dict[str, Any] = {
    "kind": "external",
    "circular": True,
    "date": "2017-11-09",
    "owner": "ศาลากลางจังหวัดสมุทรสาคร\nถนนเศรษฐกิจ ๑ สค ๗๔๐๐๐",
    "subject": "การพัฒนางานบริการประชาชน",
    "salutation": "เรียน หน่วยงานที่เกี่ยวข้อง (ตามบัญชีรายชื่อแนบท้าย)",
    "references": [{"issuer": "กระทรวงมหาดไทย", "number": "มท ๐๒๑๘/ว๕๑๖๒", "date": "๒๐ ตุลาคม ๒๕๖๐"}],
    "enclosures": [{"description": "สำเนาหนังสือกระทรวงมหาดไทย", "copies": 1}],
    "body": ["ด้วยจังหวัดสมุทรสาครได้รับแจ้งว่า…", "จึงเรียนมาเพื่อพิจารณาดำเนินการ"],
    "closing": "ขอแสดงความนับถือ",
    "signatory_name": "นายประภัสสร มาลาภาณุจัน",
    "signatory_position": "ผู้ว่าราชการจังหวัดสมุทรสาคร",
    "contact_unit": "สำนักงานจังหวัด",
    "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
}


@dataclass(frozen=True, slots=True)
class Office:
    """An agency with a client that has every scope of an agency."""

    agency_id: str
    code: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class RegistryUnderTest:
    """The opened registry; `storage` is the folder with the attachments."""

    parts: Parts
    database: Database
    http: httpx.AsyncClient
    operator: Headers
    storage: Path

    async def token(self, client_id: str, client_secret: str) -> Headers:
        answer = await self.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, client_secret))
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def headers(self, agency_id: str, *scopes: str) -> Headers:
        made = await self.created("/v1/clients", {"agency_id": agency_id, "name": "test", "scopes": scopes}, self.operator)
        return await self.token(made["client_id"], made["client_secret"])

    async def created(self, path: str, body: object, headers: Headers) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def office(self, code: str) -> Office:
        body = {"code": code, "name_th": f"สำนักงาน {code}", "name_en": f"Office {code}", "kind": "province"}
        agency_id = (await self.created("/v1/agencies", body, self.operator))["agency_id"]
        return Office(agency_id, code, await self.headers(agency_id, *AGENCY_SCOPES))

    async def register(self, office: Office, **more: object) -> str:
        body = {"unit_code": "สค ๐๐๑๗.๑", "circular_series": "own", **more}
        return (await self.created("/v1/registers", body, office.headers))["register_id"]

    async def distribution_list(self, office: Office, *codes: str, relay_duty: bool = False) -> str:
        addressees = [{"title": f"หัวหน้า {code}", "agency_code": code, "relay_duty": relay_duty} for code in codes]
        return (await self.created("/v1/lists", {"name": "บัญชีรายชื่อแนบท้าย", "addressees": addressees}, office.headers))["list_id"]

    async def draft(self, office: Office, register_id: str, **more: object) -> str:
        body = {**LETTER, "register_id": register_id, **more}
        return (await self.created("/v1/letters", body, office.headers))["letter_id"]

    async def registered(self, office: Office, letter_id: str) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/letters/{letter_id}/register", headers=office.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def attach(
        self, office: Office, letter_id: str, content: bytes, name: str = "หนังสือ.pdf", **headers: str
    ) -> httpx.Response:
        return await self.http.post(
            f"/v1/letters/{letter_id}/attachments",
            params={"file_name": name},
            content=content,
            headers={**office.headers, "Content-Type": "application/pdf", **headers},
        )

    async def dispatch(self, office: Office, letter_id: str, key: str, body: object = None) -> httpx.Response:
        return await self.http.post(
            f"/v1/letters/{letter_id}/dispatch",
            json=body or {},
            headers={**office.headers, "Idempotency-Key": key},
        )

    async def outbox(self, event_type: str) -> list[dict[str, Any]]:
        """The payloads that the outbox holds, in the order in which they were written."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT body FROM outbox WHERE type = $1 ORDER BY outbox_id", event_type)
        return [json.loads(row["body"])["data"] for row in rows]

    async def count(self, table: str) -> int:
        async with self.database.connection() as connection:
            return await connection.fetchval(f"SELECT count(*) FROM {table}")  # pyright: ignore[reportArgumentType]

    def stored_objects(self) -> list[Path]:
        return [path for path in self.storage.rglob("*") if path.is_file()]


@asynccontextmanager
async def open_registry(base: Mapping[str, str], storage: Path, **more: object) -> AsyncGenerator[RegistryUnderTest]:
    """The registry with settings `base` and `more`, until the block ends."""
    values: dict[str, Any] = {
        **base,
        "registry_key_encryption_key": "encryption-key-of-the-tests-0123456789",
        "registry_storage_url": storage.as_uri(),
        **more,
    }
    settings = RegistrySettings(**values)
    async with (
        open_parts(settings) as parts,
        postgres.open_database(base["postgres_dsn"], service="registry", pool_size=2) as database,
        httpx.AsyncClient(transport=httpx.ASGITransport(parts.app), base_url="http://wian.test") as http,
    ):
        opened = RegistryUnderTest(parts, database, http, {}, storage)
        opened.operator.update(await opened.token(*await bootstrap_operator(database)))
        yield opened
