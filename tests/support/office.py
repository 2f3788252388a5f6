"""A sender and its receivers enrolled in a running system, and a letter to start from."""

from dataclasses import dataclass
from typing import Any

import httpx

from shared.access import AGENCY_SCOPES
from tests.support.system import RunningSystem
from wian.demo.api import Api

AGENCIES = (
    "code,name_th,name_en,kind,letter_code,parent_code,email\n"
    "sender,ผู้ส่ง,Sender,province,,,\nreceiver,ผู้รับ,Receiver,district,,,\nstranger,ผู้อื่น,Stranger,district,,,\n"
)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Clients of three agencies; `receiver` is on the sender's list, `stranger` is not."""

    sender: Api
    receiver: Api
    stranger: Api
    register_id: str
    list_id: str


async def enrol(http: httpx.AsyncClient, system: RunningSystem) -> Enrolled:
    """Import the agencies, give each a client, and open the sender's register and list."""
    operator = Api(http, *system.operator, patience=10)
    await operator.request("POST", "/v1/agencies/import", content=AGENCIES.encode(), headers={"Content-Type": "text/csv"})
    sender, receiver, stranger = [await _client(http, operator, code) for code in ("sender", "receiver", "stranger")]
    register = await sender.post("/v1/registers", {"unit_code": "สค ๐๐๑๗.๑", "circular_series": "own"})
    addressees = [{"title": "นายอำเภอ", "agency_code": "receiver", "relay_duty": False}]
    made = await sender.post("/v1/lists", {"name": "บัญชีรายชื่อ", "addressees": addressees})
    return Enrolled(sender, receiver, stranger, register["register_id"], made["list_id"])


async def _client(http: httpx.AsyncClient, operator: Api, code: str) -> Api:
    found = (await operator.get(f"/v1/agencies?code={code}"))["items"][0]
    made = await operator.post("/v1/clients", {"agency_id": found["agency_id"], "name": code, "scopes": list(AGENCY_SCOPES)})
    return Api(http, made["client_id"], made["client_secret"], patience=10)


def draft(office: Enrolled, **changes: object) -> dict[str, Any]:
    """A complete draft; `changes` replace fields."""
    return {
        "register_id": office.register_id,
        "list_id": office.list_id,
        "kind": "external",
        "circular": True,
        "date": "2026-11-02",
        "owner": "ศาลากลางจังหวัด",
        "subject": "เรื่องทดสอบ",
        "salutation": "เรียน นายอำเภอ",
        "body": ["ข้อความ"],
        "closing": "ขอแสดงความนับถือ",
        "signatory_name": "สมชาย ใจดี",
        "signatory_position": "ผู้ว่าราชการจังหวัด",
        "contact_unit": "สำนักงานจังหวัด",
        "telephone": "๐ ๓๔๔๑ ๑๒๕๑",
        "speed": "normal",
        "secrecy": "normal",
        **changes,
    }


async def registered_letter(office: Enrolled) -> str:
    """The path of a letter that has its number."""
    letter = await office.sender.post("/v1/letters", draft(office))
    path = f"/v1/letters/{letter['letter_id']}"
    await office.sender.post(f"{path}/register")
    return path
