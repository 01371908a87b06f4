"""Whatever a body or an answer holds, a call returns its answer or raises one of our errors; its exchange is kept."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.spec.answers import Money
from amazonpay_nb.workbench.show import show
from tests.emulated import Shop, usd

DEEP = ["[" * 2_000 + "]" * 2_000, '{"a":' * 600 + "1" + "}" * 600, json.dumps("[" * 990), "[" * 50_000]


@pytest.mark.parametrize("text", DEEP, ids=["lists", "objects", "text in text", "never closed"])
def test_a_charge_whose_text_looks_like_json_is_not_lost(na: Shop, text: str) -> None:
    """A shop that copies a buyer's remark must not lose the answer, or each later one, by it."""
    wallet, remark = na.wallet(), text[:4096]
    account = na.emulator.merchant
    with AmazonPayClient(account.keys, environment="emulator", base_url=na.emulator.url) as client:
        charge = client.create_charge(
            charge_permission_id=wallet,
            charge_amount=usd("14.00"),
            merchant_metadata={"customInformation": remark},
        )
        again = client.get_charge(charge.charge_id)
        assert again.model_dump(by_alias=True)["merchantMetadata"]["customInformation"] == remark
        assert [exchange.outcome for exchange in client.journal.exchanges] == ["Authorized", "Authorized"]
        assert client.journal.known.newest("Charge", charge.charge_id)
        assert show(again).text
        assert show(client.journal.exchanges[0]).text


def test_an_answer_that_is_nested_deeply_can_be_shown() -> None:
    """Its representation is a text that says so."""
    deep: list[Any] = []
    for _ in range(1_200):
        deep = [deep]
    assert "nested" in repr(Money.model_validate({"amount": "14.00", "currencyCode": "USD", "unknown": deep}))


class AnyServer:
    """Answers whatever it is given."""

    reply = Response()

    async def answer(self, _: Request) -> Response:
        return self.reply


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[AnyServer, AmazonPayClient]]:
    any_server = AnyServer()
    app = Starlette(routes=[Route("/{path:path}", any_server.answer, methods=["GET", "POST", "PATCH", "DELETE"])])
    http = LoopbackServer(app).start()
    with Emulator() as emulator:
        keys = emulator.merchant.keys
    with AmazonPayClient(keys, environment="emulator", base_url=http.url, sleep=lambda _: None) as client:
        yield any_server, client
    http.stop()


NAMES = st.sampled_from(["statusDetails", "chargeId", "chargeAmount", "reasonCode", "message", "state", "amount", "x"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
BODIES = JSON.map(json.dumps) | st.text(max_size=40) | st.sampled_from(DEEP)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from([200, 201, 202, 302, 400, 403, 404, 409, 422, 429, 500, 503]), body=BODIES,
       headers=st.dictionaries(st.sampled_from(["retry-after", "date", "x-amz-pay-request-id"]), st.text(
           st.characters(min_codepoint=32, max_codepoint=126), max_size=20)))  # fmt: skip
def test_any_answer_is_read_or_refused(
    server: tuple[AnyServer, AmazonPayClient], status: int, body: str, headers: dict[str, str]
) -> None:
    """An answer of a proxy, of a broken service or of an attacker raises nothing but an error of this package."""
    any_server, client = server
    any_server.reply = Response(body.encode("utf-8", "replace"), status, headers)
    client.journal.clear()
    with suppress(AmazonPayError):
        client.get_charge("P21-1111111-1111111-C111111")
    exchanges = client.journal.exchanges
    assert exchanges
    assert {exchange.status for exchange in exchanges} == {status}
