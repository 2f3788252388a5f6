"""The example's data are what its letter says, and hang together."""

import csv
import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.thai.dates import long_date, parse_date
from shared.thai.numbers import parse_letter_number
from shared.thai.text import has_decomposed_sara_am, has_unsafe_characters

FOLDER = Path(__file__).parents[2] / "examples" / "samut-sakhon-2560"
TEXT = (FOLDER / "letter.txt").read_text(encoding="utf-8")
ANNEX_HEADING = "หน่วยงาน\tผู้รับ/ลงวันที่"
MINISTRY_HEADING = "ที่ มท ๐๒๑๘/ว๕๑๖๒"
PROVINCE_PART = TEXT[: TEXT.index("บัญชีรายชื่อแนบท้าย\n")]
MINISTRY_PART = TEXT[TEXT.index(MINISTRY_HEADING) :]

CHANNELS = {"webhook", "email", "inbox"}
BEHAVIOURS = {"prompt", "late", "refuse", "down_at_first", "silent"}
KINDS = {
    "provincial_office",
    "district",
    "police",
    "prosecutor",
    "military",
    "school",
    "hospital",
    "court_and_corrections",
    "local_government",
    "state_enterprise",
    "bank",
    "independent",
    "central_regional_office",
}
LETTER_FIELDS = {
    "number",
    "owner",
    "date",
    "speed",
    "secrecy",
    "subject",
    "salutation",
    "references",
    "enclosures",
    "body",
    "closing",
    "signatory_name",
    "signatory_position",
    "contact_unit",
    "telephone",
    "fax",
}
COLUMNS = {
    "addressees.csv": "position,page,title,agency_code,name_th,name_en,kind,channel,email,relay_duty,behaviour",
    "provinces.csv": "agency_code,name_th,name_en,letter_prefix,title,channel,email,behaviour",
    "local-governments.csv": "district_code,title,agency_code,name_th,name_en,channel,email,behaviour",
}
LETTERS = {"letter.json": PROVINCE_PART, "ministry-letter.json": MINISTRY_PART}


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def letter(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def annex() -> list[tuple[int, str]]:
    """(page, title) of each addressee, from the text: the rows between a page's heading and the next empty line."""
    found: list[tuple[int, str]] = []
    for page, block in enumerate(TEXT.split(ANNEX_HEADING + "\n")[1:], 1):
        found += [(page, line.removesuffix("\t")) for line in block.split("\n\n")[0].split("\n")]
    return found


def thai_key(word: str) -> str:
    """A sort key in dictionary order, enough for names of provinces: tone marks aside, a leading vowel after its consonant."""
    return re.sub("([\u0e40-\u0e44])(.)", r"\2\1", re.sub("[\u0e47-\u0e4c]", "", word))


def test_the_annex_has_three_pages_of_thirty_three_different_addressees() -> None:
    assert Counter(page for page, _ in annex()) == {1: 33, 2: 33, 3: 33}
    assert len({title for _, title in annex()}) == 99


def test_the_addressees_are_the_annex_title_by_title_in_its_order() -> None:
    assert [(int(row["page"]), row["title"]) for row in rows("addressees.csv")] == annex()
    assert [row["position"] for row in rows("addressees.csv")] == [str(n) for n in range(1, 100)]


def test_the_one_decomposed_title_is_kept_and_its_name_is_proper() -> None:
    typed = [row for row in rows("addressees.csv") if has_decomposed_sara_am(row["title"])]
    assert [row["position"] for row in typed] == ["5"]
    assert not any(has_decomposed_sara_am(row["name_th"]) for name in COLUMNS for row in rows(name))


def test_exactly_the_three_districts_relay_as_the_letter_asks() -> None:
    assert "สำหรับอำเภอให้แจ้งองค์กรปกครองส่วนท้องถิ่นในพื้นที่" in letter("letter.json")["body"][-1]
    addressees = rows("addressees.csv")
    assert {row["relay_duty"] for row in addressees} == {"true", "false"}
    relaying = [row for row in addressees if row["relay_duty"] == "true"]
    assert relaying == [row for row in addressees if row["title"].startswith("นายอำเภอ")]
    assert relaying == [row for row in addressees if row["kind"] == "district"]
    assert len(relaying) == 3


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_has_every_field_and_each_stands_in_its_part_of_the_text(name: str) -> None:
    data, part = letter(name), LETTERS[name]
    assert data.keys() == LETTER_FIELDS
    lines = {line.strip() for line in part.split("\n")}
    for field in ("owner", "salutation", "closing", "signatory_position", "contact_unit"):
        assert set(data[field].split("\n")) <= lines, field
    assert set(data["body"]) <= lines
    assert f"({data['signatory_name']})" in lines
    assert f"ที่ {data['number']}" in lines
    assert long_date(date.fromisoformat(data["date"])) in lines
    assert f"\nเรื่อง {data['subject']}" in part
    assert re.search(rf"^โทร\S* {re.escape(data['telephone'])}$", part, re.MULTILINE)
    assert re.search(rf"^โทร\S*สาร {re.escape(data['fax'])}$", part, re.MULTILINE)
    assert (data["speed"], data["secrecy"]) == ("normal", "normal")


@pytest.mark.parametrize("name", LETTERS)
def test_the_body_is_every_paragraph_between_the_addressee_and_the_closing(name: str) -> None:
    data, part = letter(name), LETTERS[name]
    start = part.index(data["body"][0])
    paragraphs = part[start : part.index(data["closing"])].split("\n")
    assert data["body"] == [paragraph for paragraph in paragraphs if paragraph]
    before = part[part.index(data["salutation"]) + len(data["salutation"]) : start].split()
    assert " ".join(before).startswith("สิ่งที่ส่งมาด้วย") == bool(data["enclosures"])


def test_the_enclosure_is_cited_as_the_letter_cites_it() -> None:
    (enclosure,) = letter("letter.json")["enclosures"]
    day = long_date(date.fromisoformat(enclosure["date"]))
    assert enclosure.keys() == {"description", "issuer", "number", "date"}
    assert enclosure["issuer"] in enclosure["description"]
    cited = f"สิ่งที่ส่งมาด้วย {enclosure['description']} ที่ {enclosure['number']} ลงวันที่ {day}"
    assert cited in PROVINCE_PART.split("\n")


def test_the_numbers_are_circular_ones_and_the_paper_s_contradictions_stay() -> None:
    province, ministry = letter("letter.json"), letter("ministry-letter.json")
    (enclosure,) = province["enclosures"]
    headings = {parse_letter_number(line).normalised for line in re.findall(r"^ที่ สค .*$", TEXT, re.MULTILINE)[1:]}
    assert parse_letter_number(province["number"]).normalised == "สค 0017.1/ว 15123"
    assert headings == {"สค 0017.1/ว 15163"}
    assert parse_letter_number(ministry["number"]).normalised == "มท 0218/ว 5162"
    assert parse_letter_number(enclosure["number"]).normalised == "มท 0218/ว 5992"
    assert (ministry["date"], enclosure["date"]) == ("2017-10-21", "2017-10-20")


def test_every_date_on_the_paper_can_be_read() -> None:
    pattern = r"[๐-๙0-9]{1,2} (?:[ก-ฮ]\.[ก-ฮ]\.|ตุลาคม|พฤศจิกายน|กันยายน) [๐-๙0-9]{4}"
    found = Counter(parse_date(text) for text in re.findall(pattern, TEXT))
    assert found[date(2017, 11, 9)] == 4
    assert {date(2017, 10, day) for day in (1, 20, 21, 27, 30, 31)} < found.keys()


def test_the_letters_hold_nothing_unsafe() -> None:
    assert not has_unsafe_characters(TEXT)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_utf_8_with_its_columns_plain_line_ends_and_no_gaps(name: str) -> None:
    raw = (FOLDER / name).read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert raw.decode("utf-8").split("\n")[0] == COLUMNS[name]
    for row in rows(name):
        assert all(value and value == value.strip() for column, value in row.items() if column != "email"), row


@pytest.mark.parametrize("name", COLUMNS)
def test_an_agency_has_a_mailbox_exactly_when_it_is_reached_by_e_mail(name: str) -> None:
    for row in rows(name):
        assert row["channel"] in CHANNELS
        assert row["behaviour"] in BEHAVIOURS
        assert bool(row["email"]) == (row["channel"] == "email"), row
        if row["email"]:
            assert re.fullmatch(r"[a-z]+@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+example", row["email"]), row
            state_office = row.get("kind") not in {"bank", "state_enterprise"}
            assert row["email"].startswith("saraban@") == state_office, row


def test_codes_mailboxes_and_titles_are_unique_over_all_tables() -> None:
    everyone = [row for name in COLUMNS for row in rows(name)]
    for column in ("agency_code", "title", "name_th", "name_en"):
        assert [value for value, count in Counter(row[column] for row in everyone).items() if count > 1] == []
    mailboxes = [row["email"] for row in everyone if row["email"]]
    assert len(mailboxes) == len(set(mailboxes))
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", row["agency_code"]) for row in everyone)
    assert all(row["name_en"].isascii() for row in everyone)


def test_the_addressees_mix_channels_and_behaviours_as_the_demonstration_needs() -> None:
    addressees = rows("addressees.csv")
    assert {row["kind"] for row in addressees} == KINDS
    assert Counter(row["channel"] for row in addressees) == {"webhook": 55, "email": 28, "inbox": 16}
    assert Counter(row["behaviour"] for row in addressees) == {
        "prompt": 88,
        "late": 8,
        "refuse": 1,
        "silent": 1,
        "down_at_first": 1,
    }
    assert [row["channel"] for row in addressees if row["behaviour"] == "down_at_first"] == ["webhook"]
    assert {row["channel"] for row in addressees if row["behaviour"] == "late"} == CHANNELS


def test_the_provinces_are_seventy_six_in_dictionary_order_without_bangkok() -> None:
    provinces = rows("provinces.csv")
    names = [row["name_th"].removeprefix("จังหวัด") for row in provinces]
    assert len(provinces) == 76
    assert names == sorted(names, key=thai_key)
    assert names != sorted(names)
    assert not any("กรุงเทพ" in name for name in names)
    assert all(row["title"] == f"ผู้ว่าราชการ{row['name_th']}" for row in provinces)
    assert {row["behaviour"] for row in provinces} == {"prompt", "late"}


def test_province_prefixes_are_two_consonants_and_samut_sakhon_s_is_the_letter_s() -> None:
    provinces = {row["agency_code"]: row for row in rows("provinces.csv")}
    prefixes = [row["letter_prefix"] for row in provinces.values()]
    assert all(re.fullmatch("[ก-ฮ]{2}", prefix) for prefix in prefixes)
    assert len(set(prefixes)) == 76
    sender = provinces["samut-sakhon"]
    assert sender["letter_prefix"] == parse_letter_number(letter("letter.json")["number"]).unit.prefix
    assert sender["title"] == letter("letter.json")["signatory_position"]
    assert (sender["channel"], sender["behaviour"]) == ("webhook", "prompt")


def test_every_relaying_district_has_local_governments_that_the_annex_leaves_out() -> None:
    local = rows("local-governments.csv")
    districts = {row["agency_code"] for row in rows("addressees.csv") if row["relay_duty"] == "true"}
    assert {row["district_code"] for row in local} == districts
    assert 30 <= len(local) <= 40
    assert {row["title"] for row in local}.isdisjoint(title for _, title in annex())
    for row in local:
        title = row["title"].removeprefix("นายก")
        assert row["name_th"] == title.replace("เทศมนตรี", "เทศบาล")
    assert {row["behaviour"] for row in local} == {"prompt", "late"}
