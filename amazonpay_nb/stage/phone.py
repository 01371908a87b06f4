"""The buyer's phone: what is on it, and what may happen there."""

from typing import NamedTuple
from urllib.parse import urlencode

import httpx

from amazonpay_nb.shop import Arrival
from amazonpay_nb.shop.attempt import ARRIVALS
from amazonpay_nb.shop.server import SHOWN
from amazonpay_nb.spec.flows import PAGES, RETURN_PARAMETER
from amazonpay_nb.workbench.hosted_page import HostedPage

PACE_SECONDS = 0.9  # how long a page stays while a script plays the buyer
ENDINGS = ("approve", "cancel", "decline")  # of a script
# The buyer closes the page, reloads it, waits an hour, opens a second tab, or opens the page again.
WAYS = ("close", "reload", "hour", "tab", "again")


class PhonePage(NamedTuple):
    """What is on the buyer's phone; a new *key* asks for it to be loaded, even at the same address."""

    key: int
    url: str


class Left(BaseException):
    """The presenter has gone elsewhere while the buyer was awaited, or while a script played the buyer."""


class Otherwise(Exception):
    """The buyer came back without doing what the beat is about."""


def address_after(way: str, page: HostedPage, amazon: str) -> str:
    """Return what is on the phone after one of three `WAYS`: a page, also one at *amazon*, or nothing once closed."""
    stay = page.look() if way == "reload" else {}
    if stay.get("page") in PAGES:
        return f"{amazon}/checkout/{stay['page']}?{urlencode({RETURN_PARAMETER: stay['id']})}"
    return "" if way == "close" else page.url


def return_address(page: HostedPage, arrival: Arrival, shop_url: str) -> str:
    """Return the shop's page at which a buyer has arrived; showing it is not another arrival."""
    query = urlencode({RETURN_PARAMETER: arrival.checkout_session_id, SHOWN: "yes"})
    return f"{shop_url}/{arrival.kind}/{page.attempt.token}?{query}"


def seen(url: httpx.URL) -> str:
    """Return the address of a page that the buyer has seen; showing one of the shop's again is not another arrival."""
    return str(url.copy_add_param(SHOWN, "yes") if url.path.split("/")[1] in ARRIVALS else url)
