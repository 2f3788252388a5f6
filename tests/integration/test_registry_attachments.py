"""Attachments: streamed in and hashed, refused without a trace, served to whom may read the letter."""

import base64
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from shared import postgres
from shared.links import LinkSigner, Purpose
from tests.support.registry import Office, RegistryUnderTest, open_registry
from tests.support.spoil import spoilt

LIMIT = 40 * 1024 * 1024
CHUNK = b"%PDF-1.7\n" + os.urandom(64 * 1024 - 9)
PDF = b"%PDF-1.7\n1"


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    more = {"registry_attachment_max_bytes": LIMIT, "registry_attachments_per_letter": 3}
    async with open_registry(settings_environment, tmp_path, **more) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


@pytest.fixture
async def letter_id(registry: RegistryUnderTest, office: Office) -> str:
    return await registry.draft(office, await registry.register(office))


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield CHUNK


async def test_file_is_stored_hashed_and_served_back(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    content = CHUNK + b"%%EOF"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    answer = await registry.attach(office, letter_id, content, **{"Content-Digest": f"sha-256=:{digest}:"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["file_name"], made["media_type"], made["size"]) == ("หนังสือ.pdf", "application/pdf", len(content))
    assert made["sha256"] == hashlib.sha256(content).hexdigest()
    served = await registry.http.get(f"/v1/attachments/{made['attachment_id']}", headers=office.headers)
    assert served.content == content
    assert served.headers["etag"] == f'"{made["sha256"]}"'
    assert served.headers["content-type"] == "application/pdf"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-disposition"].startswith("attachment; ")
    assert f"filename*=UTF-8''{quote('หนังสือ.pdf')}" in served.headers["content-disposition"]
    again = await registry.http.get(
        f"/v1/attachments/{made['attachment_id']}", headers={**office.headers, "If-None-Match": served.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    letter = await registry.http.get(f"/v1/letters/{letter_id}", headers=office.headers)
    assert letter.json()["attachments"] == [made]


async def test_refused_upload_leaves_no_object_and_no_row(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    wrong = base64.b64encode(bytes(32)).decode()
    refused = [
        (await registry.attach(office, letter_id, b""), 422, "attachment_empty"),
        (
            await registry.attach(office, letter_id, b"x", **{"Content-Digest": f"sha-256=:{wrong}:"}),
            422,
            "attachment_hash_differs",
        ),
        (await registry.attach(office, letter_id, PDF, **{"Content-Digest": "sha-256=abc"}), 400, "digest_malformed"),
        (await registry.attach(office, letter_id, PDF, **{"Content-Type": "text/html"}), 415, "attachment_type_refused"),
        (await registry.attach(office, letter_id, PDF, **{"Content-Type": "image/svg+xml"}), 415, "attachment_type_refused"),
        (await registry.attach(office, letter_id, PDF, name="../.."), 422, "attachment_name_invalid"),
        (await registry.attach(office, letter_id, PDF, **{"Content-Length": str(LIMIT + 1)}), 413, "attachment_too_large"),
    ]
    for answer, status, code in refused:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    too_long = await registry.http.post(
        f"/v1/letters/{letter_id}/attachments?file_name=x.pdf",
        content=_chunks(LIMIT // len(CHUNK) + 1),
        headers={**office.headers, "Content-Type": "application/pdf"},
    )
    assert (too_long.status_code, too_long.json()["code"]) == (413, "attachment_too_large")
    assert registry.stored_objects() == []
    assert await registry.count("attachments") == 0


async def test_upload_that_breaks_off_leaves_no_object(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    incoming: list[dict[str, object]] = [
        {"type": "http.request", "body": CHUNK * 100, "more_body": True},
        {"type": "http.disconnect"},
    ]
    messages = iter(incoming)

    async def receive() -> dict[str, object]:
        return next(messages)

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": f"/v1/letters/{letter_id}/attachments", "raw_path": b"", "query_string": b"file_name=x.pdf", "root_path": "",
        "headers": [(b"authorization", office.headers["Authorization"].encode()), (b"content-type", b"application/pdf")],
        "server": ("wian.test", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await registry.parts.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
    assert sent[0]["status"] == 422
    assert registry.stored_objects() == []


async def test_attachment_is_removed_from_a_draft(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    made = (await registry.attach(office, letter_id, PDF)).json()
    path = f"/v1/attachments/{made['attachment_id']}"
    assert (await registry.http.delete(path, headers=office.headers)).status_code == 204
    assert (await registry.http.get(path, headers=office.headers)).status_code == 404
    assert (await registry.http.delete(path, headers=office.headers)).status_code == 404


async def test_number_of_attachments_is_bounded(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    for number in range(3):
        assert (await registry.attach(office, letter_id, b"%%PDF-1.7 %d" % number)).status_code == 201
    answer = await registry.attach(office, letter_id, b"%PDF-1.7 3")
    assert (answer.status_code, answer.json()["code"]) == (422, "attachments_too_many")
    assert len(registry.stored_objects()) == 3


async def test_recipients_read_letter_and_files_once_it_went_round_and_nobody_else(
    registry: RegistryUnderTest, office: Office, letter_id: str
) -> None:
    recipient, stranger = await registry.office("krabi"), await registry.office("phuket")
    attachment_id = (await registry.attach(office, letter_id, PDF)).json()["attachment_id"]
    paths = (f"/v1/letters/{letter_id}", f"/v1/letters/{letter_id}/content", f"/v1/attachments/{attachment_id}")
    await registry.registered(office, letter_id)
    reader = await registry.headers(recipient.agency_id, "deliveries:read")
    assert [(await registry.http.get(path, headers=reader)).status_code for path in paths] == [404, 404, 404]
    list_id = await registry.distribution_list(office, "krabi")
    assert (await registry.dispatch(office, letter_id, "k", {"list_id": list_id})).status_code == 202
    assert [(await registry.http.get(path, headers=reader)).status_code for path in paths] == [200, 200, 200]
    assert [(await registry.http.get(path, headers=stranger.headers)).status_code for path in paths] == [404, 404, 404]
    mine = (await registry.http.get(paths[0], headers=office.headers)).json()
    theirs = (await registry.http.get(paths[0], headers=recipient.headers)).json()
    hidden = {"register_id", "list_id", "relay_of_recipient_id"}
    assert {name: value for name, value in mine.items() if name not in hidden} == {
        name: value for name, value in theirs.items() if name not in hidden
    }
    assert theirs["register_id"] is None
    contents = [(await registry.http.get(paths[1], headers=headers)).content for headers in (office.headers, reader)]
    assert contents[0] == contents[1]


async def test_signed_link_opens_the_file_of_a_dispatched_letter_only(
    registry: RegistryUnderTest, office: Office, letter_id: str, settings_environment: dict[str, str]
) -> None:
    await registry.office("krabi")
    signer = LinkSigner(settings_environment["link_key"])
    attachment_id = UUID((await registry.attach(office, letter_id, PDF)).json()["attachment_id"])
    link = f"/f/{signer.sign(Purpose.FILE, attachment_id)}"
    assert (await registry.http.get(link)).status_code == 404
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "k", {"list_id": await registry.distribution_list(office, "krabi")})
    opened = await registry.http.get(link)
    assert (opened.status_code, opened.content) == (200, PDF)
    assert (await registry.http.get(spoilt(link))).status_code == 404
    assert (await registry.http.get(f"/f/{signer.sign(Purpose.TRACK, attachment_id)}")).status_code == 404
    assert (await registry.http.get(f"/f/{signer.sign(Purpose.FILE, UUID(letter_id))}")).status_code == 404


async def test_signed_link_does_not_open_a_secret_letters_file(
    registry: RegistryUnderTest, office: Office, settings_environment: dict[str, str]
) -> None:
    await registry.office("krabi")
    letter_id = await registry.draft(office, await registry.register(office), secrecy="ลับมาก")
    attachment_id = (await registry.attach(office, letter_id, PDF)).json()["attachment_id"]
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "k", {"list_id": await registry.distribution_list(office, "krabi")})
    signer = LinkSigner(settings_environment["link_key"])
    assert (await registry.http.get(f"/f/{signer.sign(Purpose.FILE, UUID(attachment_id))}")).status_code == 404
    assert (await registry.http.get(f"/v1/attachments/{attachment_id}", headers=office.headers)).status_code == 200


async def test_lost_object_is_an_error_of_ours_that_tells_no_path(
    registry: RegistryUnderTest, office: Office, letter_id: str
) -> None:
    made = (await registry.attach(office, letter_id, PDF)).json()
    registry.stored_objects()[0].unlink()
    answer = await registry.http.get(f"/v1/attachments/{made['attachment_id']}", headers=office.headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert str(registry.storage) not in answer.text


LOSE_THE_COMMIT = """
CREATE FUNCTION end_this_backend() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER lose_the_commit AFTER INSERT ON registry.attachments
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_this_backend();
"""


async def test_file_is_kept_when_nobody_can_know_whether_its_row_was_committed(
    registry: RegistryUnderTest, office: Office, letter_id: str, database_dsn: str
) -> None:
    admin = await postgres.connect(database_dsn)
    await admin.execute(LOSE_THE_COMMIT)
    await admin.close()
    answer = await registry.attach(office, letter_id, b"%PDF-1.7")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert len(registry.stored_objects()) == 1
