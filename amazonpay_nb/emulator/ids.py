"""The ids of a world: a sequence that a seed repeats, and ids that depend only on what they name."""

import secrets
from hashlib import sha256
from uuid import UUID

from amazonpay_nb.emulator.store import Store
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.regions import Region

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Ids:
    """Makes ids in the forms that Amazon's have.

    An id is the next one of the sequence; where the method is told what the id is *of*, for example a buyer at one
    merchant, it depends on that and on the seed alone.  The store keeps both across restarts.
    """

    def __init__(self, store: Store, region: Region, seed: int | None) -> None:
        self._store, self._region = store, region
        if store.setting("seed") is None:
            store.set("seed", seed if seed is not None else secrets.randbits(64))
        self._seed = store.setting("seed")
        self._starts = (store.setting("starts") or 0) + 1
        store.set("starts", self._starts)
        self._answers = 0

    def _digest(self, *of: str) -> bytes:
        if of:
            return sha256("|".join((str(self._seed), *of)).encode()).digest()
        drawn = (self._store.setting("drawn") or 0) + 1
        self._store.set("drawn", drawn)
        return sha256(f"{self._seed}:{drawn}".encode()).digest()

    def uuid(self, *of: str) -> str:
        """Return a version 4 UUID."""
        return str(UUID(bytes=self._digest(*of)[:16], version=4))

    def hex_digits(self) -> str:
        """Return 32 hexadecimal digits."""
        return self._digest().hex()[:32]

    def digits(self, count: int, *of: str) -> str:
        """Return *count* decimal digits."""
        return str(int.from_bytes(self._digest(*of)[:8]) % 10**count).zfill(count)

    def letters(self, count: int, *of: str) -> str:
        """Return *count* capitals and digits, 32 at most."""
        return "".join(_ALPHABET[byte % 32] for byte in self._digest(*of)[:count])

    def new_order_id(self, letter: str) -> str:
        """Return for example ``S01-1234567-7654321``, with the region's digits; a world file may have it already."""
        digits = self.digits(14)
        order_id = f"{letter}{self._region.id_digits}-{digits[:7]}-{digits[7:]}"
        return self.new_order_id(letter) if self._store.get("Charge Permission", order_id) else order_id

    def new_item_id(self, kind: str, order_id: str) -> str:
        """Return the id of a new charge, refund or dispute of an order; six digits may be taken already."""
        item_id = f"{order_id}-{KINDS[kind].letter}{self.digits(6)}"
        return self.new_item_id(kind, order_id) if self._store.get(kind, item_id) else item_id

    def new_request_id(self) -> str:
        """Return the id of an answer; it takes nothing from the sequence, and costs no write."""
        self._answers += 1
        digest = sha256(f"{self._seed}:{self._starts}:{self._answers}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
