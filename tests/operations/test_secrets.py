"""Secrets come from variables or files and are never told; misspelt variables are."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer

from streams.adapters.redis.store import connect
from streams.cli.main import build_app
from streams.environment import MAX_SECRET_BYTES, unknown_variables
from streams.errors import UsageError
from streams.logs import configure_logging
from streams.settings import Settings, load_settings, secret_settings
from tests.command_line import run_command
from tests.contract.documents import ROOT

CANARIES = {
    "RFM_KAFKA_PASSWORD": "hush-kafka",
    "RFM_REDIS_URL": "redis://shop:hush-redis@localhost:1/0?password=hush-query",
    "RFM_DELIVERY_WEBHOOK_SECRET": "hush-webhook-of-24-characters",
    "RFM_DELIVERY_SMTP_PASSWORD": "hush-smtp",
    "RFM_DELIVERY_WEBHOOK_URL": "https://tool:hush-url@tool.example/hook?key=hush-key",
    "RFM_KAFKA": '{"ssl.key.password": "hush-key-file", "sasl.password": "hush-inline", '
    '"ssl.keystore.password": "hush-store", "sasl.oauthbearer.client.secret": "hush-oauth"}',
}


def every_command(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups included."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, (*path, name))


def assert_hushed(text: str) -> None:
    assert text
    assert "hush" not in text


# -- files ---------------------------------------------------------------------------------------


def test_these_settings_are_secret() -> None:
    assert set(secret_settings()) == {
        "kafka_password",
        "redis_url",
        "delivery_webhook_secret",
        "delivery_smtp_password",
    }


@pytest.mark.parametrize("name", secret_settings())
@pytest.mark.parametrize("written", ["hush-é x", "hush-é x\n", "hush-é x\r\n"])
def test_a_secret_is_read_from_the_file_that_a_variable_names(
    name: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(written.encode())
    monkeypatch.setenv(f"RFM_{name.upper()}_FILE", str(path))
    assert getattr(load_settings(), name).get_secret_value() == "hush-é x"


def test_a_file_with_a_secret_wins_over_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("of the secret's file", encoding="utf-8")
    (tmp_path / "shop.toml").write_text('kafka_password = "of the settings"', encoding="utf-8")
    monkeypatch.setenv("RFM_KAFKA_PASSWORD_FILE", str(tmp_path / "secret"))
    found = load_settings(tmp_path / "shop.toml").kafka_password
    assert found is not None
    assert found.get_secret_value() == "of the secret's file"


TORN = [
    "redis://shop:hush/7@localhost:6379/0",
    "redis://shop:1/hush@localhost:6379/0",
    "redis://shop:hush?7@localhost:6379/0",
    "redis://shop:7?hush@localhost:6379/0",
    "redis://shop:hush#7@localhost:6379/0",
    "redis://shop:a@7/hush@localhost:6379/0",
    "redis://shop:x[hush]y@localhost:6379/0",
    "redis://shop:x[hush@localhost:6379/0",
    "redis+cluster://shop:hush/7@localhost:6379,localhost:6380",
]


@pytest.mark.parametrize("url", TORN)
def test_a_password_that_tears_its_url_is_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a password with a mark that ends a host; then what is wrong is told, and not the password."""
    monkeypatch.setenv("RFM_REDIS_URL", url)
    with pytest.raises(ValueError, match=r"%2F for /") as refused:
        connect(url)
    assert_hushed(str(refused.value))
    ran = run_command({"RFM_REDIS_URL": url}, "check-settings")
    assert_hushed(ran.out + ran.err)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hush-\xff", "is not UTF-8"),
        (b"hush" * MAX_SECRET_BYTES, "is larger than 64 KiB"),
    ],
    ids=["absent", "empty", "a line break", "binary", "large"],
)
def test_a_file_that_holds_no_secret_is_refused_by_its_names(
    content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("RFM_KAFKA_PASSWORD_FILE", str(path))
    with pytest.raises(UsageError, match=said) as refused:
        load_settings()
    assert str(path) in str(refused.value)
    assert "RFM_KAFKA_PASSWORD_FILE" in str(refused.value)
    assert_hushed(str(refused.value))


def test_a_secret_in_a_variable_and_in_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("hush-file", encoding="utf-8")
    monkeypatch.setenv("RFM_REDIS_URL", "redis://:hush@localhost/0")
    monkeypatch.setenv("RFM_REDIS_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(UsageError, match="RFM_REDIS_URL and RFM_REDIS_URL_FILE") as refused:
        load_settings()
    assert_hushed(str(refused.value))


def test_what_is_no_secret_comes_from_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "value").write_text("elsewhere", encoding="utf-8")
    monkeypatch.setenv("RFM_NAMESPACE_FILE", str(tmp_path / "value"))
    assert load_settings().namespace == ""


# -- never told ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    list(every_command(typer.main.get_command(build_app()))),
    ids=lambda command: " ".join(command) or "rfm-streams",
)
def test_no_help_tells_a_secret(command: tuple[str, ...]) -> None:
    ran = run_command(CANARIES, *command, "--help")
    assert ran.code == 0
    assert_hushed(ran.out + ran.err)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_check_settings_tells_no_secret_and_where_it_comes_from(tmp_path: Path, level: str) -> None:
    path = tmp_path / "secret"
    path.write_text("hush-of-a-file", encoding="utf-8")
    in_file = {name: one for name, one in CANARIES.items() if name != "RFM_KAFKA_PASSWORD"}
    environment = {**in_file, "RFM_KAFKA_PASSWORD_FILE": str(path), "RFM_LOG_LEVEL": level}
    ran = run_command(environment, "check-settings")
    assert ran.code == 0, ran.err
    assert_hushed(ran.out + ran.err)
    shown = dict(line.split("\t", 1) for line in ran.out.splitlines() if "\t" in line)
    assert shown["RFM_KAFKA_PASSWORD"] == f"(hidden)\t{path}"
    hidden, source = shown["RFM_DELIVERY_SMTP_PASSWORD"].split("\t")
    assert (hidden, source) == ("(hidden)", "environment")


