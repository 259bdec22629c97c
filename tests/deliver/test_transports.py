"""Which transport a channel takes, which ones there are, and what is missing for one."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from streams.core.rules import Rules, compile_rules
from streams.deliver import transports
from streams.deliver.channels.trial import FileChannel
from streams.deliver.transports import build_channels, check_campaigns, transport_of
from streams.errors import UsageError
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.deliver.deliveries import CLOCK, Scripted, delivery, run
from tests.receiver import SECRET

WEBHOOK = {
    "delivery_webhook_url": "https://tool.example/actions",
    "delivery_webhook_secret": SecretStr(SECRET),
}
MAIL = {"delivery_smtp_host": "mail.example", "delivery_from": "Shop <news@shop.example>"}


def settings(**changed: Any) -> Settings:
    return Settings.model_construct(**changed)


def rules() -> Rules:
    return compile_rules(rules_text(settings()), 1)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["email", "webhook", "webhook"]),
        ({"email": "webhook"}, ["webhook", "webhook", "webhook"]),
        ({"*": "console"}, ["console", "console", "console"]),
        ({"*": "file", "sms": "acme"}, ["file", "acme", "file"]),
    ],
)
def test_mail_goes_by_mail_and_the_rest_to_the_webhook_unless_said_otherwise(
    chosen: dict[str, str], expected: list[str]
) -> None:
    by = settings(delivery_transports=chosen)
    assert [transport_of(by, one) for one in ("email", "sms", "post")] == expected


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (WEBHOOK, {"webhook"}),
        (MAIL, {"email"}),
        ({**MAIL, **WEBHOOK}, {"email", "webhook"}),
        ({"delivery_transports": {"*": "console"}}, {"console"}),
        ({"delivery_transports": {"email": "webhook"}, **WEBHOOK}, {"webhook"}),
    ],
)
def test_what_is_set_up_is_there(changed: dict[str, Any], names: set[str]) -> None:
    assert build_channels(settings(**changed), CLOCK).keys() == names


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "RFM_DELIVERY_WEBHOOK_URL"),
        ({"delivery_transports": {"*": "pigeon"}}, "pigeon"),
        ({"delivery_transports": {"*": "file"}}, "RFM_DELIVERY_FILE"),
        ({"delivery_transports": {"sms": "webhook"}, **MAIL}, "RFM_DELIVERY_WEBHOOK_SECRET"),
        ({**MAIL, "delivery_from": "nobody"}, "RFM_DELIVERY_FROM"),
        ({**MAIL, "delivery_templates_dir": Path("/nowhere")}, "RFM_DELIVERY_TEMPLATES_DIR"),
        ({**WEBHOOK, "delivery_webhook_secret": SecretStr("short")}, "24"),
    ],
)
def test_what_is_missing_or_wrong_is_said(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        build_channels(settings(**changed), CLOCK)
    assert "short" not in str(refused.value)


def test_a_broken_template_is_said_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "en" / "win_back_lost"
    folder.mkdir(parents=True)
    (folder / "body.txt").write_text("{% if %}")
    with pytest.raises(UsageError, match=r"win_back_lost/body\.txt, line 1"):
        build_channels(settings(**MAIL, delivery_templates_dir=tmp_path), CLOCK)


def test_a_channel_of_ones_own_is_found_by_its_entry_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint("acme", "tests.deliver.test_transports:acme", "rfm_streams.channels")
    monkeypatch.setattr(
        transports,
        "entry_points",
        lambda *, group: [point] if group == "rfm_streams.channels" else [],
    )
    found = build_channels(settings(delivery_transports={"sms": "acme"}), CLOCK)
    assert isinstance(found["acme"], Scripted)


def acme(given: Settings) -> Scripted:
    """A channel as somebody else would register it."""
    assert given.delivery_transports == {"sms": "acme"}
    return Scripted()


def test_a_campaign_without_a_way_out_is_said_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="RFM_DELIVERY_SMTP_HOST") as refused:
        check_campaigns(settings(**WEBHOOK), {"webhook"}, rules())
    assert "RFM_DELIVERY_TRANSPORTS" in str(refused.value)
    check_campaigns(settings(**WEBHOOK, delivery_transports={"*": "webhook"}), {"webhook"}, rules())
    check_campaigns(settings(**MAIL), {"email"}, rules())


def test_lines_for_trying_out_hold_the_message_and_the_mail(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    by = settings(delivery_transports={"*": "file"}, delivery_file=path)
    channel = build_channels(by, CLOCK)["file"]
    assert isinstance(channel, FileChannel)
    assert run(channel.send(delivery())) == "written"
    assert run(channel.send(delivery("webhook"))) == "written"
    mail, webhook = map(json.loads, path.read_text().splitlines())
    assert mail["mail"]["subject"] == "You left something in your cart"
    assert "Anna" in mail["mail"]["text"]
    assert "mail" not in webhook
    assert path.stat().st_mode & 0o077 == 0  # nobody else's to read


def test_the_console_gets_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    channel = build_channels(settings(delivery_transports={"*": "console"}), CLOCK)["console"]
    run(channel.send(delivery()))
    assert json.loads(capsys.readouterr().out)["channel"] == "email"
