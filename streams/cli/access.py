"""`topics acl`: what each role needs on Kafka and Redis, as commands for both."""

from typing import Annotated

import typer

from streams.adapters.access import ROLE_BY_NAME, ROLES, Role, kafka_grants, redis_rules
from streams.adapters.access_lines import kafka_lines, redis_line
from streams.bootstrap import names_of
from streams.cli.context import settings_of
from streams.cli.help_text import described
from streams.cli.output import note
from streams.errors import UsageError
from streams.settings import Settings

_USER = "User:"
HELP = described(
    "What each role needs on Kafka and Redis and no more, as lines for kafka-acls.sh and redis-cli. "
    "Asks neither. The names are those of RFM_NAMESPACE and RFM_GENERATION: another generation needs "
    "its own. Each role is meant to have a login of its own, User:rfm-ROLE unless --principal says "
    "another; several --role under one --principal share it.",
    "topics acl",
    "topics acl --role decide",
    "topics acl --role intake --role decide --principal User:segments",
)


def acl(
    ctx: typer.Context,
    role: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE", help=f"One of {', '.join(ROLE_BY_NAME)}; may be repeated."),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(metavar="User:NAME", help="The login of the roles, on Kafka and in Redis."),
    ] = None,
) -> None:
    """Print the lines."""
    settings = settings_of(ctx)
    chosen = [_role(name) for name in role or ()]
    if principal is None:
        for one in chosen or ROLES:
            _print(settings, [one], f"{_USER}rfm-{one.name}")
    elif not chosen:
        raise UsageError("--principal: name the roles that it has, as --role decide")
    else:
        _print(settings, chosen, principal)
    note(
        "the lines for redis-cli make users without a password, who cannot log in: give each one by "
        "ACL SETUSER NAME '>PASSWORD', and keep them by ACL SAVE or CONFIG REWRITE"
    )


def _role(name: str) -> Role:
    if name not in ROLE_BY_NAME:
        raise UsageError(f"--role {name}: no such role; there are {', '.join(ROLE_BY_NAME)}")
    return ROLE_BY_NAME[name]


def _print(settings: Settings, roles: list[Role], principal: str) -> None:
    user = principal.removeprefix(_USER)
    if user == principal or not user.strip() or len(user.split()) > 1:
        raise UsageError(f"--principal {principal!r}: write User:NAME, a name without blanks")
    grants = kafka_grants(roles, names_of(settings), user)
    typer.echo(f"# {', '.join(one.name for one in roles)}")
    for line in kafka_lines(grants, principal, settings.kafka_bootstrap_servers):
        typer.echo(line)
    rules = redis_rules(roles, settings.namespace)
    if rules:
        typer.echo(redis_line(rules, user))
