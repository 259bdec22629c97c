"""`check-settings`: every setting with its source, and what follows from the rules."""

import os
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from streams.adapters.redis.url import is_torn
from streams.bootstrap import build_rates
from streams.cli.context import invocation_of
from streams.cli.help_text import described
from streams.cli.output import note, print_table
from streams.core.campaigns.limits import CHANNELS_WITHOUT_CONSENT
from streams.core.rules import Rules, compile_rules
from streams.environment import FILE_SUFFIX
from streams.errors import UsageError
from streams.rules.describe import describe_rules
from streams.rules.files import read_rules, text_of
from streams.rules.map_grid import grid_of, maps_of
from streams.settings import PREFIX, Settings, ignored_variables, secret_settings

_SECRET_WORDS = ("password", "secret", "key.pem", "credential", "token")
_HIDDEN = "(hidden)"
_HELP = described(
    "Check settings, rule files and exchange rates, and print what they amount to: every setting "
    "and where it comes from, the rules of every scheme, and each map as a grid. Asks neither Kafka "
    "nor Redis.",
    "check-settings",
    "--config shop.toml check-settings",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-settings", help=_HELP)(_check)


def _check(ctx: typer.Context) -> None:
    invocation = invocation_of(ctx)
    settings = invocation.settings
    build_rates(settings)
    read = read_rules(settings)
    text = text_of(read.document, settings)
    print_table(
        ("setting", "value", "from"),
        [
            (f"{PREFIX}{name.upper()}", _shown(name, settings), _source(name, invocation.config))
            for name in Settings.model_fields
        ],
        "Settings",
    )
    typer.echo()
    print_table(("rule", "value"), describe_rules(text), "Rules")
    for scheme in maps_of(text):
        typer.echo()
        (_, *columns), *rows = grid_of(scheme)
        print_table((scheme["name"], *columns), rows, f"Segments of {scheme['name']} by its scores")
    for warning in unreachable(compile_rules(text, 0)):
        note(f"warning: {warning}")
    for name, reason in read.left_out.items():
        note(f"campaign {name} is left out: it {reason} (RFM_SCHEMES)")
    for tag in read.unused_tags:
        note(f"warning: {tag} is muted, and no campaign has that tag")
    for name, meant in ignored_variables().items():
        hint = f"did you mean {meant}?" if meant is not None else "docs/operations.md lists them"
        note(f"warning: {name} is no setting and is ignored; {hint}")
    note("settings and rules are valid")


def unreachable(rules: Rules) -> list[str]:
    """Say which campaigns can reach only customers who said yes, and how to change that."""
    denied = {
        name
        for name, campaign in rules.book.current.items()
        if not any(_reaches(channel, rules) for channel in campaign.channels)
    }
    if not denied:
        return []
    channels = sorted({one for name in denied for one in rules.book.current[name].channels})
    warning = (
        f"{', '.join(sorted(denied))}: nobody is reached by {', '.join(channels)} before a "
        "consent.changed says yes, because consent that is not known counts as no. Where the law "
        f'allows more, set RFM_CONSENT_UNKNOWN=\'{{"{channels[0]}": "after_purchase"}}\''
    )
    return [warning]


def _reaches(channel: str, rules: Rules) -> bool:
    if channel in CHANNELS_WITHOUT_CONSENT:
        return True
    return rules.policy.consent_unknown.get(channel, "deny") != "deny"


def _shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "redis_url":
        return _without_password(settings.redis_url.get_secret_value())
    if isinstance(value, SecretStr):
        return _HIDDEN
    if value is None:
        return "unset"
    if name == "delivery_webhook_url":
        return _without_password(value)
    if name == "kafka":
        return ", ".join(
            f"{key}={_HIDDEN if _is_secret(key) else setting}" for key, setting in value.items()
        )
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items())
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{one} from {day}" for day, one in sorted(value.items()))
    return str(value)


def _is_secret(key: str) -> bool:
    return any(word in key for word in _SECRET_WORDS)


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return _HIDDEN
    if is_torn(parts):
        return f"{parts.scheme}://{_HIDDEN}"
    host = parts.netloc.rpartition("@")
    netloc = f"{_HIDDEN}@{host[2]}" if host[1] else parts.netloc
    # A password may stand in the query too.
    return f"{parts.scheme}://{netloc}{parts.path}{'?' + _HIDDEN if parts.query else ''}"


def _source(name: str, config: Path | None) -> str:
    variable = f"{PREFIX}{name}".upper()
    if any(
        one.upper() == variable or one.upper().startswith(f"{variable}__") for one in os.environ
    ):
        return "environment"
    in_file = os.environ.get(f"{variable}{FILE_SUFFIX}")
    if in_file is not None and name in secret_settings():
        return in_file
    if config is not None:
        try:
            if name in tomllib.loads(config.read_text(encoding="utf-8")):
                return str(config)
        except (OSError, ValueError) as error:
            raise UsageError(f"--config {config}: {error}") from error
    return "default"
