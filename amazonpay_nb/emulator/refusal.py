"""The one way in which the emulator says no."""

from typing import Any

__all__ = ["Refusal"]


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
