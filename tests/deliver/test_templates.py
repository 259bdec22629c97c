"""Every shipped text in both languages, whatever an action or a customer brings."""

from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.dead_letters import Reason
from streams.deliver.channels.channel import Refused
from streams.deliver.channels.templates import FALLBACK, Templates
from tests.deliver.deliveries import delivery, recipient

SHIPPED = Path(str(resources.files("streams.deliver"))) / "templates"
LANGUAGES = ("en", "de")
NAMES = sorted(folder.name for folder in (SHIPPED / "en").iterdir() if folder.is_dir())
FULL: dict[str, Any] = {
    "cart_id": "K-1",
    "value": "99.90",
    "currency": "EUR",
    "items": [
        {"sku": "mug", "quantity": 2, "unit_price": "49.95", "name": "Mug", "return_rate": 0.1},
        {"sku": "bare", "quantity": 0.5},
    ],
    "checkout_url": "https://shop.example/cart?a=1&b=2",
    "voucher": {"class": "strong", "expires_at": "2026-03-04T10:00:00.000Z", "key": "V-77"},
    "suggestions": [{"sku": "spoon", "name": "Spoon", "category": "kitchen"}, {"sku": "fork"}],
    "segments": ["Champions"],
}
EVIL = '"><script>alert(1)</script>{{ 7*7 }}{% raw %}\r\nBcc: all@customer.example\u202e\x00'
HOSTILE: dict[str, Any] = {
    "cart_id": EVIL,
    "value": EVIL,
    "currency": EVIL,
    "items": [{"sku": EVIL, "quantity": EVIL, "unit_price": EVIL, "name": EVIL * 1_000}] * 5_000,
    "checkout_url": "javascript:alert(1)",
    "voucher": {"class": EVIL, "expires_at": EVIL, "key": EVIL},
    "suggestions": [{"sku": EVIL, "name": EVIL}],
    "segments": {EVIL: [EVIL] * 100},
    "shop": EVIL,
    "template": "../../secrets",
    "unsubscribe_url": "javascript:alert(1)",
    EVIL: EVIL,
}


