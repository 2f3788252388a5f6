"""A real browser for the pages: Chromium under Playwright, with axe, before a service that listens on the loopback interface."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import axe_playwright_python
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from services.ack.app import create_app
from shared.runtime import HttpServer
from tests.support.ack import OpenAck
from wian.embedded.chromium import found_chromium
from wian.embedded.folders import default_home

PICTURES: Final = Path(__file__).parents[2] / "build" / "pages"
DESKTOP: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
SIZES: Final = {"desktop": DESKTOP, "phone": PHONE}
LANGUAGES: Final = ("th-TH", "en-GB")
# Longest wait for anything that a page should come to.
PATIENCE_MS: Final = 15_000
# Longest visit: what is evaluated in a page has no limit of its own.
VISIT_SECONDS: Final = 60.0
_AXE: Final = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


@asynccontextmanager
async def opened_browser() -> AsyncGenerator[Browser]:
    """Chromium, started once for many tests."""
    chromium = await found_chromium(default_home())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.program,
            args=chromium.arguments,
            env={**os.environ, **chromium.environment},
            chromium_sandbox=not chromium.arguments,
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Opens pages of one service in the browser."""

    browser: Browser
    base: str

    @asynccontextmanager
    async def page(
        self, path: str, *, size: Mapping[str, int] = DESKTOP, language: str = "th-TH", script: bool = True, status: int = 200
    ) -> AsyncGenerator[Page]:
        """The page as a visitor of its own sees it, who has nothing from before."""
        context: BrowserContext = await self.browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            locale=language,
            timezone_id="Asia/Bangkok",
            java_script_enabled=script,
            reduced_motion="reduce",
            base_url=self.base,
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            page = await context.new_page()
            async with asyncio.timeout(VISIT_SECONDS):
                answer = await page.goto(path)
                assert answer is not None
                assert answer.status == status
                yield page
        finally:
            await context.close()


@asynccontextmanager
async def served(ack: OpenAck, browser: Browser) -> AsyncGenerator[Visitor]:
    """The service on a port of its own until the block ends."""
    async with asyncio.TaskGroup() as group:
        server = HttpServer(create_app(ack.resources, ack.tokens.verifier()), host="127.0.0.1", port=0, grace=1)
        stop = asyncio.Event()
        group.create_task(server.run(stop))
        await server.started.wait()
        try:
            yield Visitor(browser, f"http://127.0.0.1:{server.port}")
        finally:
            stop.set()


async def violations(page: Page) -> list[str]:
    """What breaks WCAG 2.2 AA on the page as it stands, a line for each element; empty when nothing does.

    The page must be one with script: without it, axe never ends.
    """
    await page.evaluate(_AXE)
    found: dict[str, Any] = await page.evaluate(
        "tags => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })", list(_WCAG)
    )
    broken: Sequence[dict[str, Any]] = found["violations"]
    return [f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}" for rule in broken for node in rule["nodes"]]


async def is_wider_than_its_window(page: Page) -> bool:
    """Whether it must be scrolled sideways."""
    return await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


async def keep_picture(page: Page, name: str) -> None:
    """The whole page as a picture under build/pages/."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.evaluate("document.fonts.ready.then(() => true)")
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
