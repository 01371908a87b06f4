"""The example shop with one mistake that no other example has; the variable MISTAKE names it."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "shop_python"))

import shop as right
from shop import Shop

from amazonpay_nb.client.notifications import Finding, NotificationRefused


class OneVersion(Shop):
    """Takes one version of signatures alone."""

    def __init__(self) -> None:
        super().__init__()
        self.genuine, self.reader = self.reader, SimpleNamespace(read=self.read)

    def read(self, body: bytes) -> Any:
        if b'"SignatureVersion": "2"' in body:
            raise NotificationRefused(Finding.SIGNATURE_VERSION, "2")
        return self.genuine.read(body)


class OldStateBack(Shop):
    """Notes the state of a charge whenever one of its notifications comes."""

    def settle(self, charge: Any) -> None:
        super().settle(charge)
        self.sql("UPDATE orders SET state = ? WHERE charge = ?", right.ORDERS.get(charge.state), charge.charge_id)


class NeverLooks(Shop):
    """Takes a notification about a charge for a payment."""

    def hear(self, notification: Any) -> None:
        self.sql("UPDATE orders SET state = 'paid' WHERE charge = ?", notification.object_id)


class OneKey(Shop):
    """Has one idempotency key for all."""

    def create_charge(self, row: Any) -> Any:
        return super().create_charge({**dict(row), "key": "the-key"})


class NumberAsText(Shop):
    """Says as a text how often an order was fulfilled."""

    def state(self, visitor: str) -> Any:
        state = super().state(visitor)
        for order in state["orders"].values():
            order["fulfilled"] = str(order["fulfilled"])
        return state


class NoWallet(Shop):
    """Says nothing of the wallet."""

    def state(self, visitor: str) -> Any:
        return {"orders": super().state(visitor)["orders"]}


class KeyAsOneLine(Shop):
    """Sends the private key along, as JSON."""

    def wallet_page(self, visitor: str) -> str:
        lines = Path(os.environ["AMAZON_PAY_KEY_FILE"]).read_text().splitlines()
        return super().wallet_page(visitor) + f"<!-- {''.join(lines[1:-1]).replace('/', chr(92) + '/')} -->"


if __name__ == "__main__":
    name = "".join(word.capitalize() for word in os.environ["MISTAKE"].split("-"))
    shop = globals()[name]()
    uvicorn.run(right.web(shop), host="127.0.0.1", port=urlsplit(shop.url).port, log_level="warning")
