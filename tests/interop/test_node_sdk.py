"""Amazon's Node SDK, unchanged, works against the emulator over HTTPS."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.shop.buyer import approve
from tests.npm import installed
from tests.processes import PATIENCE, program

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent
# The SDK knows no time-out: a walk that takes longer than this many seconds is stopped, and fails.
WALK = [
    ("createCheckoutSession", 201, "Open"),
    ("getCheckoutSession", 200, "Open"),
    ("updateCheckoutSession", 200, "Open"),
    ("completeCheckoutSession", 200, "Completed"),
    ("getChargePermission", 200, "Chargeable"),
    ("updateChargePermission", 200, "Chargeable"),
    ("getCharge", 200, "Authorized"),
    ("captureCharge", 200, "Captured"),
    ("cancelCharge", 422, "InvalidChargeStatus"),
    ("createRefund", 201, "RefundInitiated"),
    ("getRefund", 200, "Refunded"),
    ("createCharge", 201, "Authorized"),
    ("createCharge", 201, "Authorized"),
    ("cancelCharge", 200, "Canceled"),
    ("closeChargePermission", 200, "Closed"),
    ("createReport", 201, ""),
    ("getReportById", 200, "COMPLETED"),
    ("getReports", 200, ""),
    ("getReportDocument", 200, ""),
    ("createReportSchedule", 201, ""),
    ("getReportSchedules", 200, ""),
    ("getReportScheduleById", 200, ""),
    ("cancelReportSchedule", 200, ""),
]


@pytest.fixture(scope="module")
def sdk() -> Path:
    """The SDK's folder, installed from the committed lock when it is not there yet."""
    return installed(HERE, "Amazon's Node SDK") / "@amazonpay" / "amazon-pay-api-sdk-nodejs"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(region="na", seed=7, https=True) as running:
        yield running


def _browser(emulator: Emulator) -> httpx.Client:
    proxied = emulator.proxy_url is not None
    verify = ssl.create_default_context(cafile=emulator.proxy_ca_file) if proxied else emulator.verify
    return httpx.Client(proxy=emulator.proxy_url, verify=verify, trust_env=False)


def play(
    emulator: Emulator, command: list[str], settings: dict[str, Any], environment: dict[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Run the merchant's server, act for the buyer and the clock when it asks, and yield what else it says."""
    # A proxy has no business between two programs on one machine.
    environment = environment or {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    pipe = subprocess.PIPE
    with (
        _browser(emulator) as browser,
        program(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as server,
    ):
        assert server.stdin
        assert server.stdout
        assert server.stderr
        watchdog = threading.Timer(PATIENCE, server.kill)
        watchdog.start()
        try:
            print(json.dumps(settings), file=server.stdin, flush=True)
            for line in server.stdout:
                message = json.loads(line)
                if "visit" in message:
                    approve(message["visit"], http=browser)
                elif "advance" in message:
                    emulator.clock.advance(message["advance"])
                else:
                    yield message
                    continue
                print("done", file=server.stdin, flush=True)
            assert server.wait() == 0, server.stderr.read()
        finally:
            watchdog.cancel()
            server.kill()


@pytest.mark.parametrize("algorithm", [None, "AMZN-PAY-RSASSA-PSS-V2"], ids=["default-algorithm", "V2"])
@pytest.mark.parametrize("neutral", [False, True], ids=["prefixed-key", "neutral-key"])
def test_the_official_sdk_walks_from_session_to_refund(
    emulator: Emulator, sdk: Path, algorithm: str | None, neutral: bool
) -> None:
    """Every operation, with both algorithms and both kinds of public key id, answers as the SDK expects."""
    merchant = emulator.merchant
    settings = {
        # The prefix puts the environment into the key; without it the SDK puts it into the path.
        "publicKeyId": merchant.neutral_public_key_id if neutral else merchant.public_key_id,
        "privateKey": merchant.private_key_file.read_text(),
        "region": "us",
        "sandbox": True,
        "overrideServiceUrl": emulator.url.removeprefix("https://"),
    }
    if algorithm:
        settings["algorithm"] = algorithm
    command = ["node", str(HERE / "walk.js"), str(sdk), merchant.store_id]

    messages = list(play(emulator, command, settings))

    calls = [message for message in messages if "operation" in message]
    assert [(call["operation"], call["status"], call["outcome"]) for call in calls] == WALK
    assert {"replayed": True} in messages
    assert len({call["requestId"] for call in calls}) == len(WALK), "each answer has a request id of its own"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_holds_for_loopback_names(emulator: Emulator, host: str) -> None:
    """The SDK switches its checks off, so somebody else has to look: the CA file is enough to trust the emulator."""
    url = emulator.url.replace("127.0.0.1", host)
    context = ssl.create_default_context(cafile=emulator.ca_file)
    assert httpx.get(f"{url}/checkout.js", verify=context, trust_env=False).status_code == 200


def test_the_certificate_is_not_trusted_without_the_ca_file(emulator: Emulator) -> None:
    """It is signed by the emulator's own authority, which is in no trust store."""
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{emulator.url}/checkout.js", trust_env=False)
