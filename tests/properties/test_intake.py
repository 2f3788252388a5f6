"""The reader takes any text, and reads a letter in the standard form as it was written."""

from datetime import date

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.registry.intake.reader import read_paper
from services.registry.intake.reading import examine_paper
from shared.thai.dates import long_date
from shared.thai.numbers import LetterNumber, UnitCode
from tests.unit.test_preflight import NOW, RULES, SEED

_PIECES = st.one_of(
    st.sampled_from(
        (
            "ที่",
            "ที่ สค ๐๐๑๗.๑/ว ๑๕๑๒๓",
            "เรื่อง",
            "เรียน",
            "อ้างถึง",
            "สิ่งที่ส่งมาด้วย",
            "ขอแสดงความนับถือ",
            "บัญชีรายชื่อแนบท้าย",
            "หน่วยงาน\tผู้รับ",
            "๙ พฤศจิกายน ๒๕๖๐",
            "(นาย ก)",
            "โทร. ๑",
            "โทรสาร ๒",
            "ลับที่สุด",
            "ด่วนมาก",
            "๑. ก",
            "",
            "ก\t",
        )
    ),
    st.text(max_size=40),
)
# Words that are no label, no stamp and no date.
_WORDS = st.lists(st.sampled_from(["จังหวัด", "ประชุม", "อำเภอ", "บริการ", "นโยบาย"]), min_size=1, max_size=6).map("".join)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=30).map("\n".join), st.booleans())
@example(SEED, True)
@example("๙" * 5000 + "/ว" * 5000, False)
def test_any_text_is_read_or_reported_line_by_line(text: str, wrapped: bool) -> None:
    paper = read_paper(text, wrapped=wrapped)
    examine_paper(paper, text, RULES, {}, NOW)
    assert all(stray.text.strip() for stray in paper.not_understood)


@settings(deadline=None)
@given(
    st.integers(1, 99_999), st.booleans(), st.dates(date(1950, 1, 1), date(2200, 1, 1)), _WORDS, _WORDS,
    st.lists(_WORDS, min_size=1, max_size=4), _WORDS, st.lists(_WORDS, max_size=5),
)  # fmt: skip
def test_a_printed_letter_reads_back_as_it_was(
    running: int, circular: bool, day: date, subject: str, unit: str, body: list[str], name: str, titles: list[str]
) -> None:
    number = LetterNumber(UnitCode.parse("สค ๐๐๑๗.๑"), circular=circular, running=running).printed
    lines = [
        f"ที่ {number}", f"ศาลากลาง{unit}", f"ถนน{unit}", "", long_date(day), "", f"เรื่อง {subject}", "",
        "เรียน หน่วยงานที่เกี่ยวข้อง (ตามบัญชีรายชื่อแนบท้าย)", "", f"สิ่งที่ส่งมาด้วย ๑. {unit} จำนวน ๒ ฉบับ", f"๒. {subject}", "",
        *body, "", "ขอแสดงความนับถือ", "", f"(นาย{name})", f"ผู้ว่าราชการ{unit}", "ปฏิบัติราชการแทน ปลัดกระทรวง", "", f"สำนักงาน{unit}",
        "โทร. ๐ ๓๔๔๑ ๑๒๕๑", "โทรสาร ๐ ๓๔๔๒ ๘๒๓๖", "", "บัญชีรายชื่อแนบท้าย", f"ที่ {number}", f"ลงวันที่ {long_date(day)}",
        "หน่วยงาน\tผู้รับ/ลงวันที่", *(f"{title}\t" for title in titles),
    ]  # fmt: skip
    paper = read_paper("\r\n".join(lines))
    draft = paper.draft
    assert (paper.number, draft.circular, draft.date, draft.subject) == (number, circular, day, subject)
    assert draft.owner == f"ศาลากลาง{unit}\nถนน{unit}"
    assert [(e.description, e.copies) for e in draft.enclosures] == [(f"{unit} จำนวน ๒ ฉบับ", 2), (subject, 1)]
    assert list(draft.body) == body
    assert (draft.closing, draft.signatory_name) == ("ขอแสดงความนับถือ", f"นาย{name}")
    assert draft.signatory_position == f"ผู้ว่าราชการ{unit}\nปฏิบัติราชการแทน ปลัดกระทรวง"
    assert (draft.contact_unit, draft.telephone, draft.fax) == (f"สำนักงาน{unit}", "๐ ๓๔๔๑ ๑๒๕๑", "๐ ๓๔๔๒ ๘๒๓๖")
    assert [(a.number, a.date, [row.title for row in a.rows]) for a in paper.annexes] == [(number, day, titles)]
    assert paper.not_understood == ()
