"""The bodies that real plug-ins and an official SDK send, typed from their source; the emulator takes or refuses them.

What they refer to (store, permission, charge, session) is put in their place; all else is as they send it.
"""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.emulated import Json, Shop, end_of_checkout, express, purchase, usd
from tests.golden import FOLDER

FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "clients").iterdir())}
BODIES = [
    pytest.param(row, id=f"{name}-{number}-{row['operation']}")
    for name, file in FILES.items()
    for number, row in enumerate(file["bodies"], 1)
]


def amounts(body: Json) -> Json:
    """Return the amount that a body is about, of whatever name, as a text."""
    found = [value for name, value in (body | body.get("paymentDetails", {})).items() if name.endswith("Amount")]
    price = found[0] if found else usd("14.10")
    return usd(str(Decimal(str(price["amount"]))), price["currencyCode"])


def target(shop: Shop, operation: str, body: Json) -> str:
    """Return the id of a new object to which *operation* can be applied."""
    price = amounts(body)
    money = price["amount"], price["currencyCode"]
    if operation in ("completeCheckoutSession", "finalizeCheckoutSession"):
        total = {"totalOrderAmount": body["totalOrderAmount"]} if "totalOrderAmount" in body else {}
        paid = purchase(*money, paymentIntent=body.get("paymentIntent", "Authorize"), **total)
        if "shippingAddress" not in body:
            return shop.visited(paid)
        order = end_of_checkout(addressDetails=body["shippingAddress"], paymentDetails=paid["paymentDetails"])
        session_id = shop.clicked(order, "PayAndShip")
        shop.buyer().walk(session_id)
        return session_id
    if operation == "updateCheckoutSession":
        return shop.session(express())
    if operation in ("captureCharge", "cancelCharge"):
        return str(shop.charge(shop.wallet(), *money)["chargeId"])
    return shop.wallet() if operation.endswith("ChargePermission") else ""


def referring(shop: Shop, body: Json) -> Json:
    """Return a body with the shop's own ids."""
    price = amounts(body)
    ids: dict[str, Any] = {"storeId": lambda: shop.account.store_id}
    if body.get("chargePermissionId") == "PERMISSION":
        ids["chargePermissionId"] = shop.wallet
    if body.get("chargeId") == "CHARGE":
        money = price["amount"], price["currencyCode"]
        ids["chargeId"] = lambda: shop.charge(shop.wallet(), *money, captureNow=True)["chargeId"]
    return body | {name: ids[name]() for name in body if name in ids}


@pytest.mark.parametrize("row", BODIES)
def test_a_body_of_a_real_client(row: Json, request: pytest.FixtureRequest) -> None:
    """Taken, or refused with the documented code."""
    shop: Shop = request.getfixturevalue(row["region"])
    operation, (status, reason) = row["operation"], row["expected"]
    body = referring(shop, row["body"])
    if product := row.get("product"):
        response = shop.click(json.dumps(body, ensure_ascii=False), product)
    else:
        response = shop.call(operation, target(shop, operation, body), **body)
    answer = response.json() if row.get("product") is None else {}
    assert (response.status_code, answer.get("reasonCode")) == (status, reason), response.text


def test_where_the_bodies_are_from() -> None:
    """Each file names its sender, a public address and the commit that was read."""
    for file in FILES.values():
        assert file["sender"]
        assert file["source"].startswith("https://github.com/")
        assert len(file["commit"]) >= 7
    assert set(FILES) == {"dotnet", "magento", "oxid", "woocommerce"}
