"""The process refuses what no waiting mends, before it connects to anything."""

import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from streams.deliver import installed
from streams.deliver.process import DeliverProcess
from streams.errors import UsageError
from streams.settings import load_settings
from tests.receiver import SECRET

WEBHOOK: dict[str, Any] = {
    "delivery_webhook_url": "https://tool.example/actions",
    "delivery_webhook_secret": SecretStr(SECRET),
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "RFM_DELIVERY_WEBHOOK_URL"),
        ({**WEBHOOK, "clock": "event"}, "RFM_CLOCK"),
        ({**WEBHOOK, "kafka": {"security.protocol": "kerberos"}}, "RFM_KAFKA"),
        ({**WEBHOOK, "delivery_transports": {"sms": "pigeon"}}, "pigeon"),
        ({"delivery_webhook_url": "ftp://tool.example"}, "RFM_DELIVERY_WEBHOOK_URL"),
        ({"delivery_unsubscribe_url": "mailto:bye@shop.example"}, "RFM_DELIVERY_UNSUBSCRIBE_URL"),
        ({"delivery_rate_per_s": {"email": 0}}, "RFM_DELIVERY_RATE_PER_S"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        DeliverProcess(load_settings(**changed), "main-0", CollectorRegistry())
    assert SECRET not in str(refused.value)


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed.require_installed()
    monkeypatch.delitem(sys.modules, "faust", raising=False)
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"no faust.*pip install '\.\[deliver\]'"):
        installed.require_installed()


def test_secrets_do_not_show_in_settings() -> None:
    settings = load_settings(
        **WEBHOOK,
        delivery_smtp_password=SecretStr("another secret"),
    )
    assert SECRET not in f"{settings!r} {settings}"
    assert "another secret" not in f"{settings!r} {settings}"
