"""The page at the emulator's address: what is running, for the developer whose server talks to it."""

import re
from importlib.metadata import version

import httpx

from amazonpay_nb.emulator import Emulator
from tests.emulated import Shop


def shown(shop: Shop) -> str:
    page = shop.http.get("/")
    assert page.status_code == 200
    return page.text


def test_it_says_what_is_running(na: Shop) -> None:
    """Region, clock, version, accounts with the ids of their keys, and addresses."""
    text = shown(na)
    account, other = na.account, na.emulator.other_merchant
    for fact in (
        "North America", na.emulator.control.get("clock")["now"], "virtual", version("amazonpay-nb"),
        account.merchant_id,
        account.store_id, account.public_key_id, other.merchant_id, f"{na.emulator.url}/v2", na.emulator.control.url,
    ):  # fmt: skip
        assert fact in text, fact
    assert account.neutral_public_key_id in text


def test_it_lists_the_last_exchanges_first(na: Shop) -> None:
    """Method, path and status, twenty at most; no bodies."""
    wallet = na.wallet()
    for _ in range(30):
        na.call("getChargePermission", wallet)
    na.call("getCharge", "S01-0-0-C0")
    rows = re.findall(r"<tr><td>[^<]*</td><td>(\w+)</td><td><code>([^<]*)</code></td><td>(\d+)</td></tr>", shown(na))
    assert len(rows) == 20
    assert rows[:2] == [("GET", "/v2/charges/S01-0-0-C0", "404"), ("GET", f"/v2/chargePermissions/{wallet}", "200")]


def test_its_links_work(na: Shop) -> None:
    """They are relative, so that they work behind a hub's proxy."""
    links = re.findall(r'href="([^"]+)"', shown(na))
    assert {na.http.get(f"/{link}").status_code for link in links} == {200}
    assert not [link for link in links if link.startswith(("/", "http"))]


def test_it_gives_nothing_away(na: Shop) -> None:
    """Neither token nor key, and what a stranger sends as a path is text."""
    na.send("GET", "/v2/charges/%3Cscript%3E")
    na.http.get("/v2/charges/<script>alert(1)</script>")
    text = shown(na)
    assert na.emulator.control.token not in text
    assert "PRIVATE" not in text
    assert text.count("<script") == 1  # the page's own


def test_it_is_shown_by_names_of_this_machine_only(na: Shop) -> None:
    """With the headers of the other pages; by a method that reads."""
    assert na.http.get("/", headers={"host": "evil.test"}).status_code == 403
    own, other = na.http.get("/"), na.http.get("/checkout/sign-in")
    assert own.headers["content-security-policy"] == other.headers["content-security-policy"]
    assert own.headers["cache-control"] == "no-store"
    assert na.http.post("/").status_code == 405


def test_a_new_emulator_has_little_to_say() -> None:
    """In each region, in English; with a proxy, it says where that is, and Amazon's hosts have no such page."""
    with Emulator("jp", proxy=True) as emulator, httpx.Client(trust_env=False) as http:
        text = http.get(emulator.url).text
        assert 'lang="en-US"' in text
        assert "none yet" in text
        assert "Nobody has called" in text
        assert "real time" in text
        assert f"{emulator.proxy_url}" in text
        assert "pay-api.amazon.jp" in text
