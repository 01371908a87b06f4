"""What tests of several rooms begin with."""

import asyncio
from collections.abc import Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.workbench import Workbench


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench with one saved wallet, whose buyer is a script."""
    opened = workbench.open("emulator", "na", "script")
    opened.set_up_keys()
    arrival = asyncio.run(opened.play_set_up())
    session = opened.client.complete_checkout_session(arrival.checkout_session_id)
    opened.client.get_charge_permission(session.charge_permission_id or "")
    yield opened
    opened.close()
