"""What the registry decides without input or output."""

import importlib
import pkgutil
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import rfc8785

from services.registry import problems
from services.registry.config import RegistrySettings
from services.registry.dispatching import summary
from services.registry.domain import classes, files, letters, numbering
from services.registry.domain.agencies import AgencyEntry, check_tree
from services.registry.domain.kinds import CORRESPONDENCE, FORM_NAMES, FORMS, KIND_NAMES, Form, Kind, requirements
from services.registry.domain.letters import Attachment, Draft, Letter, LetterState
from services.registry.domain.numbering import CircularSeries, Numbering, NumberState, Register, ReservedNumber, Series, SeriesKey
from services.registry.problems import attachments
from shared.contracts.events import Secrecy, Speed
from shared.problems import FieldError, Problem, ProblemError

LETTER_ID = UUID(int=1)
AGENCY_ID = UUID(int=2)
REGISTER = Register(UUID(int=3), AGENCY_ID, ("สค ๐๐๑๗.๑", "สค ๐๐๑๗.๒"), CircularSeries.OWN)

DRAFT = Draft(
    kind=Kind.EXTERNAL,
    circular=True,
    date=date(2017, 11, 9),
    owner="ศาลากลางจังหวัดสมุทรสาคร",
    subject="เรื่อง",
    salutation="เรียน ทุกหน่วยงาน",
    references=(),
    enclosures=(),
    body=("ข้อความ",),
    closing="ขอแสดงความนับถือ",
    signatory_name="นายประภัสสร มาลาภาณุจัน",
    signatory_position="ผู้ว่าราชการจังหวัดสมุทรสาคร",
    contact_unit="สำนักงานจังหวัด",
    telephone="๐ ๓๔๔๑ ๑๒๕๑",
    fax=None,
    speed=Speed.NORMAL,
    secrecy=Secrecy.NORMAL,
    deadline=datetime(2017, 11, 30, 9, 30, tzinfo=UTC),
)


def _numbering(*, circular: bool = True, kind: Kind = Kind.EXTERNAL, form: Form | None = None) -> Numbering:
    return Numbering(kind, form, circular, None, date(2017, 11, 9))


def _key(*, circular: bool) -> SeriesKey:
    return numbering.series_key(REGISTER, _numbering(circular=circular))


def test_every_class_is_read_by_code_and_by_thai_name() -> None:
    assert set(classes.SPEED_NAMES) == set(Speed)
    assert set(classes.SECRECY_NAMES) == set(Secrecy)
    for speed, thai in classes.SPEED_NAMES.items():
        assert classes.read_speed(speed.value) is classes.read_speed(f" {thai} ") is speed
    for secrecy, thai in classes.SECRECY_NAMES.items():
        assert classes.read_secrecy(secrecy.value) is classes.read_secrecy(thai) is secrecy


@pytest.mark.parametrize("text", ["", "ลับเฉพาะ", "normall", "004", "ลับมากที่สุด"])
def test_what_is_no_class_is_no_default(text: str) -> None:
    assert isinstance(classes.read_secrecy(text), FieldError)
    assert isinstance(classes.read_speed(text), FieldError)


def test_content_hash_depends_on_number_text_and_files() -> None:
    number = numbering.issue(REGISTER, _numbering(circular=True), 1)
    other = numbering.issue(REGISTER, _numbering(circular=True), 2)
    file = Attachment(UUID(int=4), "ก.pdf", "application/pdf", 3, "0" * 64)

    def frozen(**more: Any) -> str:
        arguments: dict[str, Any] = {"draft": DRAFT, "number": number, "attachments": [file], **more}
        return letters.freeze(letter_id=LETTER_ID, sender_agency_id=AGENCY_ID, **arguments).sha256

    hashes = [
        frozen(),
        frozen(number=other),
        frozen(draft=replace(DRAFT, subject="อื่น")),
        frozen(attachments=[]),
        frozen(attachments=[replace(file, sha256="1" * 64)]),
    ]
    assert len(set(hashes)) == len(hashes)
    assert frozen() == hashes[0]


