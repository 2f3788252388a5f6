"""The checks before dispatch, each on a letter that is sound but for one thing, and the seed's own contradictions."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.registry.domain.kinds import Kind
from services.registry.domain.letters import Attachment, Draft, Enclosure
from services.registry.intake.reader import read_paper
from services.registry.intake.reading import examine_paper
from services.registry.preflight import findings
from services.registry.preflight.checks import examine
from services.registry.preflight.facts import AddresseeFacts, Heading, LetterFacts, Rules, Suspect, Suspects
from services.registry.preflight.findings import CATALOGUE, MOST_SHOWN, Severity
from shared.contracts.events import Secrecy, Speed
from shared.thai.working_time import free_day

SEED = (Path(__file__).parents[2] / "examples" / "samut-sakhon-2560" / "letter.txt").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)  # a Monday in Bangkok
PDF = "application/pdf"
RULES = Rules(
    date_window_days=30,
    nearest_hours=dict(zip(Speed, (72, 24, 8, 2), strict=True)),
    file_types=frozenset({PDF}),
    file_max_bytes=1000,
    kinds_without_saraban=frozenset({"bank"}),
)
FILE = Attachment(uuid4(), "คำสั่ง.pdf", PDF, 10, "a" * 64)
DRAFT = Draft(
    kind=Kind.EXTERNAL,
    circular=True,
    date=date(2026, 11, 20),
    owner="ศาลากลางจังหวัดสมุทรสาคร",
    subject="การประชุม",
    salutation="เรียน นายอำเภอทุกอำเภอ",
    references=(),
    enclosures=(Enclosure("สำเนาหนังสือกระทรวงมหาดไทย ที่ มท ๐๒๑๘/ว ๕๙๙๒ ลงวันที่ ๒๐ ตุลาคม ๒๕๖๙", 1, None, None, None),),
    body=("จึงเรียนมาเพื่อพิจารณา",),
    closing="ขอแสดงความนับถือ",
    signatory_name="นายประภัสสร มาลาภาณุจัน",
    signatory_position="ผู้ว่าราชการจังหวัดสมุทรสาคร",
    contact_unit="สำนักงานจังหวัด",
    telephone="๐ ๓๔๔๑ ๑๒๕๑",
    fax=None,
    speed=Speed.NORMAL,
    secrecy=Secrecy.NORMAL,
    deadline=datetime(2026, 11, 30, 9, 30, tzinfo=UTC),
)
SOUND = LetterFacts(
    draft=DRAFT,
    number="สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
    attachments=(FILE,),
    annexes=(Heading("/annexes/0", "สค 0017.1/ว15123", date(2026, 11, 20), "การประชุม"),),
    enclosed=(Heading("/enclosed/0", "มท 0218/ว5992", date(2026, 10, 20), None),),
    addressees=AddresseeFacts(total=3),
    now=NOW,
)
ONE = Suspects(1, (Suspect(2, "ปลัดจังหวัดสมุทรสาคร", ""),))


def _draft(**changes: Any) -> LetterFacts:
    return replace(SOUND, draft=replace(DRAFT, **changes))


def _annex(**changes: Any) -> LetterFacts:
    return replace(SOUND, annexes=(replace(SOUND.annexes[0], **changes),))


def _enclosed(**changes: Any) -> LetterFacts:
    return replace(SOUND, enclosed=(replace(SOUND.enclosed[0], **changes),))


def _file(**changes: Any) -> LetterFacts:
    return replace(SOUND, attachments=(replace(FILE, **changes),))


def _addressees(**changes: Any) -> LetterFacts:
    return replace(SOUND, addressees=replace(SOUND.addressees, **changes))


CASES: dict[str, LetterFacts] = {
    "annex_number_differs": _annex(number="สค ๐๐๑๗.๑/ว ๑๕๑๖๓"),
    "annex_date_differs": _annex(date=date(2026, 11, 21)),
    "annex_subject_differs": _annex(subject="การเดินทาง"),
    "cited_number_differs": _enclosed(number="มท ๐๒๑๘/ว ๕๑๖๒"),
    "cited_date_differs": _enclosed(date=date(2026, 10, 21)),
    "cited_subject_differs": replace(
        _enclosed(subject="การเดินทาง"),
        draft=replace(
            DRAFT, enclosures=(replace(DRAFT.enclosures[0], description=f"{DRAFT.enclosures[0].description} เรื่อง การประชุม"),)
        ),
    ),
    "enclosed_not_cited": _enclosed(number="กค ๐๒๑๘/ว ๕๙๙๒"),
    "list_missing": _addressees(total=0),
    "addressee_repeated": _addressees(repeated=ONE),
    "addressee_without_channel": _addressees(without_channel=ONE),
    "addressee_unknown": _addressees(unknown=ONE),
    "agency_closed": _addressees(closed=ONE),
    "agency_succeeded": _addressees(succeeded=ONE),
    "mailbox_not_saraban": _addressees(not_saraban=ONE),
    "deadline_past": _draft(deadline=NOW - timedelta(hours=1)),
    "deadline_not_working_day": _draft(deadline=datetime(2026, 11, 28, 3, tzinfo=UTC)),
    "deadline_too_near": _draft(deadline=NOW + timedelta(hours=71)),
    "within_without_deadline": _draft(deadline=None, body=("ด่วนภายในวันศุกร์",)),
    "secrecy_not_electronic": replace(SOUND, top_secret=True),
    "secrecy_not_by_mail": _draft(secrecy=Secrecy.SECRET),
    "file_missing": replace(SOUND, attachments=()),
    "file_not_listed": replace(_draft(enclosures=()), enclosed=()),
    "file_type_refused": _file(media_type="video/mp4", file_name="ภาพ"),
    "file_type_differs": _file(file_name="ภาพ.png"),
    "file_too_large": _file(size=1001),
    "file_repeated": replace(SOUND, attachments=(FILE, FILE)),
    "field_missing": _draft(telephone=" "),
    "date_far": replace(_draft(date=date(2025, 11, 20)), annexes=()),
    "salutation_names_one": _draft(salutation="เรียน ปลัดจังหวัดสมุทรสาคร"),
    "sara_am_decomposed": _draft(owner="ประจํากรม"),
    "digits_mixed": _draft(telephone="๐ 3441"),
    "unsafe_characters": _draft(subject="การประชุม\u202e", body=("ก",)),
    "spaces_repeated": _draft(closing="ขอแสดง  ความนับถือ"),
}


def test_nothing_is_found_about_a_sound_letter() -> None:
    assert examine(SOUND, RULES).findings == ()


def test_every_code_has_a_case_and_a_remedy_in_both_languages() -> None:
    assert set(CASES) == {kind.code for kind in CATALOGUE}
    assert len({kind.code for kind in CATALOGUE}) == len(CATALOGUE)
    assert all(kind.remedy_th and kind.remedy_en and kind.title_th and kind.title_en for kind in CATALOGUE)


@pytest.mark.parametrize("code", CASES)
def test_one_fault_gives_its_finding_alone(code: str) -> None:
    found = examine(CASES[code], RULES)
    # A letter's subject that nobody can see differs from the annex's too.
    assert {finding.kind.code for finding in found.findings} - {"annex_subject_differs"} == {code} - {"annex_subject_differs"}
    assert all(finding.pointer.startswith("/") for finding in found.findings)
    assert found.counts[code] == 1


def test_of_each_code_the_first_hundred_are_shown_and_all_counted() -> None:
    many = Suspects(5000, tuple(Suspect(n, "ก", "") for n in range(1, 101)))
    found = examine(_addressees(closed=many), RULES)
    assert len(found.findings) == MOST_SHOWN
    assert found.counts == {"agency_closed": 5000}
    assert found.total(Severity.ERROR) == 5000


@pytest.mark.parametrize(
    ("day", "free"),
    [(date(2026, 11, 23), False), (date(2026, 11, 22), True), (date(2027, 4, 13), True), (date(2024, 12, 10), True)],
)
def test_thai_holidays_and_weekends_are_no_working_days(day: date, free: bool) -> None:
    assert (free_day(day) is not None) is free


def test_the_seed_text_shows_both_its_contradictions_and_its_sara_am() -> None:
    found = examine_paper(read_paper(SEED), SEED, RULES, {}, NOW)
    by_code = {code: [f for f in found.findings if f.kind.code == code] for code in found.counts}
    assert [f.pointer for f in by_code["annex_number_differs"]] == [f"/annexes/{page}/number" for page in range(3)]
    assert by_code["annex_number_differs"][0].detail == "the letter is สค ๐๐๑๗.๑/ว ๑๕๑๒๓, the annex สค ๐๐๑๗.๑/ว ๑๕๑๖๓"
    assert [f.detail for f in by_code["cited_number_differs"]] == [
        "cited as มท ๐๒๑๘/ว ๕๙๙๒, the enclosed letter is มท ๐๒๑๘/ว ๕๑๖๒"
    ]
    assert [f.detail for f in by_code["cited_date_differs"]] == [
        "cited as of ๒๐ ตุลาคม ๒๕๖๐, the enclosed letter is of ๒๑ ตุลาคม ๒๕๖๐"
    ]
    assert [f.detail for f in by_code["sara_am_decomposed"]] == ["อัยการจังหวัดประจํากรม (สคช.)"]
    assert {f.kind for f in found.errors} == {
        findings.ANNEX_NUMBER_DIFFERS,
        findings.CITED_NUMBER_DIFFERS,
        findings.CITED_DATE_DIFFERS,
    }
    assert found.counts["addressee_unknown"] == 99
