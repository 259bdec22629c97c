"""The documents say what the code says, and what they name is there."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from schemas.dead_letters import REMEDIES, Reason
from schemas.reference import DOCS, refresh
from schemas.registry import INBOUND_TYPES, OUTBOUND
from schemas.topics import TOPICS
from streams import errors
from streams.cli.main import run
from streams.runtime.steps import ORDER
from streams.settings import PREFIX, Settings, load_settings
from tests.contract import doc_tables
from tests.contract.documents import (
    ROOT,
    all_pages,
    anchors,
    blocks,
    code_lines,
    code_spans,
    complaint,
    links,
    program_calls,
    read_page,
    table,
)
from tests.contract.messages import read

OUTBOUND_BY_NAME = {
    contract.contract_name(): contract for listed in OUTBOUND.values() for contract in listed
}
EVERY_PAGE = pytest.mark.parametrize("page", all_pages())


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)```", page, re.DOTALL)


@cache
def _code() -> str:
    """All code of the product, the pieces of divided strings put together."""
    paths = [*ROOT.glob("streams/**/*.py"), *ROOT.glob("schemas/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(paths))
    return re.sub(r'"\s*\n\s*f?"', "", text)


# -- contracts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["producers.md", "subscribers.md"])
def test_generated_parts_are_todays(page: str) -> None:
    assert refresh(_page(page)) == _page(page), "run: python -m schemas.reference"


def test_every_example_for_producers_is_taken() -> None:
    seen = set()
    for text in _examples(_page("producers.md")):
        name = json.loads(text)["type"]
        topic = INBOUND_TYPES.get(name, "shop.orders")
        assert read(text.encode(), topic=topic).event.type == name
        seen.add(name)
    assert seen == {*INBOUND_TYPES, "time.mark"}


def test_every_example_for_subscribers_keeps_its_contract() -> None:
    seen = set()
    for text in _examples(_page("subscribers.md")):
        name = json.loads(text)["type"]
        OUTBOUND_BY_NAME[name].model_validate_json(text)
        seen.add(name)
    assert seen == set(OUTBOUND_BY_NAME)


def test_producers_find_every_reason_and_only_those() -> None:
    section = _page("producers.md").partition("## What is refused")[2].partition("Headers of")[0]
    listed = re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE)
    assert listed == [reason.value for reason in Reason]
    assert REMEDIES.keys() == set(Reason)


# -- what pages name -----------------------------------------------------------------------------


@EVERY_PAGE
def test_every_link_leads_somewhere(page: str) -> None:
    for target in links(read_page(page)):
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), f"{page}: {target}"


@EVERY_PAGE
def test_every_file_that_is_named_is_there(page: str) -> None:
    for span in code_spans(read_page(page)):
        if re.fullmatch(r"(streams|schemas|tests|docs|bench|examples|deploy)/[\w./*-]*", span):
            assert any(ROOT.glob(span.rstrip("/"))), f"{page} names {span}"


@EVERY_PAGE
def test_every_command_is_there_as_written(page: str) -> None:
    text = read_page(page)
    assert [found for call in program_calls(text) if (found := complaint(call))] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in code_lines(text):
        for target in re.findall(r"^make(?: [A-Z]+=\S+)* ([a-z-]+)", line):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: {line}"
    for module in re.findall(r"^python -m ([\w.]+)", "\n".join(code_lines(text)), re.MULTILINE):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_the_trial_in_the_readme_gives_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = read_page("README.md")
    (call,) = (one for one in program_calls(text) if one[0] == "replay" and len(one) > 1)
    consent = re.search(r"^export RFM_CONSENT_UNKNOWN='(.*?)'", text, re.MULTILINE)
    assert consent is not None
    monkeypatch.setenv("RFM_CONSENT_UNKNOWN", consent[1])
    monkeypatch.chdir(ROOT)
    assert run([*call[:-1], str(tmp_path / "out")]) == 0
    customers = (tmp_path / "out" / "customers.csv").read_text(encoding="utf-8").splitlines()
    actions = (tmp_path / "out" / "actions.jsonl").read_text(encoding="utf-8").splitlines()
    assert "both customers" in text
    assert len(customers) == 1 + 2
    assert re.search(r"six\s+win-back actions", text)
    read = [json.loads(line) for line in actions]
    won_back = [one for one in read if one["campaign"].startswith("win_back")]
    assert [one["type"] for one in won_back] == ["action.requested"] * 6
    assert "potential_loyalist_nurture" in {one["campaign"] for one in read}


def test_a_wrong_command_would_be_noticed() -> None:
    assert complaint(["rules", "forget"]) is not None
    assert complaint(["replay", "events.jsonl", "--fast"]) is not None
    assert complaint(["--config", "shop.toml", "replay", "events.jsonl", "--out", "out"]) is None


@EVERY_PAGE
def test_every_variable_is_one_that_is_read(page: str) -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    elsewhere = _code() + "".join(
        path.read_text(encoding="utf-8")
        for path in [*ROOT.glob("tests/**/*.py"), ROOT / "docker-compose.yml"]
    )
    for name in re.findall(r"\bRFM_[A-Z_]+[A-Z]\b", read_page(page)):
        assert name in known or name in elsewhere, f"{page} names {name}"


# -- maps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", doc_tables.PAGES)
def test_generated_tables_are_todays(page: str) -> None:
    text = read_page(page)
    assert "<!-- generated: " in text
    assert doc_tables.refresh(text) == text, "run: python -m tests.contract.doc_tables"


def test_the_architecture_names_every_package() -> None:
    packages = {path.parent for path in ROOT.glob("streams/*/**/*.py")}
    listed = {row[0].strip("`") for row in table(read_page("ARCHITECTURE.md"), "folder")}
    assert {f"{path.relative_to(ROOT)}/" for path in packages} <= listed


def test_the_architecture_explains_every_step_in_order() -> None:
    rows = table(read_page("ARCHITECTURE.md"), "step")
    assert [row[0].strip("`") for row in rows] == [step.value for step in ORDER]


def test_the_tests_guide_names_every_folder() -> None:
    listed = {row[0].strip("`") for row in table(read_page("tests/README.md"), "folder")}
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("tests/*/test_*.py")}
    assert {f"{folder}/" for folder in folders} == listed


def test_the_glossary_is_in_order_and_its_names_are_in_the_code() -> None:
    rows = table(read_page("docs/glossary.md"), "term")
    terms = [row[0] for row in rows]
    assert terms == sorted(set(terms), key=str.lower)
    for term, _, name in rows:
        assert re.search(rf"\b{name.strip('`')}\b", _code()), f"{term}: no {name} in the code"


@pytest.mark.parametrize("heading", ["reason", "the log says"])
def test_operations_quotes_what_is_really_said(heading: str) -> None:
    for row in table(read_page("docs/operations.md"), heading):
        assert row[0].strip("`").strip() in _code(), f"nothing says {row[0]}"


def test_every_reason_for_holding_back_is_one_that_is_said() -> None:
    for row in table(read_page("docs/running-campaigns.md"), "reason"):
        assert f'"{row[0].strip("`")}"' in _code(), f"nothing says {row[0]}"


def test_operations_lists_every_exit_code() -> None:
    stated = {
        row[1].strip("`"): int(row[0])
        for row in table(read_page("docs/operations.md"), "code")
        if row[1]
    }
    own = {
        name: found.exit_code
        for name, found in vars(errors).items()
        if isinstance(found, type)
        and issubclass(found, errors.RfmError)
        and "exit_code" in vars(found)
    }
    assert stated == own


def test_the_settings_file_shown_is_valid(tmp_path: Path) -> None:
    (shown,) = blocks(read_page("docs/operations.md"), "toml")
    path = tmp_path / "shop.toml"
    path.write_text(shown, encoding="utf-8")
    settings = load_settings(path)
    assert settings.exchange_rates["USD"]
    assert settings.kafka == {"security.protocol": "SASL_SSL"}


def test_personal_data_speaks_of_every_topic() -> None:
    places = " ".join(row[0] for row in table(read_page("docs/personal-data.md"), "place"))
    for topic in TOPICS:
        assert f"`{topic.name}`" in places or (
            topic.name.startswith("shop.") and "shop.*" in places
        )


# -- decisions -----------------------------------------------------------------------------------


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
        *(one for group in project["dependency-groups"].values() for one in group),
    ]
    names = {re.split(r"[<>=!~\[; ]", one, maxsplit=1)[0] for one in wanted}
    rows = re.findall(
        r"^\| (`.*?) \| (.+) \|$", read_page("docs/decisions/0003-dependencies.md"), re.MULTILINE
    )
    assert {name for cell, _ in rows for name in re.findall(r"`([\w-]+)`", cell)} == names


def test_every_decision_is_listed_and_says_what_would_change_it() -> None:
    names = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    index = read_page("docs/decisions/README.md")
    assert re.findall(r"\]\((0.*\.md)\)", index) == names
    for name in names:
        text = read_page(f"docs/decisions/{name}")
        title = text.splitlines()[0].removeprefix("# ")
        assert f"[{title[:4]}]({name}) | {title[5:]} |" in index
        for part in ("**Context.**", "**Choice", "change our mind"):
            assert part in text, f"{name} has no {part}"
