"""A process that dies in the middle of a flow: the next one goes on, and nothing is done twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from amazonpay_nb.client.progress import Progress
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.runs.kernels import kernel_environment
from tests.kernels import PortlessKernel
from tests.processes import PATIENCE

# A shop that sets up a wallet, charges and refunds it, and dies at the request that it is told: before it is sent, or
# when it was answered and the answer is not yet read.
SHOP = """
import os, signal, sys
from pathlib import Path
import httpx
from amazonpay_nb.shop import buyer
from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.signing.keys import load
from amazonpay_nb.client.progress import Progress

url, key_file, key_id, store_id, file, at, after = sys.argv[1:]

class Dying(httpx.HTTPTransport):
    sent = 0
    def handle_request(self, request):
        self.sent += 1
        dies = self.sent == int(at)
        if dies and after == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        response = super().handle_request(request)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return response

note = Progress(Path(file))
client = AmazonPayClient(AmazonPayAuth(load(Path(key_file), key_id)), environment="emulator", base_url=url,
                         transport=Dying())
amount = {"amount": "14.00", "currencyCode": "USD"}
session = note.get("session") or note.keep("session", client.create_checkout_session(
    store_id=store_id, idempotency_key=note.key("session"), charge_permission_type="PaymentMethodOnFile",
    web_checkout_details={"checkoutResultReturnUrl": "https://shop.example/result"},
    payment_method_on_file_metadata={"setupOnly": True}, payment_details={"paymentIntent": "Confirm"},
).checkout_session_id)
note.get("visit") or note.keep("visit", buyer.approve(f"{url}/checkout?amazonCheckoutSessionId={session}"))
wallet = note.get("wallet") or note.keep("wallet", client.complete_checkout_session(
    session, idempotency_key=note.key("complete")).charge_permission_id)
charge = client.create_charge(charge_permission_id=wallet, charge_amount=amount, capture_now=True,
                              idempotency_key=note.key("charge"))
client.create_refund(charge_id=charge.charge_id, refund_amount=amount, idempotency_key=note.key("refund"))
print("done")
"""
REQUESTS = 4


def test_a_shop_that_dies_at_every_request_does_everything_once(tmp_path: Path) -> None:
    """It is killed before and after each request, each time started again, and has one of each object in the end."""
    deaths = [(number, when) for number in range(1, REQUESTS + 1) for when in ("before", "after")]
    with Emulator("na", seed=7) as emulator:
        account = emulator.merchant
        command = [
            sys.executable, "-c", SHOP, emulator.url, str(account.private_key_file), account.public_key_id,
            account.store_id, str(tmp_path / "order.progress"),
        ]  # fmt: skip
        # What is kept needs no request any more, so a shop that goes on comes to its later requests sooner.
        killed = 0
        for number, when in deaths:
            code = subprocess.run([*command, str(number), when], check=False, stdout=subprocess.DEVNULL).returncode
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
        assert killed >= REQUESTS
        last = subprocess.run([*command, "0", ""], check=True, capture_output=True, text=True)
        assert last.stdout == "done\n"
        exchanges = emulator.control.get("journal")["exchanges"]
        made = {
            name: {row["ids"].get(name) for row in exchanges} - {None}
            for name in ("checkoutSessionId", "chargePermissionId", "chargeId", "refundId")
        }
        assert Counter({name: len(ids) for name, ids in made.items()}) == Counter(dict.fromkeys(made, 1))
        charge = emulator.control.get(f"objects/charges/{made['chargeId'].pop()}")
        assert charge["captureAmount"]["amount"] == "14.00"


class TestProgress:
    """What is kept, and for whom."""

    def test_the_first_note_stays(self, tmp_path: Path) -> None:
        """Whichever process wrote it: of two kernels with one notebook, both send the same key."""
        path = tmp_path / "flow.progress"
        with Progress(path) as one, Progress(path) as other:
            assert one.get("wallet") is None
            assert one.keep("wallet", "C01") == other.keep("wallet", "C02") == "C01"
            assert one.key("charge") == other.key("charge") != one.key("charge, 2")
        with Progress(path) as later:
            assert later.get("wallet") == "C01"

    def test_a_flow_without_a_file_starts_over_each_time(self) -> None:
        """As the emulator in the same process does."""
        with Progress() as one, Progress() as other:
            assert one.key("charge") != other.key("charge")


@pytest.mark.parametrize("name", ["01_set_up_outside_the_purchase_flow"])
def test_a_notebook_whose_kernel_died_runs_again(name: str) -> None:
    """The emulator went with the kernel, so the run starts over cleanly: no port, file or key is in its way."""
    path = Path(__file__).parents[2] / f"notebooks/{name}.ipynb"
    with kernel_environment():
        first = _notebook(path)
        with first.setup_kernel():
            for index, cell in enumerate(first.nb.cells[: len(first.nb.cells) // 2]):
                first.execute_cell(cell, index)
            assert first.km
            os.kill(first.km.provisioner.process.pid, signal.SIGKILL)
        second = _notebook(path)
        second.execute()
    assert not [out for cell in second.nb.cells for out in cell.get("outputs", ()) if out.output_type == "error"]


def _notebook(path: Path) -> NotebookClient:
    notebook = nbformat.read(path, as_version=4)
    return NotebookClient(
        notebook, kernel_manager_class=PortlessKernel, timeout=PATIENCE, iopub_timeout=PATIENCE,
        shutdown_kernel="immediate", resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
