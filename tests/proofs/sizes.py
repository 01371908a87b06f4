"""How much the proofs do: `make proofs` sets ``AMAZONPAY_NB_PROOFS=long``, and every other run is ``short``."""

import os

EDITION = os.environ.get("AMAZONPAY_NB_PROOFS", "short")


def size(short: int, long: int) -> int:
    """Return the size of this edition."""
    return {"short": short, "long": long}[EDITION]
