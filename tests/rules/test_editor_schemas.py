"""What editors check by: the committed JSON Schemas are today's, take what is right, refuse what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from streams.rules import editor_schemas
from streams.yaml_file import YamlFile
from tests.rules.test_broken_campaigns import BROKEN, BROKEN_POLICIES, HELLO, POLICY
from tests.rules.test_campaign_files import EVERYTHING

RULES = Path(editor_schemas.__file__).parent
# What a schema can say: fields, words and forms. Whether names exist and fit is for the program.
SEEN_IN_EDITORS = {
    "no name",
    "a name with a space",
    "a misspelt field",
    "version 0",
    "an unknown channel",
    "a tag with a space",
    "no trigger",
    "trigger and triggers",
    "a trigger of two kinds",
    "a trigger of no kind",
    "leaving from somewhere",
    "a direction that is none",
    "a cause that starts nothing",
    "an unknown event",
    "a time that is none",
    "a day of the week that is none",
    "seasons that are none",
    "a condition with an unknown operator",
    "a wrong condition of a trigger",
    "a bad duration",
    "a re-entry that is none",
    "a mute without an end",
    "a mute of nothing",
    "an unknown word for caps",
    "a control group without its sign",
    "a guard that lets nothing through",
    "more suggestions than are known",
    "an unknown event as exit",
    "no steps",
    "a step that never lapses",
    "neither template nor variants",
    "a variant that does two things",
}


def schema(name: str) -> Draft202012Validator:
    read = json.loads((editor_schemas.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(read)
    return Draft202012Validator(read)


def data(text: str, folder: Path) -> dict[str, Any]:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return YamlFile.load(path).data


def test_the_committed_schemas_are_todays() -> None:
    committed = {path.name: path.read_text("utf-8") for path in editor_schemas.FOLDER.iterdir()}
    assert committed == editor_schemas.render(), "run: python -m streams.rules.editor_schemas"


def test_they_take_all_that_is_shipped_and_every_feature(tmp_path: Path) -> None:
    for path in (RULES / "campaigns").glob("*.yaml"):
        schema("campaign").validate(YamlFile.load(path).data)
    schema("policy").validate(YamlFile.load(RULES / "policy.yaml").data)
    for text in (EVERYTHING, HELLO):
        schema("campaign").validate(data(text, tmp_path))
    for text in (POLICY, POLICY.replace('{from: "21:00", to: "08:00"}', "none")):
        schema("policy").validate(data(text, tmp_path))


@pytest.mark.parametrize("name", sorted(SEEN_IN_EDITORS))
def test_they_refuse_what_a_form_can_tell(name: str, tmp_path: Path) -> None:
    assert not schema("campaign").is_valid(data(BROKEN[name].text, tmp_path))


def test_they_refuse_a_policy_that_is_none(tmp_path: Path) -> None:
    for name in ("a misspelt field", "an unknown channel", "an offer of two kinds"):
        assert not schema("policy").is_valid(data(BROKEN_POLICIES[name].text, tmp_path))


@pytest.mark.parametrize(
    ("tree", "right"),
    [
        ({"field": "order_count", "ge": 2}, True),
        ({"field": "attribute.anything", "in": ["a", 1, True]}, True),
        ({"field": "last_order_at", "within": "30d"}, True),
        (
            {
                "any": [
                    {"bought": {"sku": "S-1", "at_least": 2}},
                    {"not": {"field": "age", "lt": 9}},
                ]
            },
            True,
        ),
        ({"segment": {"scheme": "rfm", "in": ["At Risk"]}}, True),
        ({"segment": {"scheme": "rfm", "names": ["At Risk"]}}, False),
        ({"field": "order_count", "ge": 2, "lt": 5}, False),
        ({"field": "order_count"}, False),
        ({"field": "last_order_at", "within": "a month"}, False),
        ({"all": []}, False),
        ({"all": [{"field": "age", "ge": 18}], "any": []}, False),
    ],
)
def test_conditions_are_known_to_any_depth(
    tree: dict[str, Any], right: bool, tmp_path: Path
) -> None:
    campaign = data(HELLO, tmp_path) | {"when": {"not": {"all": [tree]}}}
    assert schema("campaign").is_valid(campaign) is right
