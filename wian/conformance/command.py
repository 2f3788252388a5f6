"""The command `wian conformance`."""

import sys
from pathlib import Path
from typing import Final

from services.dispatch import vault
from wian.conformance import report
from wian.conformance.suite import run

USAGE: Final = 2


async def check(url: str, *, secret: str, patience: float, ca_file: Path | None, json: bool) -> int:
    """Run the suite and print what it found; 0 when nothing fails, 1 otherwise, 2 when it could not be run."""
    if not vault.is_usable(secret):
        print("The secret must be `whsec_` and 24 to 64 bytes in base64, as the exchange gave it.", file=sys.stderr)
        return USAGE
    if ca_file is not None and not ca_file.is_file():
        print(f"There is no file {ca_file}.", file=sys.stderr)
        return USAGE
    findings = await run(url, secret, patience=patience, ca_file=ca_file)
    if json:
        print(report.as_json(url, findings))
    else:
        report.show(findings)
    return 0 if report.conforms(findings) else 1
