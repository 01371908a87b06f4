"""Tell somebody that a journal has changed."""

import threading
import time
import weakref
from collections.abc import Callable

from amazonpay_nb.client.journal import Journal

# Seconds between two looks at the journal: a burst of requests is drawn once.
PAUSE = 0.3


def watch(journal: Journal, changed: "weakref.WeakMethod[Callable[[], None]]") -> None:
    """Call a method after each change of a journal, until its object is gone."""

    # A thread of its own, because a request that waits holds up the kernel's; it ends with the object.
    def run() -> None:
        latest = _mark(journal)
        while (call := changed()) is not None:
            if (now := _mark(journal)) != latest:
                latest = now
                call()
            del call
            time.sleep(PAUSE)

    threading.Thread(target=run, name="panel follows the run", daemon=True).start()


def _mark(journal: Journal) -> tuple[int, int]:
    # A journal that is limited stays as long as it is, and has another last entry.
    try:
        return len(journal), id(journal[-1])
    except IndexError:
        return 0, 0