def test_frozen_content_is_canonical_json_and_the_instant_is_in_utc() -> None:
    number = numbering.issue(REGISTER, _numbering(circular=True), 15123)
    content = letters.freeze(letter_id=LETTER_ID, sender_agency_id=AGENCY_ID, draft=DRAFT, number=number, attachments=[])
    assert content.canonical.startswith(b'{"attachments":[],"body":[')
    assert '"deadline":"2017-11-30T09:30:00Z"' in content.canonical.decode()
    assert '"number":"สค ๐๐๑๗.๑/ว ๑๕๑๒๓"' in content.canonical.decode()
    assert letters.draft_from_json(letters.draft_to_json(DRAFT)) == DRAFT
    assert rfc8785.dumps(letters.draft_to_json(DRAFT))


def test_only_a_circular_of_a_register_with_its_own_series_counts_apart() -> None:
    assert _key(circular=True).series is Series.CIRCULAR
    assert _key(circular=False).series is Series.GENERAL
    shared = replace(REGISTER, circular_series=CircularSeries.SHARED)
    assert numbering.series_key(shared, _numbering()).series is Series.GENERAL
    assert numbering.first_numbers(CircularSeries.SHARED, 7, 9) == {Series.GENERAL: 7}
    assert numbering.first_numbers(CircularSeries.OWN, 7, 9) == {Series.GENERAL: 7, Series.CIRCULAR: 9}


def test_only_a_circulars_number_bears_the_mark() -> None:
    assert numbering.issue(REGISTER, _numbering(circular=False), 12).printed == "สค ๐๐๑๗.๑/๑๒"
    assert numbering.issue(REGISTER, _numbering(circular=True), 12).printed == "สค ๐๐๑๗.๑/ว ๑๒"


def test_complete_draft_lacks_nothing_and_blank_texts_are_missing() -> None:
    assert letters.missing_fields(DRAFT) == []
    blank = replace(DRAFT, subject=" ", body=(" ",), date=None)
    assert {error.pointer for error in letters.missing_fields(blank)} == {"/subject", "/body", "/date"}


def test_draft_is_never_told_to_others() -> None:
    draft = Letter(
        letter_id=LETTER_ID,
        agency_id=AGENCY_ID,
        register_id=REGISTER.register_id,
        state=LetterState.DRAFT,
        version=1,
        draft=DRAFT,
        list_id=None,
        relay_of_recipient_id=None,
        number=None,
        content_hash=None,
        updated_at=datetime(2017, 11, 9, tzinfo=UTC),
    )
    with pytest.raises(ValueError, match="draft"):
        summary(draft, [])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("หนังสือ เวียน.pdf", "หนังสือ เวียน.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.pdf", "a.pdf"),
        ("a\r\nX: y.pdf", "aX_ y.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ('a"b;c.pdf', "a_b_c.pdf"),
        (".hidden.", "hidden"),
        ("a\u200b.pdf", "a.pdf"),
        ("ก" * 300 + ".pdf", "ก" * 196 + ".pdf"),
        ("ก" * 300, "ก" * 200),
    ],
)
def test_file_name_keeps_what_a_reader_sees_and_no_path(given: str, kept: str) -> None:
    assert files.safe_file_name(given) == kept


@pytest.mark.parametrize("name", ["", "..", "/", "a/", "\u200b", "\x00"])
def test_file_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    with pytest.raises(ProblemError) as caught:
        files.safe_file_name(name)
    assert caught.value.problem is attachments.ATTACHMENT_NAME_INVALID


def test_content_disposition_holds_the_name_twice() -> None:
    header = files.content_disposition("ก b.pdf")
    assert header == "attachment; filename=\"_ b.pdf\"; filename*=UTF-8''%E0%B8%81%20b.pdf"


