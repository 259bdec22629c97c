"""The table of access: it covers every command, prints what it says, and widens nothing."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from schemas.topics import TOPIC_BY_NAME
from streams.adapters.access import (
    COMMANDS_OF_ADMINISTRATORS,
    COMMANDS_WITHOUT_LOGIN,
    ROLE_BY_NAME,
    ROLES,
    Grant,
    kafka_grants,
    redis_rules,
)
from streams.adapters.access_lines import kafka_lines, redis_line
from streams.adapters.kafka.names import Names
from streams.cli.main import build_app
from tests.command_line import run_command
from tests.contract.documents import ROOT, read_page, table

NAMES = Names("shop", 3)
WRITING = {"hset", "zadd", "zrem", "unlink", "set", "del", "flushall", "config", "acl"}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that does something by itself."""
    inner = getattr(command, "commands", {})
    if path and (not inner or command.invoke_without_command):
        yield " ".join(path)
    for name, one in inner.items():
        yield from commands(one, (*path, name))


def test_every_command_belongs_to_a_role_or_needs_none() -> None:
    known = {command for role in ROLES for command in role.commands}
    known |= {*COMMANDS_WITHOUT_LOGIN, *COMMANDS_OF_ADMINISTRATORS}
    there = set(commands(typer.main.get_command(build_app()))) - {"run"}
    assert there == known - {"run intake", "run decide", "run deliver"}


def test_topics_of_the_table_are_known() -> None:
    for role in ROLES:
        assert {*role.reads, *role.writes, *role.asks} <= TOPIC_BY_NAME.keys()


def test_a_role_is_allowed_what_it_needs_under_its_names_and_nothing_twice() -> None:
    found = kafka_grants([ROLE_BY_NAME["deliver"]], NAMES, "rfm-deliver")
    assert len(set(found)) == len(found)
    assert {one for one in found if one.operation in ("Read", "Write")} == {
        Grant("topic", "shop.marketing.actions", "Read"),
        Grant("topic", "shop.rfm.rules.g3", "Read"),
        Grant("topic", "shop.marketing.deliveries", "Write"),
        Grant("topic", "shop.dead-letters", "Write"),
        Grant("group", "shop.rfm.deliver.g3", "Read"),
    }
    assert {one.operation for one in found} == {"Read", "Write", "Describe", "DescribeConfigs"}


def test_few_roles_create_topics_write_rules_or_the_journal() -> None:
    def holders(operation: str, topic: str) -> set[str]:
        return {
            role.name
            for role in ROLES
            if Grant("topic", NAMES.topic(topic), operation)  # type: ignore[arg-type]
            in kafka_grants([role], NAMES, "u")
        }

    assert holders("Create", "shop.orders") == {"topics"}
    assert holders("Write", "rfm.rules") == {"rules"}
    assert holders("Write", "rfm.journal") == {
        "intake", "decide", "rules", "present-segments",
    }  # fmt: skip
    assert holders("Write", "rfm.state") == {"decide"}
    assert holders("Write", "marketing.actions") == {"decide"}


def test_groups_of_a_subscriber_begin_with_its_login() -> None:
    found = kafka_grants([ROLE_BY_NAME["subscriber"]], NAMES, "crm")
    assert Grant("group", "crm", "Read", prefixed=True) in found


def test_redis_is_read_only_where_nothing_is_written() -> None:
    assert redis_rules([ROLE_BY_NAME["shop"]], "") == ()
    for role in ROLES:
        rules = redis_rules([role], "shop")
        allowed = {one.removeprefix("+").partition("|")[0] for one in rules if one[0] == "+"}
        assert not allowed & {"flushall", "config", "acl", "del"}
        if allowed & WRITING:
            assert role.name in ("decide", "deliver", "rebuild")
    assert "%R~shop:rfm:{*" in redis_rules([ROLE_BY_NAME["status"]], "shop")
    assert "~shop:rfm:{*" not in redis_rules([ROLE_BY_NAME["status"]], "shop")


def test_roles_of_one_login_are_added_up() -> None:
    both = [ROLE_BY_NAME["status"], ROLE_BY_NAME["decide"]]
    rules = redis_rules(both, "")
    assert [one for one in rules if "~" in one] == ["~rfm:{*"]
    assert {*redis_rules([both[0]], ""), *redis_rules([both[1]], "")} - {*rules} == {"%R~rfm:{*"}


def test_lines_gather_what_is_allowed_alike() -> None:
    grants = [
        Grant("topic", "a b", "Read"),
        Grant("topic", "c", "Write"),
        Grant("topic", "c", "Describe"),
        Grant("topic", "d", "Read"),
        Grant("group", "g.", "Read", prefixed=True),
    ]
    lines = [shlex.split(line) for line in kafka_lines(grants, "User:x", "kafka:9092")]
    assert [line[line.index("--operation") :] for line in lines] == [
        ["--operation", "Read", "--topic", "a b", "--topic", "d"],
        ["--operation", "Describe", "--operation", "Write", "--topic", "c"],
        ["--operation", "Read", "--resource-pattern-type", "prefixed", "--group", "g."],
    ]


def test_a_user_of_redis_begins_without_anything_and_without_a_password() -> None:
    assert redis_line(["~k", "+ping"], "rfm-x") == "ACL SETUSER rfm-x reset on ~k +ping"


def test_the_command_prints_every_role_under_a_login_of_its_own() -> None:
    ran = run_command({"RFM_NAMESPACE": "shop", "RFM_GENERATION": "3"}, "topics", "acl")
    assert ran.code == 0
    for role in ROLES:
        for line in kafka_lines(
            kafka_grants([role], NAMES, f"rfm-{role.name}"),
            f"User:rfm-{role.name}",
            "localhost:9092",
        ):
            assert line in ran.out.splitlines()
    assert "ACL SETUSER rfm-decide reset on ~shop:rfm:{*" in ran.out
    assert "PASSWORD" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--role", "boss"], "no such role"),
        (["--principal", "User:x"], "--role decide"),
        (["--role", "decide", "--principal", "x"], "User:NAME"),
        (["--role", "decide", "--principal", "User:x y"], "User:NAME"),
        (["--role", "decide", "--principal", "User:"], "User:NAME"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], said: str) -> None:
    ran = run_command({}, "topics", "acl", *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_the_page_quotes_what_is_really_said() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("streams/**/*.py"))
    rows = table(read_page("docs/security.md"), "it says")
    assert rows
    for row in rows:
        assert row[0].strip("`").strip() in code, row[0]
