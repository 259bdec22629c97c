"""Exit codes and the one line that says what to do."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streams.adapters.embedded.ports import find_free_port
from tests.command_line import run_command


def test_the_program_itself_ends_with_the_code_and_one_line() -> None:
    program = [sys.executable, "-m", "streams.cli.main", "export", "--format", "xml"]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("rfm-streams: Invalid value for '--format'")
    assert ran.stderr.count("\n") == 1


def test_ctrl_c_ends_with_130() -> None:
    """Given a broker that accepts and never answers, when a person has waited long enough."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(30)
        program = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "status"],
            env={**os.environ, "RFM_KAFKA_BOOTSTRAP_SERVERS": address},
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = server.accept()
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=30)
        connection.close()
    assert (program.returncode, "Traceback" in said) == (130, False), said


def test_a_foreign_package_called_schemas_is_said(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("")
    program = "from streams.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "must come from one folder" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["topics"], "Missing command"),
        (["export", "--at", "yesterday"], "RFC 3339"),
        (["export", "--at", "2024-01-01T00:00:00"], "RFC 3339"),
        (["export", "--out", "/no/such/folder/c.csv"], "no such folder"),
        (["--config", "/no/such.toml", "status"], "no such file"),
        (["dead-letters", "retry", "--value", "x.json"], "--offset N"),
        (["dead-letters", "list", "--reason", "bad_mood"], "no such reason"),
        (["redis", "rebuild", "--partition", "6"], "from 0 to 5"),
        (["dead-letters", "show", "-1"], "See `rfm-streams dead-letters show --help`"),
    ],
)
def test_bad_arguments_are_code_2_and_one_line(arguments: list[str], said: str) -> None:
    ran = run_command({}, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.startswith("rfm-streams: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RFM_PARTITIONS", "many"),
        ("RFM_WINDOW_DAYS", "300"),
        ("RFM_BASE_CURRENCY", "EURO"),
        ("RFM_RULES_DIR", "/no/such/rules"),
        ("RFM_EXCHANGE_RATES", '{"USD": {"2024-01-01": "-1"}}'),
    ],
)
def test_bad_settings_are_code_2_and_one_line(variable: str, value: str) -> None:
    ran = run_command({variable: value}, "check-settings")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["export"], ["dead-letters", "list"]])
def test_no_broker_is_code_1_and_says_what_to_check(arguments: list[str]) -> None:
    address = f"127.0.0.1:{find_free_port()}"
    ran = run_command({"RFM_KAFKA_BOOTSTRAP_SERVERS": address}, *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert address in ran.err
    assert "RFM_KAFKA_BOOTSTRAP_SERVERS" in ran.err
    assert ran.err.count("\n") == 1


def test_no_redis_missing_topics_and_wrong_partitions_say_what_to_do(
    kafka: str, namespace: str
) -> None:
    environment = {
        "RFM_NAMESPACE": namespace,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": f"redis://127.0.0.1:{find_free_port()}/0",
        "RFM_PARTITIONS": "2",
    }
    missing = run_command(environment, "export")
    assert (missing.code, "topics create" in missing.err) == (2, True)
    assert run_command(environment, "topics", "create").code == 0
    no_redis = run_command(environment, "export")
    assert (no_redis.code, "RFM_REDIS_URL" in no_redis.err) == (1, True)
    assert no_redis.err.count("\n") == 1
    other = run_command({**environment, "RFM_PARTITIONS": "3"}, "export")
    assert (other.code, "RFM_PARTITIONS=2" in other.err) == (2, True)
    unset = run_command(environment, "rules", "show")
    assert (unset.code, "rules apply" in unset.err) == (2, True)


def test_a_question_that_nobody_can_answer_needs_yes(
    kafka: str, redis_url: str, namespace: str
) -> None:
    environment = {
        "RFM_NAMESPACE": namespace,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": "2",
    }
    assert run_command(environment, "topics", "create").code == 0
    ran = run_command(environment, "redis", "rebuild")
    assert (ran.code, "--yes" in ran.err) == (2, True)


def test_check_settings_shows_sources_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('base_currency = "JPY"\n[kafka]\n"sasl.password" = "hush1"\n')
    environment = {
        "RFM_REDIS_URL": "redis://user:hush2@cache:6379/1?password=hush3",
        "RFM_KAFKA_PASSWORD": "hush4",
        "RFM_WINDOW_DAYS": "800",
    }
    ran = run_command(environment, "--config", str(config), "check-settings")
    assert ran.code == 0, ran.err
    assert "hush" not in ran.out + ran.err
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in ran.out.splitlines() if line}
    assert rows["RFM_BASE_CURRENCY"] == ["JPY", str(config)]
    assert rows["RFM_WINDOW_DAYS"] == ["800", "environment"]
    assert rows["RFM_PARTITIONS"] == ["6", "default"]
    assert rows["R3"] == ["At Risk", "At Risk", *["Loyal Customers"] * 3]
    assert rows["R2"][0] == "M1-2 Lost Customers, M3-5 At Risk"
    assert "warning: cart_reminder, champion_vip, " in ran.err
    assert "win_back_lost: nobody is reached by email" in ran.err
    allowed = run_command({"RFM_CONSENT_UNKNOWN": '{"email": "after_purchase"}'}, "check-settings")
    assert "warning" not in allowed.err


def test_every_command_has_a_help_with_an_example() -> None:
    commands = ["export", "inspect", "explain", "status", "check-settings", "dead-letters list",
                "dead-letters show", "dead-letters retry", "topics create", "topics describe",
                "rules show", "rules apply", "redis rebuild", "schemas export"]  # fmt: skip
    for command in commands:
        ran = run_command({}, *command.split(), "--help")
        assert ran.code == 0, ran.err
        assert f"  rfm-streams {command}" in ran.out, command
    assert run_command({}, "--version").out.startswith("rfm-streams ")


def test_contracts_are_exported_and_compared(tmp_path: Path) -> None:
    assert run_command({}, "schemas", "export", str(tmp_path)).code == 0
    assert (tmp_path / "asyncapi.json").is_file()
    assert run_command({}, "schemas", "export", "--check", str(tmp_path)).code == 0
    (tmp_path / "order.placed.v1.schema.json").unlink()
    ran = run_command({}, "schemas", "export", "--check", str(tmp_path))
    assert (ran.code, "order.placed" in ran.err) == (2, True)
