"""Every panel of every dashboard shows figures of a running system, asked through Prometheus."""

import math
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.acceptance.monitored import WAIT_S, Monitored, hastened, monitored, order
from tests.operations.monitoring import MAY_BE_EMPTY, Query, dashboard_queries
from tests.waiting import wait_until

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def shop() -> Iterator[Monitored]:
    """A small shop in which everything has happened that panels tell of."""
    folder = Path(tempfile.mkdtemp(prefix="private-", dir=servers.run_dir()))
    with monitored(folder, hastened()) as shop, shop.started():
        worker = shop.worker("decide")
        worker.kill()
        wait_until(lambda: shop.has_come_back("decide", worker.pid), WAIT_S, "decide is back")
        shop.publish_orders(20)
        shop.publish([order(number, currency="USD") for number in range(900, 920)])
        shop.publish([cart(number) for number in (1, 2, 500)], "shop.carts")
        wait_until(
            lambda: (
                shop.metric("rfm_actions_total", kind="requested") >= 2
                and shop.metric("rfm_actions_total", kind="suppressed") >= 1
            ),
            WAIT_S,
            "carts were left, and reminders asked for and held back",
        )
        shop.wait_for_alert("RfmDeadLetters")
        yield shop
    shutil.rmtree(folder)


def cart(number: int) -> dict[str, Any]:
    """A cart that nobody will buy."""
    return {
        "type": "cart.updated",
        "event_id": f"cart-{number}",
        "customer_id": f"customer-{number}",
        "occurred_at": datetime.now(UTC).isoformat(),
        "cart_id": f"cart-{number}",
        "currency": "EUR",
        "value": "50.00",
        "items": [{"sku": "mug", "quantity": 1, "unit_price": "50.00"}],
    }


def has_figures(shop: Monitored, query: Query) -> bool:
    """Whether there is a number to show."""
    found = shop.prometheus.query(query.expression)
    return any(math.isfinite(float(one["value"][1])) for one in found)


def test_every_panel_shows_figures(shop: Monitored) -> None:
    # Something goes on all the time that the panels look at, some of it seldom.
    shop.publish_orders(20)
    # Once more: of a counter that begins at its first action nothing has risen yet.
    shop.publish([cart(number) for number in (3, 501)], "shop.carts")
    for query in dashboard_queries():
        if (query.dashboard, query.panel) in MAY_BE_EMPTY:
            shop.prometheus.query(query.expression)  # Prometheus takes it, whatever it finds
            continue
        wait_until(
            lambda: has_figures(shop, query),  # noqa: B023 - called in this round
            20,
            f"{query.dashboard}: {query.panel}: {query.expression} gives figures",
        )