class Read(HTMLParser):
    """Tags, links and text of a page, as a mail program reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def templates() -> Templates:
    found = Templates(None, "en", "Corner Shop")
    found.check()
    return found


def test_every_template_of_the_shipped_campaigns_is_there() -> None:
    campaigns = Path(str(resources.files("streams.rules"))) / "campaigns"
    wanted = {
        step["template"]
        for file in campaigns.glob("*.yaml")
        for step in yaml.safe_load(file.read_text(encoding="utf-8"))["steps"]
        if "template" in step
    }
    assert wanted
    assert wanted <= set(NAMES)


def test_both_languages_have_the_same_files() -> None:
    files = [
        {str(path.relative_to(SHIPPED / one)) for path in (SHIPPED / one).rglob("*.*")}
        for one in LANGUAGES
    ]
    assert files[0] == files[1]
    assert files[0] >= {
        f"{name}/{part}" for name in NAMES for part in ("subject.txt", "body.txt", "body.html")
    }
    assert FALLBACK in NAMES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_written_with_everything_and_with_nothing(
    templates: Templates, name: str, language: str
) -> None:
    person = recipient(language=language)
    for parameters in (FULL, {}):
        written = templates.render(
            delivery(template=name, parameters=parameters, recipient=person),
            "https://shop.example/unsubscribe",
        )
        assert written.language == language
        assert written.subject
        assert "\n" not in written.subject
        assert written.html is not None
        page = Read(written.html)
        for text in (written.text, page.text):
            assert "Anna" in text
            assert "Corner Shop" in text
            assert "{" not in text
            assert ("Mug" in text) == ("V-77" in text) == ("Spoon" in text) == bool(parameters)
        assert "https://shop.example/unsubscribe" in page.links
        assert ("https://shop.example/cart?a=1&b=2" in page.links) == bool(parameters)
        assert ("49,95 EUR" in written.text) == (language == "de" and bool(parameters))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_no_value_becomes_more_than_text(templates: Templates, name: str, language: str) -> None:
    person = recipient(language=language, first_name=EVIL)
    written = templates.render(
        delivery(template=name, parameters=HOSTILE, recipient=person, campaign=EVIL)
    )
    assert written.html is not None
    page = Read(written.html)
    assert "script" not in page.tags
    assert page.links == []
    assert "javascript" not in written.text
    for text in (written.subject, written.text, written.html):
        assert "\r" not in text
        assert "\u202e" not in text
        assert "\x00" not in text
        assert "{{ 7*7 }}" in text or "49" not in text
        assert not any(line.startswith("Bcc:") for line in text.splitlines())
        assert len(text) < 60_000
    assert "Corner Shop" in written.text


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("de-AT", "de"),
        ("DE_at", "de"),
        ("fr", "en"),
        (None, "en"),
        ("../de", "en"),
        ("en/../de", "en"),
        ("\u202e", "en"),
    ],
)
def test_the_language_is_the_nearest_there_is(
    templates: Templates, wanted: str | None, language: str
) -> None:
    written = templates.render(delivery(recipient=recipient(language=wanted)))
    assert written.language == language


def test_the_default_language_is_a_setting() -> None:
    german = Templates(None, "de-CH", "Laden")
    assert german.render(delivery(recipient=recipient(language="fr"))).language == "de"


@pytest.mark.parametrize("name", ["no_such_text", "../layout", "", "a/b", "ü"])
def test_any_other_name_is_written_sensibly(templates: Templates, name: str) -> None:
    written = templates.render(delivery(template=name, parameters=FULL))
    assert written.subject == "News for you"
    assert "Mug" in written.text


def test_own_texts_come_first_and_may_use_the_shipped_layout(tmp_path: Path) -> None:
    own = tmp_path / "fr" / "cart_reminder_first"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("Votre panier, {{ first_name }}\n\n")
    (own / "body.txt").write_text(
        '{% extends "en/layout.txt" %}{% block words %}Bonjour{% endblock %}'
    )
    templates = Templates(tmp_path, "en", "Boutique")
    templates.check()
    written = templates.render(delivery(parameters=FULL, recipient=recipient(language="fr")))
    assert (written.subject, written.html) == ("Votre panier, Anna", None)
    assert "Bonjour" in written.text
    assert "Mug" in written.text
    # Where the language has no such text of its own, the name counts more than the language.
    other = delivery(template="win_back_lost", recipient=recipient(language="fr"))
    assert templates.render(other).subject == "We miss you"


@pytest.mark.parametrize(
    "text",
    [
        "{{ voucher_code }}",
        "{{ 1 / 0 }}",
        "{{ items.__class__.__mro__ }}",
        '{% include "missing.txt" %}',
        "{% for one in items %}{{ one.sku.nothing }}{% endfor %}",
    ],
)
def test_a_template_that_fails_refuses_the_mail_and_says_where(tmp_path: Path, text: str) -> None:
    own = tmp_path / "en" / "cart_reminder_first"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("Hello")
    (own / "body.txt").write_text(text)
    templates = Templates(tmp_path, "en", "Shop")
    with pytest.raises(Refused) as refused:
        templates.render(delivery(parameters=FULL))
    assert refused.value.reason == Reason.TEMPLATE_ERROR
    assert "en/cart_reminder_first/body.txt" in refused.value.message


def test_a_broken_template_is_found_before_it_is_needed(tmp_path: Path) -> None:
    own = tmp_path / "en" / "win_back_lost"
    own.mkdir(parents=True)
    (own / "body.txt").write_text("one\n{% if %}")
    with pytest.raises(Refused, match=r"en/win_back_lost/body\.txt, line 2"):
        Templates(tmp_path, "en", "Shop").check()
