"""How long calls take, as ratios that a busy machine does not change: each time is measured in yardsticks.

The yardstick is the shortest request there is, which is refused before anything is looked up.  It is measured between
the others, so whatever else the machine does slows both.  The fastest tenth of each counts: where other processes take
turns with these, most calls wait for one of them or none do, by chance.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

_YARDSTICK = "yardstick"


class Stopwatch:
    """The seconds that calls took, by their names."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._seconds[name].append(time.perf_counter() - begun)

    def yardstick(self) -> AbstractContextManager[None]:
        """Measure the yardstick itself."""
        return self(_YARDSTICK)

    def times(self) -> dict[str, float]:
        """Return what the fastest tenth of each call takes at most, in yardsticks."""
        times = {name: statistics.quantiles(seconds, n=10)[0] for name, seconds in self._seconds.items()}
        unit = times.pop(_YARDSTICK)
        return {name: time / unit for name, time in times.items()}

    def over(self, earlier: "Stopwatch") -> dict[str, float]:
        """Return how many times as long as *earlier* each call takes."""
        before = earlier.times()
        return {name: time / before[name] for name, time in self.times().items()}


def said(ratios: dict[str, float]) -> str:
    """Return ratios as words."""
    return ", ".join(f"{ratio:.1f} ({name})" for name, ratio in ratios.items())
