"""Write what is generated: the outputs of the notebooks, and the pages that are tables of `amazonpay_nb.spec`.

    python docs/regenerate.py notebooks [--check]
    python docs/regenerate.py docs [--check]

Both write the same bytes each time; with ``--check`` nothing is written, and the exit code is 1 where a file differs.
"""

import argparse
import json
import os
import re
import runpy
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from markupsafe import Markup
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from amazonpay_nb.client.journal import PARTICIPANTS
from amazonpay_nb.rehearsal.plan import ROWS
from amazonpay_nb.runs import recordings
from amazonpay_nb.runs.kernels import RunKernel, kernel_environment
from amazonpay_nb.runs.notebook import in_whole_texts
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.spec import money, operations, parity, reasons, regions, simulations, states
from amazonpay_nb.spec.machine import FollowUp, Machine
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.texts import templates
from amazonpay_nb.workbench.diagrams import Message, SequenceDiagram, state_map
from docs import control
from docs.openapi import openapi

ROOT = Path(__file__).parents[1]
WITH_MARKS = [ROOT / name for name in ("README.md", "docs/recording.md", "docs/own-server.md")]
MARKED = re.compile(r"(?<=-->\n)(?:(?!<!-- ).)*?(?=<!-- end (?P<name>\w+) -->)", re.DOTALL)
STATE_MAPS = {name: f"states-{name.lower().replace(' ', '-')}.svg" for name in MACHINES}
INK = "<style>svg{color:#1f2328}@media (prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"

# --- Notebooks --------------------------------------------------------------------------------------------------------

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def executed(path: Path) -> str:
    """Return the text of a notebook after a run, without anything that differs from run to run.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"c{number:02d}"
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)  # for the cells that are skipped
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        iopub_timeout=120,
        record_timing=False,
        store_widget_state=False,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(path.parent)}},
        kernel_manager_class=RunKernel,
    )
    # Jupyter makes an event loop for this thread and leaves it open.
    with closing(ensure_event_loop()):
        client.execute()
    for cell in in_whole_texts(notebook).cells:
        for key in {"execution", "papermill"} & set(cell.metadata):
            del cell.metadata[key]
        for output in cell.get("outputs", ()):
            # The model's id is drawn at random, and its state is not kept.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return str(nbformat.writes(notebook, indent=1, sort_keys=True)) + "\n"


def attempt(path: Path) -> tuple[str, str]:
    """Return what `executed` returns and "", or "" and what stopped it."""
    try:
        return executed(path), ""
    except CellExecutionError as error:
        return "", f"{error.ename}: {error.evalue}"
    except (RuntimeError, TimeoutError) as error:
        return "", str(error)


def first_difference(old: str, new: str) -> str:
    """Say where two notebooks part."""
    before, after = (json.loads(text)["cells"] for text in (old, new))
    for one, other in zip(before, after, strict=False):
        if one != other:
            return f"cell {other['id']} differs: {''.join(other['source']).partition(chr(10))[0]}"
    return "its metadata or layout differs" if len(before) == len(after) else "it has more or fewer cells"


def regenerate_notebooks(folder: Path, *, check: bool) -> int:
    """Execute every notebook of *folder*, and write those that changed or, with *check*, name them."""
    paths = sorted(folder.glob("*.ipynb"))
    # What is committed comes from kernels of its own; a fork has to say the same.
    with kernel_environment(warm=check), ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        results = list(pool.map(attempt, paths))
    problems = 0
    for path, (new, stopped) in zip(paths, results, strict=True):
        old = path.read_text("utf-8")
        if new == old:
            continue
        if stopped:
            print(f"{path.stem} failed: {stopped}")
        elif check:
            print(f"{path.stem} is out of date: {first_difference(old, new)}")
        else:
            path.write_text(new, "utf-8")
            print(f"{path.stem} written")
        problems += bool(stopped or check)
    return min(problems, 1)


# --- Pages ------------------------------------------------------------------------------------------------------------


def code(words: object) -> str:
    """Return a word, or several with commas between them, in code type."""
    several = words if isinstance(words, Iterable) and not isinstance(words, str) else [words]
    return ", ".join(f"`{word}`" for word in several if word)


def link(text: str, url: str) -> str:
    """Return a link, or the text alone where there is no address."""
    return f"[{text}]({url})" if url else text


def duration(after: timedelta) -> str:
    """Return a timer's length in its natural unit."""
    for unit, length in (("days", timedelta(days=1)), ("hours", timedelta(hours=1))):
        if after > length:
            return f"{after // length} {unit}"
    return f"{after.seconds} seconds"


def follow_up(then: FollowUp) -> str:
    """Return what a row pulls on a related object."""
    return f"{then.machine}: {then.trigger}" + (f" (if `{then.when}`)" if then.when else "")


def cell(value: object) -> str:
    """Return a value as the cell of a table has it: a dash where it is empty."""
    return value if isinstance(value, Markup) else str(value).replace("|", "\\|") or "–"


PAGES = templates(ROOT / "docs/templates", html=False)
PAGES.finalize = cell
PAGES.filters |= {
    "code": code,
    "duration": duration,
    "follow_up": follow_up,
    "grouped": "{:,}".format,
    "json": partial(json.dumps, indent=2, ensure_ascii=False),
    "link": link,
}
PAGES.globals |= {
    "control": control, "state_maps": STATE_MAPS,
    "money": money, "operations": operations, "parity": parity, "reasons": reasons, "regions": regions,
    "simulations": simulations, "states": states,
}  # fmt: skip


