"""The pages for producers and subscribers say what the contracts say."""

import json
import re

import pytest

from schemas.dead_letters import REMEDIES, Reason
from schemas.reference import DOCS, refresh
from schemas.registry import INBOUND_TYPES, OUTBOUND
from tests.contract.messages import read

OUTBOUND_BY_NAME = {
    contract.contract_name(): contract for listed in OUTBOUND.values() for contract in listed
}


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)```", page, re.DOTALL)


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
    table = _page("producers.md").partition("## What is refused")[2].partition("Headers of")[0]
    listed = re.findall(r"^\| `([a-z0-9_]+)` \|", table, re.MULTILINE)
    assert listed == [reason.value for reason in Reason]
    assert REMEDIES.keys() == set(Reason)
