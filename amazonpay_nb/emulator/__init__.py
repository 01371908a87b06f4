"""A stand-in for Amazon Pay: the API, the hosted pages, checkout.js and the clock, on a loopback port.

    with Emulator(region="eu", seed=7) as emulator:
        emulator.url, emulator.merchant.public_key_id, emulator.clock.advance("PT24H")

The same server runs as a process: ``amazonpay-nb emulator``.
"""

from amazonpay_nb.emulator.server import Credentials, Emulator

__all__ = ["Credentials", "Emulator"]
