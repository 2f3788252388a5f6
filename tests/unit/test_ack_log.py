"""The log of what happened to recipients is only ever added to."""

import re
from pathlib import Path

import services.ack
from services.ack.store.events import APPEND

FOLDER = Path(services.ack.__path__[0])


def test_no_statement_changes_or_removes_an_event() -> None:
    written = [path.read_text(encoding="utf-8") for kind in ("*.py", "*.sql") for path in FOLDER.rglob(kind)]
    text = " ".join(" ".join(written).lower().split())
    assert "insert into recipient_events" in text
    assert not re.search(r"(update|delete from|truncate|merge into|drop table)( only)? recipient_events", text)
    assert "DO NOTHING" in APPEND
    assert "DO UPDATE" not in APPEND
