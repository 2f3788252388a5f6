"""What the terminal shows while the circulars go round."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


class Progress:
    """A live table on a terminal; plain lines elsewhere, one whenever a figure has changed."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)
        self._line = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, highlight=False)

    def show(self, *circulars: dict[str, Any]) -> None:
        """The matrices of `circulars` as the API gives them."""
        if self._console.is_terminal:
            self._live.update(Group(*(_panel(circular) for circular in circulars)))
            return
        line = " | ".join(
            f"{c['number']}: {c['handed_over_total']}/{c['recipients']} ส่งถึง, {c['registered']} ลงรับ, {c['rejected']} ปฏิเสธ"
            for c in circulars
        )
        if line != self._line:
            self._line = line
            self._console.print(line, highlight=False, soft_wrap=True)


def _panel(circular: dict[str, Any]) -> Table:
    total = max(circular["recipients"], 1)
    table = Table(title=Text(circular["number"], style="bold"), title_justify="left", box=None, pad_edge=False)
    for column in ("", "", ""):
        table.add_column(column)
    for label, value, style in (
        ("ส่งถึงแล้ว handed over", circular["handed_over_total"], "cyan"),
        ("ลงทะเบียนรับแล้ว registered", circular["registered"], "green"),
        ("ปฏิเสธ rejected", circular["rejected"], "yellow"),
        ("ยังไม่ตอบ outstanding", circular["outstanding"], "red"),
    ):
        table.add_row(label, ProgressBar(total=total, completed=value, width=40, complete_style=style), f"{value}/{total}")
    relay = circular["relay"]
    if relay["duties"]:
        table.add_row("ส่งต่อ relayed", "", f"{relay['relayed']}/{relay['duties']} → {relay['onward_recipients']} หน่วยงาน")
    return table
