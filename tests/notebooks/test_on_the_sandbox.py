"""Every notebook passes on Amazon's Sandbox by one parameter.

An emulator is in Amazon's place, as the proxy to Amazon's own addresses, and no notebook knows it.  In front of each, a
cell plays the person who is the buyer there, and lets time pass.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.runs.notebook import find_notebooks
from tests.emulated import sandbox

PERSON = """
def play_person(control):
    import asyncio
    from types import SimpleNamespace
    from amazonpay_nb.shop.buyer import browser
    from amazonpay_nb.workbench import bench, hosted_page

    waits, play = hosted_page.HostedPage.returned, hosted_page.HostedPage.play

    async def returned(page, timeout=None, **script):
        if page._emulator is None and not page.arrival.done():
            person = SimpleNamespace(**vars(page) | {{"_emulator": SimpleNamespace(verify=None)}})
            await asyncio.to_thread(lambda: play(person, **script))
        return await waits(page, timeout, **script)

    def pass_at_amazon(seconds):
        assert seconds < 60, "Nobody waits that long."
        control.post("clock", advance=f"PT{{seconds}}S")

    hosted_page.http_client = lambda **options: browser()
    hosted_page.HostedPage.returned = returned
    bench.time = SimpleNamespace(sleep=pass_at_amazon)

from amazonpay_nb.emulator.remote import Control
play_person(Control({url!r}, {token!r}, None))
"""


@pytest.mark.parametrize("region", ["na", "eu"])
def test_every_notebook_passes(region: str, tmp_path: Path) -> None:
    """All claims hold that do not need the emulator."""
    with Emulator(region, seed=7, proxy=True) as amazon:
        control = amazon.control
        person = PERSON.format(url=control.url, token=control.token)
        (tmp_path / "notebooks").mkdir()
        for path in find_notebooks([]):
            document = nbformat.read(path, as_version=4)
            document.cells.insert(0, new_code_cell(person.strip()))
            nbformat.write(document, tmp_path / "notebooks" / path.name)
        variables = os.environ | sandbox(amazon)
        command = [sys.executable, "-c", "from amazonpay_nb.cli import main; main()", "run"]
        notebooks = sorted(map(str, (tmp_path / "notebooks").iterdir()))
        options = ["--out", "out", "-p", "environment", "sandbox", "-p", "buyer", "you", "-p", "region", region]
        done = subprocess.run(
            [*command, *notebooks, *options], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads((tmp_path / "out" / "summary.json").read_text())["runs"]
    assert all(run["claims"] for run in runs)
