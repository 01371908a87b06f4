"""The state of pending deliveries that is not in the store; a restart forgets it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from amazonpay_nb.signing.envelope import EnvelopeSigner


@dataclass
class Outbox:
    """Notifications that wait to be delivered, and the disorder that drills ask for."""

    ready: deque[tuple[str, str]] = field(default_factory=deque)  # merchant and id of those whose time has come
    # (Object id, notification type) → id of the unsent notification that the rest of a request shares.
    fresh: dict[tuple[str, str], str] = field(default_factory=dict)
    drills: deque[str] = field(default_factory=deque)  # kinds of disorder to come
    held: str = ""  # the first of two that are to be swapped
    wake: Callable[[], None] = lambda: None  # starts the deliveries, once the present request is done

    @cached_property
    def signer(self) -> EnvelopeSigner:
        """The signer, made on first use because keys take time."""
        return EnvelopeSigner()

    def clear(self) -> None:
        """Forget everything that was about the objects of a world that is gone."""
        self.ready.clear()
        self.fresh.clear()
        self.drills.clear()
        self.held = ""
