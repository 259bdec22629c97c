"""Which transport a channel takes, and the transports that the settings make possible."""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from typing import Final

from streams.core.rules import Rules
from streams.deliver.channels.channel import ENTRY_POINTS, Channel, Refused
from streams.deliver.channels.email import PORTS, EmailChannel, SmtpServer, read_sender
from streams.deliver.channels.signature import read_secret
from streams.deliver.channels.templates import Templates
from streams.deliver.channels.trial import ConsoleChannel, FileChannel
from streams.deliver.channels.webhook import WebhookChannel
from streams.errors import UsageError
from streams.ports import Clock
from streams.settings import Settings

EMAIL: Final = "email"
WEBHOOK: Final = "webhook"
# Any channel that has no line of its own.
OTHERS: Final = "*"

Factory = Callable[[Settings, Clock], Channel]


def transport_of(settings: Settings, channel: str) -> str:
    """The transport of a channel: e-mail goes by mail, everything else to the webhook."""
    chosen = settings.delivery_transports
    return chosen.get(channel) or chosen.get(OTHERS) or (EMAIL if channel == EMAIL else WEBHOOK)


def build_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Every transport that is asked for by name, and the two defaults where they are set up.

    Raises `UsageError` where one that is asked for cannot be made, or where there is none at all.
    """
    asked = set(settings.delivery_transports.values())
    own = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    unknown = sorted(asked - _FACTORIES.keys() - own.keys())
    if unknown:
        raise UsageError(
            f"settings: delivery_transports: there is no transport {unknown[0]!r}; there are "
            f"{', '.join(sorted({*_FACTORIES, *own}))} (set RFM_DELIVERY_TRANSPORTS)"
        )
    default = {name for name in (EMAIL, WEBHOOK) if not missing_settings(settings, name)}
    channels: dict[str, Channel] = {}
    for name in sorted(asked | default):
        lacking = missing_settings(settings, name)
        if lacking:
            raise UsageError(f"settings: the transport {name} needs {' and '.join(lacking)}")
        factory = _FACTORIES.get(name)
        channels[name] = (
            factory(settings, clock) if factory is not None else own[name].load()(settings)
        )
    if not channels:
        raise UsageError(
            "settings: the delivery stage has nothing to send by: set "
            "RFM_DELIVERY_WEBHOOK_URL and RFM_DELIVERY_WEBHOOK_SECRET, or RFM_DELIVERY_SMTP_HOST "
            'and RFM_DELIVERY_FROM, or to try it out RFM_DELIVERY_TRANSPORTS=\'{"*": "console"}\''
        )
    return channels


def missing_settings(settings: Settings, transport: str) -> list[str]:
    """Variables that a transport needs and that are not set."""
    return [
        f"RFM_{name.upper()}"
        for name in _NEEDED.get(transport, ())
        if getattr(settings, name) is None
    ]


def check_campaigns(settings: Settings, channels: Iterable[str], rules: Rules) -> None:
    """Raise `UsageError` where a campaign has no channel with a transport: all it asks would fail."""
    made = set(channels)
    for campaign in rules.book.current.values():
        wanted = {transport_of(settings, one) for one in campaign.channels}
        if not wanted & made:
            first = min(wanted)
            lacking = " and ".join(missing_settings(settings, first)) or first
            raise UsageError(
                f"settings: campaign {campaign.name} goes out by {', '.join(campaign.channels)}, "
                f"and the transport {first} needs {lacking}; or send the channel elsewhere by "
                "RFM_DELIVERY_TRANSPORTS"
            )


def build_templates(settings: Settings) -> Templates:
    """The templates, all compiled once; raises `UsageError` where one is broken."""
    folder = settings.delivery_templates_dir
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"settings: delivery_templates_dir: {folder} is no folder "
            "(set RFM_DELIVERY_TEMPLATES_DIR)"
        )
    sender = settings.delivery_from
    address = read_sender(sender) if sender is not None else None
    shop = (address.display_name or address.domain) if address is not None else ""
    templates = Templates(folder, settings.delivery_language, shop)
    try:
        templates.check()
    except Refused as error:
        raise UsageError(f"template {error.message}; mend the file") from error
    return templates


def _email(settings: Settings, clock: Clock) -> Channel:
    tls = settings.delivery_smtp_tls
    password = settings.delivery_smtp_password
    server = SmtpServer(
        host=settings.delivery_smtp_host or "",
        port=settings.delivery_smtp_port or PORTS[tls],
        tls=tls,
        user=settings.delivery_smtp_user,
        password=password.get_secret_value() if password is not None else None,
        ca_file=settings.delivery_smtp_ca_file,
        timeout_s=settings.delivery_timeout_s,
    )
    return EmailChannel(
        server,
        settings.delivery_from or "",
        build_templates(settings),
        settings.delivery_unsubscribe_url,
        clock,
    )


def _webhook(settings: Settings, clock: Clock) -> Channel:
    secret = settings.delivery_webhook_secret
    key = read_secret(secret.get_secret_value() if secret is not None else "")
    return WebhookChannel(
        settings.delivery_webhook_url or "", key, settings.delivery_timeout_s, clock
    )


def _file(settings: Settings, _clock: Clock) -> Channel:
    if settings.delivery_file is None:
        raise UsageError("settings: the transport file needs RFM_DELIVERY_FILE")
    return FileChannel(settings.delivery_file, build_templates(settings))


def _console(settings: Settings, _clock: Clock) -> Channel:
    return ConsoleChannel(build_templates(settings))


_FACTORIES: Final[Mapping[str, Factory]] = {
    EMAIL: _email,
    WEBHOOK: _webhook,
    "file": _file,
    "console": _console,
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    EMAIL: ("delivery_smtp_host", "delivery_from"),
    WEBHOOK: ("delivery_webhook_url", "delivery_webhook_secret"),
    "file": ("delivery_file",),
}
