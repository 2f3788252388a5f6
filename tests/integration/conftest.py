"""What the tests of dispatch work with: its API and workers on a database of their own, an agency's endpoint, a mail server."""

from collections.abc import AsyncGenerator

import pytest

from tests.support.dispatch import Bench, bench
from tests.support.receiver import MailSink, Receiver, mail_sink, receiver
from tests.support.tokens import TokenIssuer


@pytest.fixture
def dispatch_variables() -> dict[str, str]:
    """Settings of dispatch that a module's tests need otherwise; it overrides this fixture."""
    return {}


@pytest.fixture
async def dispatch(
    settings_environment: dict[str, str], token_issuer: TokenIssuer, dispatch_variables: dict[str, str]
) -> AsyncGenerator[Bench]:
    async with bench(settings_environment, token_issuer, **dispatch_variables) as opened:
        yield opened


@pytest.fixture
async def endpoint() -> AsyncGenerator[Receiver]:
    async with receiver() as running:
        yield running


@pytest.fixture
async def sink() -> AsyncGenerator[MailSink]:
    async with mail_sink() as running:
        yield running
