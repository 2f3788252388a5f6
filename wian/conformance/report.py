"""What the command prints: a table on a terminal that has `rich`, plain lines elsewhere, or JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from wian.conformance.catalogue import CATALOGUE
from wian.conformance.findings import Verdict
from wian.conformance.suite import Finding

_STYLES: Final = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.NOT_CHECKED: "dim"}
_TO_MEND: Final = frozenset({Verdict.WARN, Verdict.FAIL})


def conforms(findings: Sequence[Finding]) -> bool:
    """Whether nothing fails."""
    return all(finding.judgement.verdict is not Verdict.FAIL for finding in findings)


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings of each verdict."""
    counted = Counter(finding.judgement.verdict for finding in findings)
    return {verdict.value: counted[verdict] for verdict in Verdict}


def as_json(url: str, findings: Sequence[Finding]) -> str:
    """The whole report as one document."""
    checks: list[dict[str, Any]] = []
    for finding in findings:
        about, judgement = CATALOGUE[finding.check], finding.judgement
        mend = {"en": about.mend.en, "th": about.mend.th} if judgement.verdict in _TO_MEND else None
        checks.append(
            {
                "id": finding.check,
                "what": {"en": about.what.en, "th": about.what.th},
                "verdict": judgement.verdict,
                "why": {"en": judgement.why.en, "th": judgement.why.th},
                "mend": mend,
            }
        )
    document = {"url": url, "conforms": conforms(findings), "summary": summary(findings), "checks": checks}
    return json.dumps(document, ensure_ascii=False, indent=2)


def as_lines(findings: Sequence[Finding]) -> str:
    """Plain text."""
    lines: list[str] = []
    for finding in findings:
        about, judgement = CATALOGUE[finding.check], finding.judgement
        lines.append(f"{judgement.verdict.upper():11}  {finding.check}: {about.what.en} / {about.what.th}")
        lines += [f"{'':11}  {judgement.why.en}", f"{'':11}  {judgement.why.th}"]
        if judgement.verdict in _TO_MEND:
            lines += [f"{'':11}  To mend: {about.mend.en}", f"{'':11}  วิธีแก้: {about.mend.th}"]
    lines.append(_total(findings))
    return "\n".join(lines)


def show(findings: Sequence[Finding]) -> None:
    """Print for a person."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text as Styled
    except ImportError:
        print(as_lines(findings))
        return
    console = Console()
    if not console.is_terminal:
        print(as_lines(findings))
        return
    table = Table(show_lines=True, pad_edge=False)
    for head in ("", "ตรวจ check", "พบ found", "วิธีแก้ to mend"):
        table.add_column(head)
    for finding in findings:
        about, judgement = CATALOGUE[finding.check], finding.judgement
        mend = f"{about.mend.en}\n{about.mend.th}" if judgement.verdict in _TO_MEND else ""
        table.add_row(
            Styled(judgement.verdict, style=_STYLES[judgement.verdict]),
            Styled(f"{finding.check}\n{about.what.en}\n{about.what.th}"),
            Styled(f"{judgement.why.en}\n{judgement.why.th}"),
            Styled(mend),
        )
    console.print(table)
    console.print(Styled(_total(findings), style="bold"))


def _total(findings: Sequence[Finding]) -> str:
    counted = ", ".join(f"{count} {verdict}" for verdict, count in summary(findings).items())
    if conforms(findings):
        return f"Nothing fails ({counted}). ไม่มีข้อที่ไม่ผ่าน"
    return f"There is something to mend ({counted}). มีข้อที่ต้องแก้ไข"
