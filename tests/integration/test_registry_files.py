"""Files apart from letters: kept once, served in parts, examined before they are taken, collected when nothing refers to them."""

import asyncio
import hashlib
import json
import resource
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path
from uuid import UUID

import pytest
from itsdangerous import TimestampSigner
from starlette.types import Message, Scope

from services.registry.collecting import FileCollector
from services.registry.storage import open_storage
from services.registry.store import files
from shared.ids import new_id
from shared.links import LinkSigner, Purpose
from shared.postgres import Database
from tests.support.clamd import EICAR, ClamdStandIn, clamd_stand_in
from tests.support.eventually import eventually
from tests.support.files import DOCX_MAIN, a_docx, a_zip, an_office_package, encrypted
from tests.support.registry import Office, RegistryUnderTest, open_registry

MIB = 1024 * 1024
CONTENT = b"%PDF-1.7\n" + bytes(range(256)) * 40
LARGE = 200 * MIB

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
DUE = "UPDATE files SET review_at = now() WHERE review_at IS NOT NULL"


@pytest.fixture
async def registry(settings_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[RegistryUnderTest]:
    async with open_registry(settings_environment, tmp_path / "objects", registry_attachment_max_inflated_bytes=MIB) as opened:
        yield opened


@pytest.fixture
async def office(registry: RegistryUnderTest) -> Office:
    return await registry.office("smk")


@pytest.fixture
async def letter_id(registry: RegistryUnderTest, office: Office) -> str:
    return await registry.draft(office, await registry.register(office))


@pytest.fixture
def collector(registry: RegistryUnderTest) -> FileCollector:
    return FileCollector(registry.database, open_storage(registry.storage.as_uri()))


async def _attached(registry: RegistryUnderTest, office: Office, letter_id: str, content: bytes = CONTENT) -> str:
    answer = await registry.attach(office, letter_id, content)
    assert answer.status_code == 201, answer.text
    return f"/v1/attachments/{answer.json()['attachment_id']}"


async def _run(database: Database, statement: str) -> None:
    async with database.connection() as connection:
        await connection.execute(statement)  # pyright: ignore[reportArgumentType]


async def test_part_of_a_file_is_served_and_conditions_hold(registry: RegistryUnderTest, office: Office, letter_id: str) -> None:
    path = await _attached(registry, office, letter_id)
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'

    async def got(**headers: str) -> tuple[int, str | None, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await registry.http.get(path, headers={**office.headers, **named})
        return answer.status_code, answer.headers.get("content-range"), answer.content

    size = len(CONTENT)
    assert await got(range="bytes=9-264") == (206, f"bytes 9-264/{size}", CONTENT[9:265])
    assert await got(range="bytes=-5") == (206, f"bytes {size - 5}-{size - 1}/{size}", CONTENT[-5:])
    assert await got(range=f"bytes={size - 1}-") == (206, f"bytes {size - 1}-{size - 1}/{size}", CONTENT[-1:])
    assert await got(range="bytes=0-1,5-6") == (200, None, CONTENT)
    assert await got(range="bytes=0-3", if_range=tag) == (206, f"bytes 0-3/{size}", CONTENT[:4])
    assert await got(range="bytes=0-3", if_range='"older"') == (200, None, CONTENT)
    assert await got(range="bytes=0-3", if_none_match=tag) == (304, None, b"")
    status, content_range, _ = await got(range=f"bytes={size}-")
    assert (status, content_range) == (416, f"bytes */{size}")
    whole = await registry.http.get(path, headers=office.headers)
    assert (whole.headers["accept-ranges"], whole.headers["etag"]) == ("bytes", tag)
    head = await registry.http.head(path, headers={**office.headers, "Range": "bytes=0-3"})
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    assert (await registry.http.head(path)).status_code == 401


async def test_link_is_made_for_readers_and_dies_with_its_time(
    registry: RegistryUnderTest, office: Office, letter_id: str, settings_environment: dict[str, str]
) -> None:
    recipient, stranger = await registry.office("krabi"), await registry.office("phuket")
    path = await _attached(registry, office, letter_id)
    early = await registry.http.post(f"{path}/link", headers=office.headers)
    assert (early.status_code, early.json()["code"]) == (409, "link_not_made")
    await registry.registered(office, letter_id)
    await registry.dispatch(office, letter_id, "k", {"list_id": await registry.distribution_list(office, "krabi")})
    assert (await registry.http.post(f"{path}/link", headers=stranger.headers)).status_code == 404
    made = (await registry.http.post(f"{path}/link", headers=recipient.headers)).json()
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now().astimezone()
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    link = "/f/" + made["url"].rpartition("/f/")[2]
    part = await registry.http.get(link, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, b"%PDF-1.7")
    assert (await registry.http.head(link)).headers["content-length"] == str(len(CONTENT))
    then = int((datetime.now().astimezone() - timedelta(days=30, minutes=1)).timestamp())

    def in_the_past(_signer: TimestampSigner) -> int:
        return then

    with pytest.MonkeyPatch.context() as past:
        past.setattr(TimestampSigner, "get_timestamp", in_the_past)
        old = LinkSigner(settings_environment["link_key"]).sign(Purpose.FILE, UUID(path.rpartition("/")[2]))
    assert (await registry.http.get(f"/f/{old}")).status_code == 404


async def test_same_content_is_kept_once(
    registry: RegistryUnderTest, office: Office, letter_id: str, collector: FileCollector
) -> None:
    other = await registry.office("krabi")
    second = await registry.draft(other, await registry.register(other))
    paths = [(office, await _attached(registry, office, letter_id)), (other, await _attached(registry, other, second))]
    paths.append((other, await _attached(registry, other, second)))
    await collector.run_once()
    assert len(registry.stored_objects()) == 1
    assert await registry.count("files") == 1
    for owner, path in paths:
        assert (await registry.http.get(path, headers=owner.headers)).content == CONTENT
    # Each attachment is its own: whoever knows the content does not get at another's.
    assert (await registry.http.get(paths[0][1], headers=other.headers)).status_code == 404
    for owner, path in paths[:2]:
        assert (await registry.http.delete(path, headers=owner.headers)).status_code == 204
        await collector.run_once()
        assert len(registry.stored_objects()) == 1
    assert (await registry.http.get(paths[2][1], headers=other.headers)).content == CONTENT
    assert (await registry.http.delete(f"/v1/letters/{second}", headers={**other.headers, "If-Match": '"1"'})).status_code == 204
    await collector.run_once()
    assert registry.stored_objects() == []
    assert await registry.count("files") == 0


async def test_a_lost_object_comes_back_with_whoever_brings_its_content_again(
    registry: RegistryUnderTest, office: Office, letter_id: str
) -> None:
    path = await _attached(registry, office, letter_id)
    (lost,) = registry.stored_objects()
    lost.unlink()
    assert (await registry.http.get(path, headers=office.headers)).status_code == 500
    other = await _attached(
        registry, office, await registry.draft(office, await registry.register(office, unit_code="สค ๐๐๑๗.๒"))
    )
    for one in (path, other):
        answer = await registry.http.get(one, headers=office.headers)
        assert (answer.status_code, answer.content) == (200, CONTENT)
    assert lost in registry.stored_objects()


async def test_same_content_at_once_is_kept_once(
    registry: RegistryUnderTest, office: Office, letter_id: str, collector: FileCollector
) -> None:
    paths = await asyncio.gather(*(_attached(registry, office, letter_id) for _ in range(8)))
    await collector.run_once()
    assert len(registry.stored_objects()) == 1
    for path in paths:
        assert (await registry.http.get(path, headers=office.headers)).content == CONTENT


async def test_upload_that_nobody_finished_is_collected_after_its_grace_and_not_before(
    registry: RegistryUnderTest, office: Office, letter_id: str, collector: FileCollector
) -> None:
    kept = await _attached(registry, office, letter_id)
    storage, orphan = open_storage(registry.storage.as_uri()), new_id()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 of a process that died"

    async with registry.database.connection() as connection:
        await files.begin(connection, orphan, timedelta(hours=1))
    await storage.write(orphan, chunks(), most=MIB)
    await collector.run_once()
    assert len(registry.stored_objects()) == 2
    await _run(registry.database, DUE)
    await collector.run_once()
    assert len(registry.stored_objects()) == 1
    assert (await registry.http.get(kept, headers=office.headers)).content == CONTENT
    async with registry.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM files WHERE review_at IS NULL AND condemned_at IS NULL") == 1


async def test_collector_passes_over_a_file_that_a_letter_is_just_getting(
    registry: RegistryUnderTest, office: Office, letter_id: str, collector: FileCollector
) -> None:
    """The last attachment of a content goes while another letter gets the same content: the object stays."""
    path = await _attached(registry, office, letter_id)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (await registry.http.delete(path, headers=office.headers)).status_code == 204
    async with registry.database.connection() as connection:
        await files.begin(connection, new := new_id(), timedelta(hours=1))
    async with registry.database.transaction() as connection:
        kept = await files.complete(connection, new, digest, len(CONTENT))
        assert kept != new
        await collector.run_once()
        await connection.execute(
            "INSERT INTO attachments (attachment_id, letter_id, position, file_name, media_type, size, sha256, file_id) "
            "VALUES ($1, $2, 1, 'a.pdf', 'application/pdf', $3, $4, $5)",
            attachment_id := new_id(), UUID(letter_id), len(CONTENT), digest, kept,
        )  # fmt: skip
    await collector.run_once()
    assert (await registry.http.get(f"/v1/attachments/{attachment_id}", headers=office.headers)).content == CONTENT


async def test_letter_gets_its_own_copy_of_a_content_that_is_just_condemned(
    registry: RegistryUnderTest, office: Office, letter_id: str, collector: FileCollector
) -> None:
    path = await _attached(registry, office, letter_id)
    assert (await registry.http.delete(path, headers=office.headers)).status_code == 204
    async with registry.database.transaction() as connection:
        assert await files.judge(connection, 10) == 1
        attaching = asyncio.create_task(_attached(registry, office, letter_id))

        async def waiting() -> int:
            return await connection.fetchval(WAITING)

        await eventually(waiting, lambda count: count == 1)
    again = await attaching
    await collector.run_once()
    assert len(registry.stored_objects()) == 1
    assert (await registry.http.get(again, headers=office.headers)).content == CONTENT


async def test_file_that_is_not_what_it_says_is_refused_without_a_trace(
    registry: RegistryUnderTest, office: Office, letter_id: str
) -> None:
    bomb = a_zip({"word/document.xml": bytes(2 * MIB), "[Content_Types].xml": b"<x/>"})
    refused = [
        (b"MZ\x90\x00" + bytes(200), "application/pdf", 422, "attachment_type_differs"),
        (b"%PDF-1.7", "text/plain", 422, "attachment_type_differs"),
        (b"<!DOCTYPE html><script>x</script>", "image/png", 422, "attachment_type_differs"),
        (b"\x7fELF" + bytes(60), "application/octet-stream", 422, "attachment_type_differs"),
        (a_zip({"a.exe": b"MZ"}), DOCX_MAIN, 422, "attachment_type_differs"),
        (an_office_package({"word/vbaProject.bin": b"x"}), DOCX_MAIN, 422, "attachment_macros"),
        (bomb, DOCX_MAIN, 422, "attachment_zip_bomb"),
        (encrypted(an_office_package({})), DOCX_MAIN, 422, "attachment_encrypted"),
        (an_office_package({})[:-40], DOCX_MAIN, 422, "attachment_damaged"),
    ]
    for content, media_type, status, code in refused:
        answer = await registry.attach(office, letter_id, content, **{"Content-Type": media_type})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["title_th"]
    assert registry.stored_objects() == []
    assert await registry.count("files") == 0
    named = await registry.attach(office, letter_id, a_docx(), **{"Content-Type": "application/octet-stream"})
    assert named.json()["media_type"] == DOCX_MAIN


@pytest.fixture
async def clamd(tmp_path: Path) -> AsyncGenerator[ClamdStandIn]:
    async with clamd_stand_in(tmp_path) as standing:
        yield standing


async def test_scanner_decides_and_nothing_is_taken_without_its_word(
    settings_environment: dict[str, str], tmp_path: Path, clamd: ClamdStandIn
) -> None:
    async with open_registry(settings_environment, tmp_path / "objects", registry_clamd_url=clamd.url) as registry:
        office = await registry.office("smk")
        letter_id = await registry.draft(office, await registry.register(office))
        good = await registry.attach(office, letter_id, CONTENT)
        assert (good.status_code, clamd.scanned) == (201, [len(CONTENT)])
        infected = await registry.attach(office, letter_id, b"%PDF-1.7\n" + EICAR)
        assert (infected.status_code, infected.json()["code"]) == (422, "attachment_infected")
        assert "Eicar-Signature" in infected.json()["detail"]
        clamd.mute = True
        silent = await registry.attach(office, letter_id, b"%PDF-1.7 other")
        assert (silent.status_code, silent.json()["code"]) == (503, "attachment_not_scanned")
        assert int(silent.headers["retry-after"]) > 0
        assert len(registry.stored_objects()) == 1
        assert await registry.count("files") == 1


async def test_scanner_that_is_away_lets_nothing_pass(settings_environment: dict[str, str], tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/nobody.ctl"
    async with open_registry(settings_environment, tmp_path / "objects", registry_clamd_url=away) as registry:
        office = await registry.office("smk")
        letter_id = await registry.draft(office, await registry.register(office))
        answer = await registry.attach(office, letter_id, CONTENT)
        assert (answer.status_code, answer.json()["code"]) == (503, "attachment_not_scanned")
        assert registry.stored_objects() == []


async def _called(registry: RegistryUnderTest, scope: Scope, chunks: Iterator[bytes], sink: Callable[[bytes], object]) -> None:
    """One request, its body taken and its answer given piece by piece: the test's client would gather the whole answer."""

    ended = False

    async def receive() -> Message:
        nonlocal ended
        if ended:
            # The caller stays: this is waited for until the answer is sent.
            await asyncio.Future()
        piece = next(chunks, b"")
        ended = not piece
        return {"type": "http.request", "body": piece, "more_body": not ended}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] in {200, 201}
        else:
            sink(message["body"])

    common = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "raw_path": b"",
        "root_path": "",
    }
    await registry.parts.app({**common, "server": ("wian.test", 80), "client": ("127.0.0.1", 1), **scope}, receive, send)


async def test_200_mebibytes_move_both_ways_in_constant_memory(
    registry: RegistryUnderTest, office: Office, letter_id: str
) -> None:
    piece = CONTENT.ljust(MIB, b"\0")
    headers = [(b"authorization", office.headers["Authorization"].encode()), (b"content-type", b"application/pdf")]

    async def moved(count: int) -> None:
        answer, digest = bytearray(), hashlib.sha256()
        up = {
            "method": "POST",
            "path": f"/v1/letters/{letter_id}/attachments",
            "query_string": b"file_name=a.pdf",
            "headers": headers,
        }
        await _called(registry, up, repeat(piece, count), answer.extend)
        made = json.loads(answer)
        assert made["size"] == count * MIB
        down = {"method": "GET", "path": f"/v1/attachments/{made['attachment_id']}", "query_string": b"", "headers": headers}
        await _called(registry, down, iter(()), digest.update)
        assert digest.hexdigest() == made["sha256"]

    await moved(20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await moved(LARGE // MIB)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30 * 1024, f"{grown} KiB for a file of {LARGE // MIB} MiB"
