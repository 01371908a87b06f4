"""The one way in which the emulator says no."""

from typing import Any


class Refusal(Exception):
    """An answer with an error body; raised anywhere, rendered in one place.

    Args:
        status: HTTP status.
        reason_code: Amazon's ``reasonCode``.
        message: What is wrong, in which object and state.
        keep: Commit what the request did before it was refused, for example a decline that changes the permission.
    """

    def __init__(self, status: int, reason_code: str, message: str, *, keep: bool = False) -> None:
        super().__init__(message)
        self.status, self.reason_code, self.message, self.keep = status, reason_code, message, keep

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
        self, text: str, message: str, *, status: int = 400, reason_code: str = "InvalidParameterValue",
        field: str = "", **values: Any,
    ) -> None:  # fmt: skip
        super().__init__(status, reason_code, message)
        self.text, self.field, self.values = text, field, values
