"""Model solutions of notebook 12, and what readers get wrong."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from amazonpay_nb.client import new_idempotency_key
from amazonpay_nb.loopback import http_client
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import Workbench


def clicks_twice(
    wb: Workbench, wallet: str, *, clicks: int = 2, same: bool = True, back: str = "1", capture_now: bool = True,
    code: str | None = None, more: str = "",
) -> None:  # fmt: skip
    order = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=capture_now)
    keys_of: dict[str, str] = {}

    def give_back(request: Request) -> PlainTextResponse:
        key = keys_of.setdefault(request.path_params["order"], new_idempotency_key()) if same else None
        refund = wb.client.create_refund(
            charge_id=order.charge_id, refund_amount=wb.price(back), idempotency_key=key, simulation_code=code
        )
        return PlainTextResponse(refund.state)

    server = wb.serve(Starlette(routes=[Route("/orders/{order}/refund", give_back, methods=["POST"])]))
    with http_client() as clerk:
        for _ in range(clicks):
            clerk.post(f"{server.url}/orders/A-1/refund")
    if more:
        wb.client.create_refund(charge_id=order.charge_id, refund_amount=wb.price(more))
    wb.wait(PENDING_SECONDS)


RIGHT = {"12-unknown-object": "notification.unknown-object", "12-exit-code": 0, "12-clicks-twice": clicks_twice}
ALSO_RIGHT = [
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, clicks=3)),
]
WRONG = [
    ("12-unknown-object", "notification.genuine", "a charge that Amazon knows"),
    ("12-unknown-object", "notification.forged", "so a forged one is refused"),
    ("12-unknown-object", "unknown-object-breaks", "in the table of the rehearsal"),
    ("12-exit-code", 1, "what is at stake"),
    ("12-exit-code", 2, "every check was played"),
    ("12-exit-code", 3, "the three codes"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, capture_now=False, clicks=0), "only authorized"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, more="2"), "and no more"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, code="AmazonRejected"), "and no more"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, same=False), "more than once"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, back="5"), "all of it"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, clicks=0), "Now give back 1"),
    ("12-clicks-twice", lambda wb, wallet: clicks_twice(wb, wallet, clicks=1), "post to your route again"),
    (
        "12-clicks-twice",
        lambda wb, wallet: wb.client.create_charge(
            charge_permission_id=wallet, charge_amount=wb.price("4"), capture_now=True
        ),
        "one order",
    ),
]
