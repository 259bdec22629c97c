"""Rule folders with many campaigns: the shipped ones, and more like them for bands of customers.

A shop with two hundred campaigns has them for two hundred kinds of customers. So each further one is
a shipped one in turn, for those whose lifetime revenue lies in one of twenty bands.
"""

from importlib.resources import files
from itertools import count, islice
from pathlib import Path
from typing import Any

import yaml

COUNTS = (10, 50, 200)
_BANDS = 20
_BAND_WIDTH = 25


def write_campaigns(folder: Path, number: int) -> Path:
    """A rules folder with so many campaigns, armed and without control groups' help."""
    campaigns = folder / "campaigns"
    campaigns.mkdir(parents=True)
    for campaign in islice(_campaigns(), number):
        path = campaigns / f"{campaign['name']}.yaml"
        path.write_text(yaml.safe_dump(campaign, sort_keys=False), encoding="utf-8")
    return folder


def _campaigns() -> Any:
    shipped = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(files("streams.rules").joinpath("campaigns").iterdir(), key=str)
        if path.name.endswith(".yaml")
    ]
    for campaign in shipped:
        yield {**campaign, "armed": True}
    for number in count():
        campaign = shipped[number % len(shipped)]
        low = number % _BANDS * _BAND_WIDTH
        band = {"field": "lifetime_monetary", "between": [low, low + _BAND_WIDTH]}
        when = {"all": [band, campaign["when"]]} if "when" in campaign else band
        yield {
            **campaign,
            "name": f"{campaign['name']}_{number}",
            "when": when,
            "armed": True,
            # Groups would let one of them start and spare the others' cost.
            **({"group": f"{campaign['group']}_{number}"} if "group" in campaign else {}),
        }
