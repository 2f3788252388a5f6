"""The story: the Ministry's circular goes to 76 provinces, the province's to 99 addressees, the districts' onwards."""

import asyncio
import csv
import io
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from shared.access import AGENCY_SCOPES
from wian.demo import papers
from wian.demo.agencies import Agencies, Agency
from wian.demo.api import Api, ApiRefusal
from wian.demo.example import MINISTRY, PROVINCE, Addressee, Example, Letter
from wian.demo.mailboxes import Mailboxes

Json = Any

# How many set-up calls are under way at once.
SETUP_CONCURRENCY: Final = 16
NOT_FOUND: Final = 404
# The numbers that the real papers bear; the offices continue their registers there.
MINISTRY_REGISTER: Final[Json] = {
    "unit_code": "มท ๐๒๑๘",
    "circular_series": "shared",
    "first_number": 5162,
    "first_number_year_be": 2560,
}
PROVINCE_REGISTER: Final[Json] = {
    "unit_code": "สค ๐๐๑๗.๑",
    "circular_series": "shared",
    "first_number": 15123,
    "first_number_year_be": 2560,
}
DISTRICT_PREFIX: Final = "สค ๐๑๑๘"
OVERRIDE_REASON: Final = "ส่งตามต้นฉบับที่ลงนามแล้ว จังหวัดจะแจ้งแก้คำผิดภายหลัง"


@dataclass(frozen=True, slots=True)
class Office:
    """A sender's desk: its register and its list."""

    register_id: str
    list_id: str


@dataclass(slots=True)
class Story:
    """What has happened so far; filled while the story runs."""

    example: Example
    operator: Api
    http: httpx.AsyncClient
    agencies: Agencies
    patience: float
    offices: dict[str, Office]
    ministry_circular: str = ""
    province_circular: str = ""
    onward_circulars: list[str] | None = None

    async def prepare(self) -> None:
        """Register the agencies, their clients, their endpoints, and the desks of the five senders."""
        await self.operator.request(
            "POST", "/v1/agencies/import", content=_agencies_csv(self.example), headers={"Content-Type": "text/csv"}
        )
        known = {agency["code"]: agency["agency_id"] async for agency in self._all_agencies()}
        limit = asyncio.Semaphore(SETUP_CONCURRENCY)

        async def enrol(about: Addressee) -> None:
            async with limit:
                await self._enrol(about, known[about.agency_code])

        await asyncio.gather(*(enrol(about) for about in (_ministry(), *self.example.agencies)))
        self.agencies.relay_with(self.relay)
        await self._open_offices()

    async def _all_agencies(self) -> AsyncGenerator[Json]:
        path = "/v1/agencies?limit=200"
        while True:
            page = await self.operator.get(path)
            for agency in page["items"]:
                yield agency
            if page["next"] is None:
                return
            path = f"/v1/agencies?limit=200&after={page['next']}"

    async def _enrol(self, about: Addressee, agency_id: str) -> None:
        client = await self.operator.post(
            "/v1/clients", {"agency_id": agency_id, "name": about.agency_code, "scopes": list(AGENCY_SCOPES)}
        )
        api = Api(self.http, client["client_id"], client["client_secret"], patience=self.patience)
        agency = Agency(about, agency_id, api)
        self.agencies.add(agency)
        if about.channel == "webhook":
            url = f"{self.agencies.base_url}/hooks/{about.agency_code}"
            agency.secret = (await api.put("/v1/endpoints", {"url": url, "secret": None}))["secret"]
        elif about.channel == "inbox":
            self.agencies.spawn(self.agencies.pull_inbox(agency))

    async def _open_offices(self) -> None:
        await self._open_office(MINISTRY, MINISTRY_REGISTER, self.example.provinces)
        await self._open_office(PROVINCE, PROVINCE_REGISTER, self.example.addressees)
        for number, district in enumerate((a for a in self.example.addressees if a.relay_duty), start=1):
            below = [a for a in self.example.local_governments if a.district_code == district.agency_code]
            register = {"unit_code": f"{DISTRICT_PREFIX}.{number}", "circular_series": "own"}
            await self._open_office(district.agency_code, register, below)

    async def _open_office(self, code: str, register: Json, addressees: Iterable[Addressee]) -> None:
        api = self.agencies[code].api
        lines = [{"title": a.title, "agency_code": a.agency_code, "relay_duty": a.relay_duty} for a in addressees]
        opened = await api.post("/v1/registers", register)
        made = await api.post("/v1/lists", {"name": "บัญชีรายชื่อแนบท้าย", "addressees": lines})
        self.offices[code] = Office(opened["register_id"], made["list_id"])

    async def send_ministry_circular(self) -> None:
        """มท ๐๒๑๘/ว ๕๑๖๒ goes to every province."""
        self.ministry_circular = await self._send(MINISTRY, self.example.ministry_letter)

    async def send_province_circular(self, say: Callable[[str], None]) -> None:
        """สค ๐๐๑๗.๑/ว ๑๕๑๒๓ goes to the 99 of the annex. Its typed text goes with it, and shows two contradictions."""
        api = self.agencies[PROVINCE].api
        letter_id = await self._register(PROVINCE, self.example.province_letter, typed=self.example.paper)
        found = await api.post(f"/v1/letters/{letter_id}/preflight")
        errors = [finding for finding in found["findings"] if finding["severity"] == "error"]
        say(f"ตรวจก่อนส่ง: ผิด {found['errors']} เตือน {found['warnings']} · preflight: errors and warnings")
        for code, finding in {error["code"]: error for error in errors}.items():
            say(f"  {finding['title_th']} ({code}): {finding['detail']}")
        # The paper went out like this in 2560; what is passed over is recorded with the order.
        override = {"reason": OVERRIDE_REASON, "findings": sorted({error["code"] for error in errors})} if errors else None
        if override is not None:
            say(f"  ยืนยันส่งโดยบันทึกเหตุผล: {OVERRIDE_REASON}")
        self.province_circular = await self._dispatch(PROVINCE, letter_id, override)

    async def relay(self, district: Agency, received: dict[str, Any]) -> None:
        """A district passes the letter on to the local governments in its area, as the letter orders."""
        letter = _onward_letter(self.example.province_letter, district, received)
        circular = await self._send(district.about.agency_code, letter, relay_of=received["recipient_id"])
        self.onward_circulars = [*(self.onward_circulars or []), circular]

    async def _send(self, code: str, letter: Letter, *, relay_of: str | None = None) -> str:
        """Draft, attach the signed paper, register, dispatch; returns the circular's id."""
        return await self._dispatch(code, await self._register(code, letter, relay_of=relay_of))

    async def _register(self, code: str, letter: Letter, *, relay_of: str | None = None, typed: str | None = None) -> str:
        api, office = self.agencies[code].api, self.offices[code]
        body = papers.draft(letter, register_id=office.register_id, list_id=office.list_id, relay_of_recipient_id=relay_of)
        letter_id = (await api.post("/v1/letters", body))["letter_id"]
        paper = await asyncio.to_thread(papers.pdf, letter)
        files = [("letter.pdf", paper, "application/pdf")]
        if typed is not None:
            files.append(("letter.txt", typed.encode(), "text/plain"))
        for name, content, media_type in files:
            path = f"/v1/letters/{letter_id}/attachments?file_name={name}"
            await api.request("POST", path, content=content, headers={"Content-Type": media_type})
        await api.post(f"/v1/letters/{letter_id}/register")
        return letter_id

    async def _dispatch(self, code: str, letter_id: str, override: Json = None) -> str:
        api, order = self.agencies[code].api, {} if override is None else {"override": override}
        dispatched = await api.post(f"/v1/letters/{letter_id}/dispatch", order, {"Idempotency-Key": f"demo-{letter_id}"})
        await _until_known(api, dispatched["circular_id"], self.patience)
        return dispatched["circular_id"]

    async def circular(self, code: str, circular_id: str) -> Json:
        """The circular's matrix as its sender sees it."""
        return await self.agencies[code].api.get(f"/v1/circulars/{circular_id}")


