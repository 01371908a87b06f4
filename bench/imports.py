"""What `import amazonpay_nb` costs a fresh process."""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from bench.measure import Result, Target, alternate, compare, say, seconds

__all__ = ["measure_imports"]

TARGET = Target("≤", 1.5)
STATEMENTS = ("import httpx", "import amazonpay_nb", "from amazonpay_nb.client import AmazonPayClient")


def measure_imports(*, quick: bool) -> list[Result]:
    """(c) Whole processes that import the package, and its client, over ones that import httpx."""
    rounds = 5 if quick else 21
    say(f"(c) imports, {rounds} rounds")
    with TemporaryDirectory() as folder:
        # Both sides load bytecode that this folder got in a first, unmeasured round, whatever the machine's settings.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(statement: str) -> float:
            command = [sys.executable, "-c", statement]
            return 1000 * seconds(lambda: subprocess.run(command, env=environment, check=True))

        for statement in STATEMENTS:
            run(statement)
        httpx, package, client = alternate(rounds, *(lambda s=statement: run(s) for statement in STATEMENTS))
    return [
        compare("(c) `import amazonpay_nb`", [package, httpx], "{:.0f} ms", "`import httpx`", TARGET),
        compare(
            "(c) `from amazonpay_nb.client import AmazonPayClient`", [client, httpx], "{:.0f} ms", "`import httpx`"
        ),
    ]
