"""How a check ends where it does not pass."""


class Failed(Exception):
    """The server did something wrong.

    Args:
        seen: What was seen instead of what was expected, as a sentence.
    """

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


class NotTried(Exception):
    """A check could not be looked at; the message says why, and what would help."""
