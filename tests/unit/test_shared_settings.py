"""Settings whose relations do not hold are refused, and the offender is named."""

import pytest
from pydantic import ValidationError

from shared.settings import ServiceSettings

GOOD = {"postgres_dsn": "postgresql://x", "amqp_url": "amqp://x", "link_key": "k" * 32}


def test_slash_at_the_end_of_the_public_url_is_dropped() -> None:
    settings = ServiceSettings.model_validate({**GOOD, "public_url": "https://wian.example/"})
    assert settings.public_url == "https://wian.example"
    assert settings.key_set_url == "https://wian.example/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"link_key": "short"}, "WIAN_LINK_KEY"),
        ({"outbox_lease": 5, "publish_timeout": 10}, "WIAN_OUTBOX_LEASE"),
        ({"http_port": 70000}, "http_port"),
        ({"broker_namespace": "Not A Name"}, "broker_namespace"),
        ({"postgres_pool_size": 1}, "postgres_pool_size"),
    ],
)
def test_contradicting_settings_are_refused_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        ServiceSettings.model_validate({**GOOD, **change})


def test_secrets_do_not_show() -> None:
    assert "kkkk" not in repr(ServiceSettings.model_validate(GOOD))
