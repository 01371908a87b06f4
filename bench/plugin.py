"""What a test pays for an emulated Amazon Pay with a fresh world."""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.measure import Result, Target, alternate, say, seconds

__all__ = ["measure_plugin"]

TARGET = Target("≤", 10, " ms")
TESTS = 400
FIXTURES = "amazonpay_emulator, amazonpay_client, amazonpay_clock, amazonpay_buyer, "
SUITE = """\
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_nothing({fixtures}number): ...
"""


def measure_plugin(*, quick: bool) -> list[Result]:
    """(h) What the fixtures add to each test of a suite; the server's start counts."""
    rounds, tests = (1, 40) if quick else (5, TESTS)
    say(f"(h) {rounds} rounds of {tests} tests with pytest's plugin")
    with TemporaryDirectory() as folder:
        for name, fixtures in (("bare", ""), ("fresh", FIXTURES)):
            Path(folder, f"test_{name}.py").write_text(SUITE.format(tests=tests, fixtures=fixtures), "utf-8")

        def run(name: str) -> float:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py"]
            return seconds(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))

        fresh, bare = alternate(rounds, lambda: run("fresh"), lambda: run("bare"))
    each = median(1000 * (one - other) / tests for one, other in zip(fresh, bare, strict=True))
    return [Result("(h) a test with a fresh emulated Amazon Pay", f"{each:.1f} ms", "a bare test", each, TARGET)]
