"""The OpenAPI document and the emulator agree: requests made from the one are answered by the other as it promises.

Schemathesis makes the requests, well-formed and not; a hook signs each as it goes out.  Half of them name objects that
exist and amounts that can be paid, so that they get past the first checks.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import Phase, given, settings, strategies as st
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from amazonpay_nb.signing import sign_request
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.spec.simulations import SIMULATION_HEADER
from docs.openapi import openapi
from tests.emulated import RESULT, Shop, dispute_in, usd
from tests.proofs.sizes import size

SCHEMA = schemathesis.openapi.from_dict(openapi())
PROMISES = CHECKS.get_by_names(["status_code_conformance", "content_type_conformance", "response_schema_conformance"])
EXAMPLES = size(5, 30)


class Signer(requests.auth.AuthBase):
    """Signs what is about to be sent, whatever it is; only the headers that a signature needs are put right."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.session = shop, requests.Session()
        self.session.trust_env = False

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.shop.headers())
        path, _, query = request.path_url.partition("?")
        content = request.body.encode() if isinstance(request.body, str) else request.body or b""
        pairs = [(_latin(name), _latin(value)) for name, value in request.headers.items()]
        keys = self.shop.keys
        request.headers["authorization"] = sign_request(
            str(request.method), path, query, pairs, content, keys.private_key, keys.public_key_id, keys.algorithm
        )
        return request


def _latin(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


class Known:
    """Ids of objects that exist, new ones each time: what is asked for may use their state up."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def charge(self, **fields: Any) -> str:
        return str(self.shop.charge(self.shop.wallet(), "1.00", **fields)["chargeId"])

    def id_for(self, operation: Operation) -> str:
        """The id that goes into an operation's path."""
        match operation.path.split("/")[2]:
            case "checkoutSessions":
                return self.shop.visited() if operation.acts_on else self.shop.session()
            case "chargePermissions":
                return self.shop.wallet()
            case "charges":
                return self.charge()
            case "refunds":
                refund = self.shop.done("createRefund", chargeId=self.charge(captureNow=True), refundAmount=usd("1.00"))
                return str(refund["refundId"])
            case "disputes":
                return dispute_in(self.shop, "ActionRequired", self.charge(captureNow=True))
            case _:
                return "nobody"

    def fields(self, body: dict[str, Any]) -> dict[str, Any]:
        """What replaces fields of the same name in a body."""
        known: dict[str, Callable[[], Any]] = {
            "storeId": lambda: self.shop.account.store_id,
            "webCheckoutDetails": lambda: {"checkoutResultReturnUrl": RESULT},
            "chargePermissionId": self.shop.wallet,
            "chargeId": lambda: self.charge(captureNow=True),
            **dict.fromkeys(("chargeAmount", "captureAmount", "refundAmount"), lambda: usd("1.00")),
        }
        return {name: make() for name, make in known.items() if name in body}


@pytest.fixture(scope="module")
def known(na: Shop) -> Known:
    return Known(na)


@pytest.fixture(scope="module")
def signer(na: Shop) -> Iterator[Signer]:
    signer = Signer(na)
    yield signer
    signer.session.close()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_an_answer_is_one_that_the_document_promises(
    na: Shop, known: Known, signer: Signer, name: str, mode: GenerationMode
) -> None:
    """Status, media type and body; a server error only where a simulation asks for it."""
    operation = OPERATIONS[name]
    described = SCHEMA[operation.path][operation.method.lower()]

    @given(case=described.as_strategy(generation_mode=mode), helped=st.booleans())
    @settings(max_examples=EXAMPLES, database=None, phases=[Phase.generate])
    def answered(case: schemathesis.Case, helped: bool) -> None:
        if helped and case.path_parameters:
            case.path_parameters["id"] = known.id_for(operation)
        if helped and isinstance(case.body, dict):
            case.body |= known.fields(case.body)
        response = case.call(base_url=na.emulator.url, session=signer.session, auth=signer)
        case.validate_response(response, checks=PROMISES)
        assert response.status_code < 500 or SIMULATION_HEADER in (case.headers or {})

    answered()