@pytest.mark.parametrize(
    "wrong",
    [
        {"RFM_PARTITIONS": "none"},
        {"RFM_KAFKA": "hush-no-json"},
        {"RFM_KAFKA": '["hush-no-table"]'},
        {"RFM_KAFKA": '{"sasl.password": ["hush-no-text"]}'},
        {"RFM_DELIVERY_WEBHOOK_URL": "ftp://tool:hush@tool.example"},
        {"RFM_DELIVERY_WEBHOOK_SECRET": "hush-short"},
    ],
    ids=str,
)
@pytest.mark.parametrize("level", ["info", "debug"])
def test_wrong_settings_are_refused_without_their_secrets(
    wrong: dict[str, str], level: str
) -> None:
    settings = {**CANARIES, "RFM_DELIVERY_TRANSPORTS": '{"*": "webhook"}', **wrong}
    ran = run_command({**settings, "RFM_LOG_LEVEL": level}, "run", "deliver")
    assert ran.code == 2
    assert_hushed(ran.out + ran.err)


def _fail_beside(password: str) -> None:
    try:
        int("x" * len(password))
    except ValueError as error:
        structlog.get_logger("streams").error("the process ends", exc_info=error)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_error_is_logged_without_the_variables_around_it(
    log_format: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Colours, as on a terminal: that is where the libraries show more.
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        configure_logging(Settings.model_construct(log_format=log_format, log_level="debug"))
        _fail_beside(CANARIES["RFM_KAFKA_PASSWORD"])
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert_hushed(said)


# -- misspelt variables --------------------------------------------------------------------------


def test_a_misspelt_variable_is_told_with_what_may_be_meant() -> None:
    wrong = {
        "RFM_NAMESPCE": "hush",
        "RFM_KAFKA_PASWORD_FILE": "/hush",
        "RFM_NAMESPACE_FILE": "/hush",
        "RFM_QQQQQQQQQQQQQQ": "hush",
    }
    ran = run_command(wrong, "check-settings")
    assert ran.code == 0
    assert "RFM_NAMESPCE is no setting and is ignored; did you mean RFM_NAMESPACE?" in ran.err
    assert "did you mean RFM_KAFKA_PASSWORD_FILE?" in ran.err
    assert "RFM_NAMESPACE_FILE is no setting" in ran.err
    assert "RFM_QQQQQQQQQQQQQQ is no setting and is ignored; docs/operations.md" in ran.err
    assert_hushed(ran.err)


def test_settings_and_their_parts_are_no_misspelt_variables() -> None:
    right = {
        "RFM_NAMESPACE": "x",
        "rfm_instance": "main",
        "RFM_KAFKA__client.rack": "a",
        "RFM_KAFKA_PASSWORD_FILE": "/dev/null",
        "RFMX_OTHER": "not ours",
    }
    assert unknown_variables(Settings.model_fields, secret_settings(), right) == {}


def test_no_variable_of_this_project_is_taken_for_a_misspelt_one() -> None:
    places = ("docker-compose.yml", "Makefile", "tests/**/*.py", "bench/**/*.py", "streams/**/*.py")
    text = "".join(
        path.read_text(encoding="utf-8")
        for place in places
        for path in ROOT.glob(place)
        if path != Path(__file__)
    )
    used = set(re.findall(r"\"(RFM_[A-Z0-9_]*[A-Z0-9])\"", text))
    assert len(used) > 20
    assert unknown_variables(Settings.model_fields, secret_settings(), used) == {}


def test_a_run_warns_of_a_misspelt_variable(capfd: pytest.CaptureFixture[str]) -> None:
    from streams.cli.run import _warn_of_variables

    handlers, level = logging.root.handlers[:], logging.root.level
    os.environ["RFM_NAMESPCE"] = "hush"
    try:
        configure_logging(Settings.model_construct(log_format="json", log_level="info"))
        _warn_of_variables()
    finally:
        del os.environ["RFM_NAMESPCE"]
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()
    said = capfd.readouterr().err
    assert '"variable": "RFM_NAMESPCE"' in said
    assert '"meant": "RFM_NAMESPACE"' in said
    assert_hushed(said)
