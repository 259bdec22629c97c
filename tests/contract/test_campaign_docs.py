"""The page on campaigns: every example of it loads as it stands."""

from pathlib import Path
from typing import Any

import pytest

from streams.rules.editor_schemas import FOLDER
from streams.rules.files import rules_text
from streams.settings import load_settings
from streams.yaml_file import YamlFile
from tests.contract.documents import ROOT, blocks, read_page

PAGE = "docs/campaigns.md"
EXAMPLES = blocks(read_page(PAGE), "yaml")
# What an example that shows a part of a campaign leaves out.
AROUND = {
    "name": "hello",
    "version": "1",
    "priority": "1",
    "channels": "[email]",
    "trigger": "{enters: {scheme: rfm, segment: At Risk}, causes: [clock]}",
    "steps": "[{name: one, after: 0s, template: t, valid_for: 1d}]",
}


def fields(text: str, folder: Path) -> dict[str, Any]:
    path = folder / "example.yaml"
    path.write_text(text, encoding="utf-8")
    found = YamlFile.load(path).data
    path.unlink()
    return found


def completed(text: str, given: dict[str, Any]) -> str:
    """A campaign around an example."""
    around = {key: one for key, one in AROUND.items() if key not in given}
    if "triggers" in given:
        del around["trigger"]
    return "".join(f"{key}: {one}\n" for key, one in around.items()) + text


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    given = fields(example, tmp_path)
    (tmp_path / "campaigns").mkdir()
    if "offers" in given:
        (tmp_path / "policy.yaml").write_text(example, encoding="utf-8")
    else:
        path = tmp_path / "campaigns" / "hello.yaml"
        path.write_text(completed(example, given), encoding="utf-8")
    rules_text(load_settings(rules_dir=str(tmp_path), schemes="full"))


def test_examples_show_every_part() -> None:
    assert len(EXAMPLES) >= 7
    (named,) = (one for one in EXAMPLES if "$schema=" in one)
    assert f"/{FOLDER.name}/campaign.json" in named
    assert f"`{FOLDER.relative_to(ROOT)}/`" in read_page(PAGE)