def page(name: str, **things: Any) -> str:
    """Return a page, or a part of one, that a template makes of the tables and of *things*."""
    return PAGES.get_template(f"{name}.md.j2").render(things)


def state_picture(machine: Machine) -> str:
    """Return the map of a machine as an SVG in the reader's colors."""
    return state_map(machine).as_html.replace("<title>", f"{INK}<title>", 1) + "\n"


def recorded(folder: Path) -> dict[str, str]:
    """Return what the Sandbox's recordings in a folder show of each claim that a probe reaches, or else the probe."""
    shown: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        recording = recordings.read(path)
        if recording["target"]["environment"] != "sandbox":
            continue
        verdict = recordings.claimed(recording)
        where = f"{recording['target']['region']}, {recording['recordedAt'][:10]}"
        words = dict.fromkeys(verdict["equal"], "as claimed") | {row["id"]: "otherwise" for row in verdict["different"]}
        for claim, word in words.items():
            shown.setdefault(claim, []).append(link(f"{word} ({where})", f"recordings/{path.name}"))
    reachable = {claim: f"not yet: {code(probe.id)}" for probe in probes().values() for claim in probe.claims}
    return reachable | {claim: "; ".join(places) for claim, places in shown.items()}


def faults_page() -> str:
    """Return what is provoked on an emulator, played just now, and how each ends."""
    from amazonpay_nb.lessons import drills
    from amazonpay_nb.lessons.account import MerchantAccount
    from amazonpay_nb.lessons.faults import play_faults

    with MerchantAccount.new(listens=True) as account:
        simulated = [*drills.play_cards(account), *drills.play_codes(account)]
        interruptions, precedence = drills.play_interruptions(account), drills.play_precedence(account)
    faults, mishaps = play_faults(), runpy.run_path(str(ROOT / "tests/faults/table.py"))["MISHAPS"]
    return page(
        "faults", simulated=simulated, precedence=precedence, interruptions=interruptions, faults=faults,
        mishaps=mishaps,
    )  # fmt: skip


def with_generated(text: str) -> str:
    """Return a text with what belongs between its marks: the last benchmark, the cost of probes, checks."""
    measured = (ROOT / "bench/results.md").read_text("utf-8")
    sides = [list(probes().values()), [probe for probe in probes().values() if not probe.needs_buyer]]
    parts = {"bench": "\n".join(re.findall(r"(?m)^\|.*", measured)) + "\n"}
    parts |= {"probes": page("probes", sides=sides), "checks": page("checks", checks=ROWS)}
    return MARKED.sub(lambda found: parts[found["name"]], text)


def set_up_picture() -> str:
    """Return the set-up outside of the purchase flow as a picture that every forge shows."""
    buyer, shop_page, shop, pages, api = PARTICIPANTS
    messages = (
        Message(shop, shop_page, "signed payload"),
        Message(buyer, shop_page, "press the button"),
        Message(shop_page, pages, "POST /checkout/initiate"),
        Message(buyer, pages, "sign in, choose, agree"),
        Message(pages, shop, "back at the result address, with the session's id"),
        Message(shop, api, "Complete Checkout Session"),
        Message(api, shop, "Charge Permission", reply=True),
        Message(shop, api, "later, without the buyer: Create Charge"),
        Message(shop, api, "Create Refund"),
    )
    return SequenceDiagram(PARTICIPANTS, messages).svg() + "\n"


def contract() -> str:
    """Return the OpenAPI document, with the messages that both sides are tested against as its examples."""
    messages = {
        path.stem: json.loads(path.read_text("utf-8")) for path in (ROOT / "tests/wire/operations").glob("*.json")
    }
    examples = {name: (row["request"].get("body"), row["response"]["body"]) for name, row in messages.items()}
    return json.dumps(openapi(examples), indent=2, ensure_ascii=False) + "\n"


def generated() -> dict[Path, str]:
    """Return every generated text by its place."""
    # Not imported: as a script this file does not see the tests.
    attacks = runpy.run_path(str(ROOT / "tests/attacks/table.py"))["ATTACKS"]
    return {
        ROOT / "docs/images/set-up-outside.svg": set_up_picture(),
        **{ROOT / "docs/images" / STATE_MAPS[name]: state_picture(machine) for name, machine in MACHINES.items()},
        ROOT / "docs/openapi.json": contract(),
        ROOT / "docs/control.json": json.dumps(control.control_openapi(), indent=2, ensure_ascii=False) + "\n",
        **{ROOT / f"docs/{name}.md": page(name) for name in ("control", "states", "operations", "regions")},
        ROOT / "docs/parity.md": page("parity", seen=recorded(ROOT / "docs/recordings")),
        ROOT / "docs/attacks.md": page("attacks", attacks=attacks),
        ROOT / "docs/faults.md": faults_page(),
        **{path: with_generated(path.read_text("utf-8")) for path in WITH_MARKS},
    }


def regenerate_docs(*, check: bool) -> int:
    """Write the pages that changed or, with *check*, name them."""
    changed = {path: text for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in changed.items():
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'written'}")
        if not check:
            path.write_text(text, "utf-8")
    return int(check and bool(changed))


def main() -> int:
    """Run the command."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("what", choices=["notebooks", "docs"])
    command.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file differs")
    command.add_argument("--folder", type=Path, default=ROOT / "notebooks", help="where the notebooks are")
    chosen = command.parse_args()
    if chosen.what == "docs":
        return regenerate_docs(check=chosen.check)
    return regenerate_notebooks(chosen.folder, check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
