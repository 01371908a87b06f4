"""How a check ends where it does not pass."""

from collections.abc import Sequence


class Failed(Exception):
    """The server did something wrong.

    Args:
        seen: What was seen instead of what was expected, as a sentence.
        evidence: Numbers of the exchanges that show it; all of the check when left out.
        advice: Whether it need not be right.
    """

    def __init__(self, seen: str, *, evidence: Sequence[int] = (), advice: bool = False) -> None:
        super().__init__(seen)
        self.seen, self.evidence, self.advice = seen, list(evidence), advice


class NotTried(Exception):
    """A check could not be looked at; the message says why, and what would help."""
