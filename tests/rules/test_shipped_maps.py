"""The shipped maps, cell by cell, restated in another notation."""

import re

import pytest

from streams.core.schemes.map_cells import Cell
from streams.rules.files import rules_document
from streams.rules.map_grid import named_cells
from streams.settings import load_settings

ELEVEN = {
    "Champions": "555 554 544 545 454 455 445",
    "Loyal": "543 444 435 355 354 345 344 335",
    "Potential Loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 "
    "352 351 342 341 333 323",
    "New Customers": "512 511 422 421 412 411 311",
    "Promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
    "Need Attention": "535 534 443 434 343 334 325 324",
    "About To Sleep": "331 321 312 221 213 231 241 251",
    "At Risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 "
    "124",
    "Cannot Lose Them": "155 154 144 214 215 115 114 113",
    "Hibernating": "332 322 233 232 223 222 132 123 122 212 211",
    "Lost": "111 112 121 131 141 151",
}
# By R from 5 down and the mean of F and M from 1 up.
GRID = {
    5: ["Recent", "Potential Loyalist", "Loyal", "Champions", "Champions"],
    4: ["Promising", "Potential Loyalist", "Potential Loyalist", "Loyal", "Champions"],
    3: ["Promising", "Needs Attention", "Potential Loyalist", "Loyal", "Loyal"],
    2: ["About To Sleep", "Needs Attention", "Needs Attention", "At Risk", "At Risk"],
    1: ["Lost", "Hibernating", "At Risk", "Can't Lose", "Can't Lose"],
}
# As tutorials write it, R and F as digits.
RF_TEN = {
    "[1-2][1-2]": "Hibernating",
    "[1-2][3-4]": "At Risk",
    "[1-2]5": "Can't Lose",
    "3[1-2]": "About to Sleep",
    "33": "Need Attention",
    "[3-4][4-5]": "Loyal",
    "41": "Promising",
    "51": "New",
    "[4-5][2-3]": "Potential Loyalists",
    "5[4-5]": "Champions",
}
THREE_BY_THREE = {
    "Champions": "333 332 323",
    "Loyal": "321 322 331 232 233",
    "Recent": "312 313 311 222 223",
    "Needs Attention": "213 221 123 132 133",
    "At Risk": "231 212 122 131 211",
    "Inactive": "111 112 113 121",
}


def map_called(name: str) -> dict[Cell, str]:
    _, scheme, *_ = rules_document(load_settings(rfm_maps=name))["schemes"]
    assert (scheme["kind"], scheme["name"], scheme["is_ranked"]) == ("map", f"rfm_{name}", False)
    return named_cells(scheme)


@pytest.mark.parametrize(
    ("name", "listed"), [("eleven", ELEVEN), ("three_by_three", THREE_BY_THREE)]
)
def test_maps_of_listed_cells(name: str, listed: dict[str, str]) -> None:
    cells = map_called(name)
    for segment, its in listed.items():
        assert sorted(str(cell) for cell, one in cells.items() if one == segment) == sorted(
            its.split()
        )
    assert len(cells) == sum(len(its.split()) for its in listed.values())


def test_the_map_by_the_mean_of_f_and_m() -> None:
    for cell, segment in map_called("grid").items():
        assert segment == GRID[cell.r][(cell.f + cell.m + 1) // 2 - 1], str(cell)


def test_the_map_by_r_and_f_alone() -> None:
    for cell, segment in map_called("rf_ten").items():
        (expected,) = (one for rule, one in RF_TEN.items() if re.fullmatch(rule, str(cell)[:2]))
        assert segment == expected, str(cell)


def test_three_by_three_has_limits_of_its_own() -> None:
    _, scheme, *_ = rules_document(load_settings(rfm_maps="three_by_three"))["schemes"]
    day = 86_400_000
    assert scheme["scores"] == {
        "r": {"mode": "fixed", "limits": [180 * day, 365 * day], "edge": "left_closed"},
        "f": {"mode": "quantile", "limits": [2, 3], "edge": "left_closed"},
        "m": {"mode": "quantile", "limits": [25_000, 100_000], "edge": "left_closed"},
    }
