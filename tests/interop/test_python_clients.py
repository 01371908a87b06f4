"""Clients of other people on PyPI, unchanged, work against the emulator over HTTPS."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.shop.buyer import approve
from tests.npm import CACHE, unavailable

pytestmark = pytest.mark.interop

LOCK = Path(__file__).with_name("requirements.txt")
SESSION = {
    "webCheckoutDetails": {"checkoutReviewReturnUrl": "https://shop.example/review"},
    "chargePermissionType": "PaymentMethodOnFile",
    "paymentMethodOnFileMetadata": {"setupOnly": False},
}
UPDATE = {
    "webCheckoutDetails": {"checkoutResultReturnUrl": "https://shop.example/result"},
    "paymentDetails": {"paymentIntent": "Authorize", "chargeAmount": {"amount": "14.00", "currencyCode": "USD"}},
}
COMPLETE = {"chargeAmount": {"amount": "14.00", "currencyCode": "USD"}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(region="na", seed=7, https=True) as running:
        yield running


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the clients are, installed from the lock beside this file; what they need besides is in our own."""
    folder = CACHE / f"pypi-{sys.version_info.major}.{sys.version_info.minor}"
    uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    if uv is None:
        unavailable("The clients on PyPI", "install uv")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
    done = subprocess.run([*command, "--require-hashes", "-r", LOCK], capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable("The clients on PyPI", done.stderr.strip())
    return folder


@pytest.fixture
def clients(emulator: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a client's module, and let what it sends trust the emulator and avoid proxies."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return import_module


def visit(emulator: Emulator, address: str) -> None:
    with httpx.Client(verify=emulator.verify, trust_env=False) as browser:
        approve(address, http=browser)


def check_out(emulator: Emulator, client: Any, **key: str) -> dict[str, Any]:
    """Buy with a client, which may want an idempotency key, and return the answer of Complete Checkout Session."""
    made = client.create_checkout_session({**SESSION, "storeId": emulator.merchant.store_id}, **key)
    assert made.status_code == 201, made.text
    session = made.json()["checkoutSessionId"]
    visit(emulator, f"{emulator.url}/checkout?amazonCheckoutSessionId={session}")
    updated = client.update_checkout_session(session, UPDATE)
    visit(emulator, updated.json()["webCheckoutDetails"]["amazonPayRedirectUrl"])
    completed = client.complete_checkout_session(session, COMPLETE)
    assert (completed.status_code, client.get_checkout_session(session).status_code) == (200, 200)
    return dict(completed.json())


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("neutral", [False, True], ids=["prefixed-key", "neutral-key"])
def test_amazonpayclient_buys_and_refunds(emulator: Emulator, clients: Callable[[str], Any], neutral: bool) -> None:
    """It signs with the older algorithm, and makes an idempotency key for each POST."""
    merchant = emulator.merchant
    key = merchant.neutral_public_key_id if neutral else merchant.public_key_id
    client = clients("AmazonPay").Client(key, str(merchant.private_key_file), "na", sandbox=True)
    client.endpoint = emulator.url

    charge = check_out(emulator, client)["chargeId"]
    captured = client.capture_charge(charge, {"captureAmount": COMPLETE["chargeAmount"]})
    refund = client.create_refund({"chargeId": charge, "refundAmount": {"amount": "4.00", "currencyCode": "USD"}})

    assert (captured.status_code, captured.json()["statusDetails"]["state"]) == (200, "Captured")
    assert (refund.status_code, refund.json()["statusDetails"]["state"]) == (201, "RefundInitiated")


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_amazon_pay_v2_buys(emulator: Emulator, clients: Callable[[str], Any]) -> None:
    """It names two headers twice in SignedHeaders, signs them once, and ends addresses with a slash."""
    merchant = emulator.merchant
    client = clients("amazon_pay_v2.api").AmazonPayAPIV2(
        str(merchant.private_key_file), merchant.neutral_public_key_id, "na", "sandbox"
    )
    client.host = emulator.url.removeprefix("https://")

    completed = check_out(emulator, client, idempotency_key="order4711")

    assert completed["statusDetails"]["state"] == "Completed"
