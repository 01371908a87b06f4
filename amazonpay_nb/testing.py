"""A pytest plugin for other people's test suites: an emulator, a client, a buyer and a clock as fixtures.

    def test_my_shop_saves_a_wallet(amazonpay_emulator, amazonpay_buyer): ...

Installing the package is enough; pytest finds the plugin by its entry point.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from amazonpay_nb.client.client import AmazonPayClient
    from amazonpay_nb.emulator import Emulator

__all__ = ["amazonpay_buyer", "amazonpay_client", "amazonpay_clock", "amazonpay_emulator"]


@pytest.fixture
def amazonpay_emulator() -> "Iterator[Emulator]":
    """An emulated Amazon Pay with repeatable ids and virtual time, fresh for each test."""
    from amazonpay_nb.emulator import Emulator

    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def amazonpay_client(amazonpay_emulator: "Emulator") -> "Iterator[AmazonPayClient]":
    """A client of the emulator's main merchant account."""
    from amazonpay_nb.client.client import AmazonPayAuth, AmazonPayClient

    auth = AmazonPayAuth(amazonpay_emulator.merchant.keys)
    region, url = amazonpay_emulator.region, amazonpay_emulator.url
    with AmazonPayClient(auth, region=region, environment="emulator", base_url=url) as client:
        yield client


@pytest.fixture
def amazonpay_buyer() -> Any:
    """The scripted buyer: ``amazonpay_buyer.approve(url)``, ``.cancel(url)``, ``.decline(url)``."""
    from amazonpay_nb.shop import buyer

    return buyer


@pytest.fixture
def amazonpay_clock(amazonpay_emulator: "Emulator") -> Any:
    """The emulator's clock: ``amazonpay_clock.advance("PT24H")``."""
    return amazonpay_emulator.clock
