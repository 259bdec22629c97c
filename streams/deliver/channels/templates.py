"""Texts of mails: Jinja2 templates by language and name, own ones before the shipped.

`LANGUAGE/NAME/{subject.txt,body.txt,body.html}`; a name without a folder is written by the one
called `default`. Whatever stands in an action or in a customer's attributes is only ever a value:
cleaned, cut, and escaped in HTML.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)
from jinja2.sandbox import SandboxedEnvironment

from schemas.dead_letters import Reason
from schemas.fields import parse_instant_ms
from streams.deliver.channels.channel import Delivery, Refused

FALLBACK: Final = "default"
_SUBJECT, _TEXT, _HTML = "subject.txt", "body.txt", "body.html"
# A mail is read by a person: more is a mistake of whoever filled the cart, or an attack.
MAX_CHARACTERS: Final = 300
MAX_LIST: Final = 30
_MAX_DEPTH: Final = 5
# What the shipped templates ask for and an action need not have. Any other name that a template uses
# and the action lacks is an error, so that nobody is sent "Hello ," for a misspelt field.
_OPTIONAL: Final[Mapping[str, Any]] = {
    "cart_id": None,
    "value": None,
    "currency": None,
    "items": (),
    "checkout_url": None,
    "voucher": None,
    "offer": None,
    "suggestions": (),
    "segments": (),
}


@dataclass(frozen=True, slots=True)
class Written:
    """One mail's texts. `html` is None where an own template has none."""

    language: str
    subject: str
    text: str
    html: str | None


class Templates:
    """The templates of an installation. `shop` and `unsubscribe_url` are there for every text."""

    def __init__(self, own: Path | None, default_language: str, shop: str) -> None:
        loaders: list[BaseLoader] = [PackageLoader("streams.deliver", "templates")]
        if own is not None:
            loaders.insert(0, FileSystemLoader(own))
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(money=_money, day=_day)
        self._default_language = default_language
        self._shop = shop

    def check(self) -> None:
        """Compile everything there is, so that a broken template is found before it is needed.

        Raises `Refused` with the file and the line.
        """
        for name in self._environment.list_templates(extensions=("txt", "html")):
            try:
                self._environment.get_template(name)
            except TemplateError as error:
                raise _broken(name, error) from error

    def render(self, delivery: Delivery, unsubscribe_url: str | None = None) -> Written:
        """Write one mail; raises `Refused` where a template cannot be used."""
        language, folder = self._find(delivery.recipient.language, delivery.action.template)
        values = {
            **_OPTIONAL,
            **_clean(dict(delivery.action.parameters)),
            "template": _clean(delivery.action.template),
            "campaign": _clean(delivery.action.campaign),
            "first_name": _clean(delivery.recipient.first_name),
            "shop": self._shop,
            "unsubscribe_url": unsubscribe_url,
            "language": language,
        }
        values["checkout_url"] = _web_address(values["checkout_url"])
        subject = self._write(f"{folder}/{_SUBJECT}", values)
        html: str | None = None
        if self._has(f"{folder}/{_HTML}"):
            html = self._write(f"{folder}/{_HTML}", values)
        return Written(
            language,
            # A header is one line, whatever the template does.
            " ".join(subject.split()),
            self._write(f"{folder}/{_TEXT}", values),
            html,
        )

    def _find(self, wanted: str | None, template: str) -> tuple[str, str]:
        """The language, and the folder: `de-AT` is written by `de`, an unknown one by the default."""
        languages = (*_spellings(wanted), *_spellings(self._default_language), "en")
        for name in (template, FALLBACK):
            for language in languages:
                if _is_name(name) and self._has(f"{language}/{name}/{_TEXT}"):
                    return language, f"{language}/{name}"
        raise Refused(
            "template_error",
            f"there is no template {template!r} and none called {FALLBACK!r}",
            Reason.TEMPLATE_ERROR,
        )

    def _has(self, name: str) -> bool:
        try:
            self._environment.get_template(name)
        except TemplateNotFound as error:
            # A layout that a template asks for and that is missing is the template's mistake.
            if error.name != name:
                raise _broken(name, error) from error
            return False
        except TemplateError as error:
            raise _broken(name, error) from error
        return True

    def _write(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(name).render(values)
        # A template may do anything with its values: the mail is lost, the process is not.
        except Exception as error:
            raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> Refused:
    line = getattr(error, "lineno", None)
    place = f"{name}, line {line}" if line is not None else name
    return Refused("template_error", f"{place}: {error}", Reason.TEMPLATE_ERROR)


def _spellings(language: str | None) -> tuple[str, ...]:
    """`de-AT` as `de-at`, `de`; nothing where it is none."""
    if not language:
        return ()
    whole = language.replace("_", "-").lower()
    first = whole.partition("-")[0]
    return tuple(one for one in dict.fromkeys((whole, first)) if _is_name(one))


def _is_name(text: str) -> bool:
    """Whether it can be a folder's name and nothing else: it comes from outside."""
    return text.replace("-", "").replace("_", "").isalnum() and text.isascii()


def _clean(value: Any, depth: int = 0) -> Any:
    """A value as a text may show it: one line, no control characters, of bounded size."""
    if isinstance(value, str):
        printable = "".join(one if one.isprintable() else " " for one in value)
        return " ".join(printable.split())[:MAX_CHARACTERS]
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            str(name): _clean(one, depth + 1)
            if not (isinstance(one, str) and str(name).endswith("_url"))
            else _web_address(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(one, depth + 1) for one in value[:MAX_LIST]]
    return value


def _web_address(value: object) -> str | None:
    """A link that a mail may carry: http or https, whole, without blanks; None otherwise."""
    if not isinstance(value, str) or not value.lower().startswith(("https://", "http://")):
        return None
    return value if value.isprintable() and " " not in value else None


def _money(amount: object, currency: object, point: str = ".") -> str:
    """`1234.50` and `EUR` as `1234,50 EUR` with the language's point."""
    return f"{str(amount).replace('.', point)} {currency}"


def _day(instant: object, form: str) -> str:
    """The day (UTC) of an RFC 3339 instant, by a form of strftime; the text itself if it is none."""
    try:
        at_ms = parse_instant_ms(str(instant))
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return str(instant)