@asynccontextmanager
async def cast_of(
    example: Example, *, url: str, operator: tuple[str, str], smtp_port: int, patience: float
) -> AsyncGenerator[Story]:
    """The simulated agencies at work, and a story that has not begun."""
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=40)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as http:
        agencies = Agencies(http, patience=patience)
        webhooks = await agencies.serve()
        mail = await Mailboxes(http, agencies, patience=patience).serve(smtp_port)
        try:
            yield Story(example, Api(http, *operator, patience=patience), http, agencies, patience, {})
        finally:
            await agencies.close()
            mail.close()
            await mail.wait_closed()
            await webhooks.cleanup()


async def _until_known(api: Api, circular_id: str, patience: float) -> None:
    """A circular can be followed as soon as the collector has heard of it, a moment after the 202."""
    deadline = time.monotonic() + patience
    while True:
        try:
            await api.get(f"/v1/circulars/{circular_id}")
            return
        except ApiRefusal as refusal:
            if refusal.status != NOT_FOUND or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


def _ministry() -> Addressee:
    return Addressee(
        title="ปลัดกระทรวงมหาดไทย",
        agency_code=MINISTRY,
        name_th="กระทรวงมหาดไทย",
        name_en="Ministry of Interior",
        kind="ministry",
        parent_code="",
        letter_code="มท",
        channel="none",
        email="",
        behaviour="prompt",
        relay_duty=False,
        district_code="",
    )


def _agencies_csv(example: Example) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["code", "name_th", "name_en", "kind", "letter_code", "parent_code", "email"])
    for about in (_ministry(), *example.agencies):
        # Only complete unit codes are letter codes: a prefix alone is not.
        code = about.letter_code if " " in about.letter_code else ""
        writer.writerow([about.agency_code, about.name_th, about.name_en, about.kind, code, about.parent_code, about.email])
    return text.getvalue().encode()


def _onward_letter(letter: Letter, district: Agency, received: dict[str, Any]) -> Letter:
    """The district's own covering letter: same subject, the province's letter enclosed."""
    name = district.about.name_th
    enclosed = received["letter"]
    return {
        **letter,
        "owner": name,
        "date": _today(district, enclosed),
        "salutation": "เรียน นายกเทศมนตรีและนายกองค์การบริหารส่วนตำบลในพื้นที่",
        "enclosures": [{"description": "สำเนาหนังสือจังหวัดสมุทรสาคร", "number": enclosed["number"], "date": enclosed["date"]}],
        "body": [
            f"ด้วย{name}ได้รับหนังสือจังหวัดสมุทรสาคร ที่ {enclosed['number']} ให้แจ้งองค์กรปกครองส่วนท้องถิ่นในพื้นที่พิจารณาดำเนินการ",
            "จึงเรียนมาเพื่อพิจารณาดำเนินการ",
        ],
        "signatory_name": district.acknowledgment()["registrar_name"],
        "signatory_position": district.about.title,
        "contact_unit": "ที่ทำการปกครองอำเภอ",
        "fax": None,
    }


def _today(district: Agency, enclosed: dict[str, Any]) -> str:
    """The day on which the district answers, which is never before the letter that it answers."""
    return max(str(district.acknowledgment().get("receive_date", "")), str(enclosed["date"]))
