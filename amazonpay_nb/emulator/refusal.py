"""The one way in which the emulator says no."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from amazonpay_nb.spec.reasons import REASONS


class Refusal(Exception):
    """An answer with an error body; raised anywhere, rendered in one place.

    Args:
        reason_code: Amazon's ``reasonCode``.
        message: What is wrong, in which object and state.
        status: HTTP status; 0 takes the usual one of the reason code.
        keep: Commit what the request did before it was refused, for example a decline that changes the permission.
    """

    # What a hosted page shows the buyer; see `Explained`.
    text, field = "shop-mistake", ""
    values: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, reason_code: str, message: str, *, status: int = 0, keep: bool = False) -> None:
        super().__init__(message)
        usual = REASONS[reason_code].status_codes[0] if reason_code in REASONS else 400
        self.reason_code, self.message, self.status, self.keep = reason_code, message, status or usual, keep

    @property
    def body(self) -> dict[str, Any]:
        """The documented error body."""
        return {"reasonCode": self.reason_code, "message": self.message}


class Explained(Refusal):
    """A refusal on a hosted page that has a sentence of its own for the buyer, in the buyer's language.

    Args:
        text: The sentence's name among the page texts.
        message: The same for developers, in English.
        field: The form field that the buyer can correct, "" for none.
        values: What the sentence's placeholders stand for.
    """

    def __init__(
        self, text: str, message: str, *, reason_code: str = "InvalidParameterValue", status: int = 0, field: str = "",
        **values: Any,
    ) -> None:  # fmt: skip
        super().__init__(reason_code, message, status=status)
        self.text, self.field, self.values = text, field, values
