"""The one way in which the emulator says no."""

from typing import Any

from amazonpay_nb.spec.reasons import REASONS

Body = dict[str, Any]  # of a request or an answer


class Refusal(Exception):
    """An answer with an error body; raised anywhere, rendered in one place.

    Args:
        reason_code: Amazon's ``reasonCode``.
        message: What is wrong, in which object and state; for developers, in English.
        status: HTTP status; 0 takes the usual one of the reason code.
        keep: Commit what the request did before it was refused, for example a decline that changes the permission.
        text: Name of the sentence among the page texts that a hosted page shows the buyer instead.
        field: The form field that the buyer can correct, "" for none.
        values: What the sentence's placeholders stand for.
    """

    def __init__(
        self, reason_code: str, message: str, *, status: int = 0, keep: bool = False, text: str = "shop-mistake",
        field: str = "", **values: Any,
    ) -> None:  # fmt: skip
        super().__init__(message)
        usual = REASONS[reason_code].status_codes[0] if reason_code in REASONS else 400
        self.reason_code, self.message, self.status, self.keep = reason_code, message, status or usual, keep
        self.text, self.field, self.values = text, field, values

    @property
    def body(self) -> Body:
        """The documented error body."""
        return {"reasonCode": self.reason_code, "message": self.message}