@pytest.mark.parametrize("header", ["", "sha-256=abc", "sha-256=:!:", "sha-256=:YQ==:", "sha-512=:YQ==:", "sha-256=:====:"])
def test_malformed_digest_is_refused(header: str) -> None:
    with pytest.raises(ProblemError) as caught:
        files.read_content_digest(header)
    assert caught.value.problem is attachments.DIGEST_MALFORMED


def test_digest_is_found_among_others() -> None:
    digest = "sha-256=:" + "A" * 43 + "=:"
    assert files.read_content_digest(f"sha-512=:YQ==:, {digest}") == bytes(32)
    assert files.read_content_digest(None) is None


def _entry(code: str, parent_code: str | None) -> AgencyEntry:
    return AgencyEntry(code, code, code, "school", None, parent_code, None)


def test_only_those_that_would_stand_above_themselves_or_under_nobody_are_at_fault() -> None:
    entries = {e.code: e for e in (_entry("a", "b"), _entry("b", "root"), _entry("c", "nobody"), _entry("root", "a"))}
    faults = check_tree(entries, {"root": None, "d": "a"})
    assert {(code, fault.code) for code, fault in faults} == {
        ("a", "agency_tree_cycle"),
        ("b", "agency_tree_cycle"),
        ("root", "agency_tree_cycle"),
        ("c", "agency_unknown"),
    }


def test_problem_codes_are_unique_and_every_error_code_has_its_problem() -> None:
    codes = [problem.code for problem in problems.CATALOGUE]
    assert len(set(codes)) == len(codes)
    areas = [importlib.import_module(f"{problems.__name__}.{area.name}") for area in pkgutil.iter_modules(problems.__path__)]
    written = {value.code for module in (problems, *areas) for value in vars(module).values() if isinstance(value, Problem)}
    assert written == set(codes)


def test_many_errors_are_counted_and_the_first_hundred_shown() -> None:
    errors = [FieldError(f"line {n}", "list_duplicate", "twice") for n in range(250)]
    with pytest.raises(ProblemError) as caught:
        problems.refuse(errors)
    assert len(caught.value.errors) == 100
    assert "250 errors" in caught.value.detail


BASE: dict[str, Any] = {
    "postgres_dsn": "postgresql://x/y",
    "amqp_url": "amqp://x",
    "link_key": "l" * 32,
    "registry_key_encryption_key": "k" * 32,
    "registry_storage_url": "file:///tmp/x",
}


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BASE.items():
        monkeypatch.setenv(f"WIAN_{name.upper()}", value)
    monkeypatch.setenv("WIAN_REGISTRY_ATTACHMENT_TYPES", "application/PDF, text/plain")
    settings = RegistrySettings()  # pyright: ignore[reportCallIssue]
    assert settings.registry_attachment_types == ("application/pdf", "text/plain")
    assert settings.registry_token_lifetime == 900
    assert "k" * 32 not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("registry_key_encryption_key", "short"),
        ("registry_attachment_max_bytes", 0),
        ("registry_token_lifetime", 59),
        ("registry_storage_url", None),
    ],
)
def test_settings_that_contradict_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name if name != "registry_key_encryption_key" else "WIAN_REGISTRY_KEY"):
        RegistrySettings(**(BASE | {name: value}))


def test_every_kind_and_form_has_a_name_a_place_and_a_series() -> None:
    assert set(KIND_NAMES) == set(FORMS) == set(requirements({})) == set(Kind)
    assert sorted(form for forms in FORMS.values() for form in forms) == sorted(FORM_NAMES) == sorted(Form)
    for kind in Kind:
        for form in FORMS[kind] or (None,):
            key = numbering.series_key(REGISTER, _numbering(circular=False, kind=kind, form=form))
            assert key.series == (Series.GENERAL if kind in CORRESPONDENCE else form)


