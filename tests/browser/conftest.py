"""One browser for all tests of pages; a service with a fresh database for each."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser

from tests.support.ack import OpenAck, opened_ack
from tests.support.browser import Visitor, opened_browser, served
from tests.support.tokens import TokenIssuer


@pytest.fixture(scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with opened_browser() as opened:
        yield opened


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


@pytest.fixture
async def visitor(ack: OpenAck, browser: Browser) -> AsyncGenerator[Visitor]:
    async with served(ack, browser) as serving:
        yield serving