def test_orders_are_numbered_by_year_and_units_share_a_register() -> None:
    order = _numbering(circular=False, kind=Kind.DIRECTIVE, form=Form.ORDER)
    assert numbering.issue(REGISTER, order, 12).printed == "๑๒/๒๕๖๐"
    other_unit = replace(_numbering(circular=False), unit_code="สค ๐๐๑๗.๒")
    assert numbering.issue(REGISTER, other_unit, 12).printed == "สค ๐๐๑๗.๒/๑๒"
    assert numbering.series_key(REGISTER, other_unit) == _key(circular=False)
    with pytest.raises(ProblemError, match=re.escape("สค ๐๐๑๗.๑, สค ๐๐๑๗.๒")):
        numbering.check_unit_code(REGISTER, "สค ๐๐๑๗.๓")


@pytest.mark.parametrize(
    ("kind", "lacks"), [(Kind.EXTERNAL, {"closing", "telephone"}), (Kind.INTERNAL, set()), (Kind.STAMPED, {"telephone"})]
)
def test_each_kind_lacks_only_what_it_requires(kind: Kind, lacks: set[str]) -> None:
    draft = replace(DRAFT, kind=kind, closing="", telephone=" ")
    assert {error.pointer for error in letters.missing_fields(draft)} == {f"/{name}" for name in lacks}


def test_practice_gives_way_to_the_office_but_the_regulation_does_not() -> None:
    lenient = requirements({Kind.STAMPED: ()})
    assert letters.missing_fields(replace(DRAFT, kind=Kind.STAMPED, owner="", telephone=""), lenient) == []
    assert [e.pointer for e in letters.missing_fields(replace(DRAFT, kind=Kind.STAMPED, date=None), lenient)] == ["/date"]
    with pytest.raises(ValueError, match="ข้อ 11"):
        requirements({Kind.EXTERNAL: ()})
    with pytest.raises(ValueError, match="no letter has a field colour"):
        requirements({Kind.PUBLIC: ("colour",)})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"form": Form.ORDER}, "/form"),
        ({"kind": Kind.PUBLIC, "form": Form.ORDER, "circular": False}, "/form"),
        ({"kind": Kind.PUBLIC, "form": Form.NEWS}, "/circular"),
        ({"urgent_within": datetime(2017, 11, 10, tzinfo=UTC)}, "/urgent_within"),
    ],
)
def test_what_cannot_go_together_is_named(changes: dict[str, Any], pointer: str) -> None:
    assert [error.pointer for error in letters.contradictions(replace(DRAFT, **changes))] == [pointer]
    assert letters.contradictions(DRAFT) == []


def test_the_earlier_instant_is_due_and_old_drafts_are_still_read() -> None:
    urgent = replace(DRAFT, speed=Speed.URGENT, urgent_within=datetime(2017, 11, 10, tzinfo=UTC))
    assert urgent.due_at == urgent.urgent_within
    assert DRAFT.due_at == DRAFT.deadline
    assert replace(DRAFT, deadline=None).due_at is None
    assert letters.draft_from_json(letters.draft_to_json(urgent)) == urgent
    old = {
        key: value
        for key, value in letters.draft_to_json(DRAFT).items()
        if key not in {"form", "unit_code", "urgent_within", "copy_to"}
    }
    assert letters.draft_from_json(old) == DRAFT


def test_a_reserved_number_is_usable_until_the_instant_at_which_it_expires() -> None:
    expires = datetime(2017, 12, 29, tzinfo=UTC)
    held = ReservedNumber(UUID(int=5), _key(circular=True), 7, "ลงนามย้อนหลัง", expires, None, None)
    numbering.check_usable(held, held.key, expires - timedelta(microseconds=1))
    for number, key, code in (
        (held, held.key, "reservation_expired"),
        (replace(held, void_reason="ผิด"), held.key, "number_void"),
        (replace(held, letter_id=LETTER_ID), held.key, "number_used"),
    ):
        with pytest.raises(ProblemError) as refused:
            numbering.check_usable(number, key, expires)
        assert refused.value.problem.code == code
    with pytest.raises(ProblemError) as refused:
        numbering.check_usable(held, _key(circular=False), expires - timedelta(days=1))
    assert refused.value.problem.code == "reservation_other_series"
    assert held.state(expires) is NumberState.EXPIRED
