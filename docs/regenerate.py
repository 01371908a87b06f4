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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from amazonpay_nb.rehearsal.play import ROWS
from amazonpay_nb.runs import recordings
from amazonpay_nb.runs.kernels import RunKernel, kernel_environment
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.spec.machine import NEW, FollowUp, Machine
from amazonpay_nb.spec.money import (
    CHARGE_CEILINGS,
    CURRENCY_DECIMALS,
    MONTHLY_LIMITS,
    RECURRING_MONTHLY_LIMITS,
    REFUND_CEILINGS,
)
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES
from amazonpay_nb.spec.parity import Evidence, behavior, behaviors, topics, ways_to_raise
from amazonpay_nb.spec.reasons import (
    BODY_REASONS,
    COMMON_REASONS,
    OPERATION_REASONS,
    REASONS,
    STATE_REASONS,
    reasons_of,
    recovery_for,
)
from amazonpay_nb.spec.regions import REGIONS, Region
from amazonpay_nb.spec.simulations import ANYWHERE, CARDS, SIMULATION_HEADER, SIMULATIONS
from amazonpay_nb.spec.states import MACHINES, TIMERS
from amazonpay_nb.workbench.show.blocks import render
from docs.control import control_openapi, sections
from docs.openapi import openapi

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Written by `make docs` from the tables in amazonpay_nb/spec; change those. -->"
WITH_MARKS = [ROOT / name for name in ("README.md", "docs/recording.md", "docs/own-server.md")]
MARKED = re.compile(r"(?<=-->\n)(?:(?!<!-- ).)*?(?=<!-- end (?P<name>\w+) -->)", re.DOTALL)
STATE_MAPS = {name: f"states-{name.lower().replace(' ', '-')}.svg" for name in MACHINES}
INK = "<style>svg{color:#1f2328}@media (prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"

EVIDENCE = {
    Evidence.DOCUMENTED: "Stated on a page of Amazon's own guide.",
    Evidence.SDK: "Found in the source code of an official SDK.",
    Evidence.RECORDED: "Seen in traffic, a plug-in, an issue or an FAQ.",
    Evidence.INFERRED: "Our reasoning where the guide is silent: one constant or row, easy to correct.",
    Evidence.EMULATOR_ONLY: "Exists only in the emulator, for learning and testing, and not at Amazon.",
}

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
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(path.parent)}},
        kernel_manager_class=RunKernel,
    )
    # Jupyter makes an event loop for this thread and leaves it open.
    with closing(ensure_event_loop()):
        client.execute()
    for cell in notebook.cells:
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
    with kernel_environment(), ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
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


def table(heading: str, rows: Sequence[Iterable[object]]) -> str:
    """Return a Markdown table; an empty cell holds a dash, and a table without rows is nothing."""
    lines = [" | ".join(str(cell).replace("|", "\\|") or "–" for cell in row) for row in rows]
    rule = " | ".join("---" for _ in heading.split(" | "))
    return "\n".join(f"| {line} |" for line in (heading, rule, *lines)) if lines else ""


def code(*words: object) -> str:
    """Return words in code type, separated by commas."""
    return ", ".join(f"`{word}`" for word in words if word)


def link(text: str, url: str) -> str:
    """Return a link, or the text alone where there is no address."""
    return f"[{text}]({url})" if url else text


def page(title: str, *parts: str, note: str = NOTE) -> str:
    """Return a whole page."""
    return "\n\n".join(filter(None, (f"# {title}", note, *parts))) + "\n"


def state_map(machine: Machine) -> str:
    """Return a machine as an SVG in the reader's colors; beside each state is what leads there from another."""
    notes, ways = {NEW: ""}, dict.fromkeys((row.source, row.target) for row in machine.rows if row.source != row.target)
    for state in machine.states:
        into = (f"{row.trigger} ({row.actor})" for row in machine.rows if row.target == state != row.source)
        first, *more = dict.fromkeys(into)
        notes[state] = first + (f", and {len(more)} more" if more else "")
    title, text = f"The states of a {machine.name}", "; ".join(map(": ".join, notes.items()))
    svg = render("states.svg.j2", title=title, text=text, here=None, notes=notes, ways=list(ways))
    return svg.replace("<title>", f"{INK}<title>", 1).replace(' opacity="0.6"', "") + "\n"


def parity_page() -> str:
    """Return every claim about Amazon Pay with its evidence."""
    rows = behaviors()
    levels = [(level, sum(row.evidence == level for row in rows), meaning) for level, meaning in EVIDENCE.items()]
    raised = [(way, sum(row.raised_by == way for row in rows), meaning) for way, meaning in ways_to_raise().items()]
    seen = recorded(ROOT / "docs/recordings")
    inferred = {row.id for row in rows if row.evidence == Evidence.INFERRED}
    sections = (f"## {heading}\n\n{claims(topic, seen)}" for topic, heading in topics().items())
    return page(
        "What Amazon Pay does, and how we know",
        f"Here are {len(rows)} claims about Amazon Pay, and how far each can be trusted.\n"
        "A source is the short name of a page of Amazon's guide, or of another place where we found the claim.\n"
        f"Tests check {sum(bool(row.test) for row in rows)} of them on the emulator; the others say why no test does.",
        table("Evidence | Claims | Meaning", levels),
        "An inferred claim has a word for what could raise it, in parentheses.",
        table("What could raise it | Claims | Meaning", raised),
        "The last column says what recordings of Amazon's Sandbox show of a claim: "
        f"{len(seen)} can be recorded, {len(seen.keys() & inferred)} of the {len(inferred)} inferred ones among them.\n"
        "Where it names a probe, nobody has sent a recording yet: with an account, `amazonpay-nb parity` makes one, "
        "and [recording.md](recording.md) says how.",
        *sections,
    )


def recorded(folder: Path) -> dict[str, str]:
    """Return what the Sandbox's recordings in a folder show of each claim that a probe reaches, or else the probe."""
    shown: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        recording = recordings.read(path)
        if recording["target"]["environment"] != "sandbox":
            continue
        verdict, where = (
            recordings.claimed(recording),
            f"{recording['target']['region']}, {recording['recordedAt'][:10]}",
        )
        words = dict.fromkeys(verdict["equal"], "as claimed") | {row["id"]: "otherwise" for row in verdict["different"]}
        for claim, word in words.items():
            shown.setdefault(claim, []).append(link(f"{word} ({where})", f"recordings/{path.name}"))
    reachable = {claim: f"not yet: {code(probe.id)}" for probe in probes().values() for claim in probe.claims}
    return reachable | {claim: "; ".join(places) for claim, places in shown.items()}


def claims(topic: str, seen: Mapping[str, str]) -> str:
    """Return the claims of one topic, with what was *seen* of them in the Sandbox."""
    return table(
        "Id | Claim | Evidence | Source | Read on | Test, or the reason for having none | Recorded",
        [
            (
                f'<a id="{row.id}"></a>{code(row.id)}',
                row.sentence,
                f"{row.evidence} ({row.raised_by})" if row.raised_by else row.evidence,
                link(row.source, row.url),
                row.read_on,
                code(row.test) or row.why_not,
                seen.get(row.id, ""),
            )
            for row in behaviors(topic)
        ],
    )


def states_page() -> str:
    """Return the five machines."""
    return page(
        "The states of the five objects",
        "An object is in one state at a time; a row says what moves it, who moves it, and to which state.\n"
        "A state refuses every call for which it has no row.",
        *(part for machine in MACHINES.values() for part in states_of(machine)),
    )


def states_of(machine: Machine) -> Iterator[str]:
    """Give one machine's picture, transitions, timers and reasons."""
    yield f"## {machine.name}"
    yield f"![The states of a {machine.name}, and what leads to each](images/{STATE_MAPS[machine.name]})"
    yield table(
        "State | What happens | By | Next state | Reason code | And then",
        [
            (
                row.source,
                row.trigger,
                row.actor,
                row.target,
                code(*filter(None, (row.reason, row.resolution))),
                "; ".join(map(follow_up, row.then)),
            )
            for row in machine.rows
        ],
    )
    for timer in TIMERS:
        if timer.machine == machine.name:
            yield f'After {duration(timer.after)} in {timer.state}: "{timer.trigger}".'
    yield table(
        "State | Reason code | Meaning | What to do | Evidence",
        [
            (row.state, code(row.code), row.meaning, row.next_step, row.evidence)
            for row in STATE_REASONS
            if row.object == machine.name
        ],
    )


def duration(after: timedelta) -> str:
    """Return a timer's length in its natural unit."""
    for unit, length in (("days", timedelta(days=1)), ("hours", timedelta(hours=1))):
        if after > length:
            return f"{after // length} {unit}"
    return f"{after.seconds} seconds"


def follow_up(then: FollowUp) -> str:
    """Return what a row pulls on a related object."""
    return f"{then.machine}: {then.trigger}" + (f" (if `{then.when}`)" if then.when else "")


def operations_page() -> str:
    """Return the calls, what they may answer, and how to make them misbehave."""
    calls = [
        (row.title, code(f"{row.method} {row.path}"), row.success, row.pending or "", row.idempotency, code(row.body),
         row.acts_on)
        for row in OPERATIONS.values()
    ]  # fmt: skip
    refusals = [
        (code(row.code), ", ".join(map(str, row.status_codes)), row.meaning, row.retry, row.next_step,
         row.tell_the_buyer, row.evidence)
        for row in REASONS.values()
    ]  # fmt: skip
    by_call = [
        (code(name), code(reason), recovery.meaning, recovery.next_step, recovery.tell_the_buyer)
        for name in OPERATIONS
        for reason in reasons_of(name)
        if (recovery := recovery_for(reason, REASONS[reason].status_codes[0], name)) is not REASONS[reason]
    ]
    simulations = [
        (code(row.operation), code(row.code), row.status, code(row.reason_code),
         " → ".join(filter(None, (row.state, row.later_state))), code(row.later_reason), row.note, row.evidence)
        for row in SIMULATIONS.values()
    ]  # fmt: skip
    cards = [(code(row.descriptor), row.effect, row.prerequisite, row.evidence) for row in CARDS.values()]
    return page(
        "Operations, refusals and simulations",
        "## Operations",
        table("Operation | Call | Done | Accepted | Idempotency key | Body | Acts on", calls),
        "## Refusals",
        f"Any operation may answer {code(*COMMON_REASONS)}.",
        f"An operation with a body may also answer {code(*BODY_REASONS)}.\nThese come on top:",
        table("Operation | Reason codes", [(code(name), code(*codes)) for name, codes in OPERATION_REASONS.items()]),
        "What each one means, and what to do:",
        table("Reason code | Status | Meaning | Send again | What to do | What to tell the buyer | Evidence", refusals),
        "Where the advice depends on the call:",
        table("Operation | Reason code | Meaning | What to do | What to tell the buyer", by_call),
        "## Simulation codes",
        f"Send a code in the header {code(SIMULATION_HEADER)}, in the Sandbox or in the emulator.",
        table("Operation | Code | Status | Refused with | States | Reason | Note | Evidence", simulations),
        f"In the emulator, any operation also accepts {code(*ANYWHERE)}, and is refused with that reason code.",
        "## Simulated cards",
        table("Payment method | Effect | Needs | Evidence", cards),
    )


def faults_page() -> str:
    """Return what is provoked on an emulator, played just now, and how each ends."""
    from amazonpay_nb import lessons as drills

    with drills.MerchantAccount.new(listens=True) as account:
        simulated = [*drills.play_cards(account), *drills.play_codes(account)]
        interruptions, precedence = drills.play_interruptions(account), drills.play_precedence(account)
    faults, mishaps = drills.play_faults(), runpy.run_path(str(ROOT / "tests/faults/table.py"))["MISHAPS"]
    return page(
        "What goes wrong, and what follows",
        "Every row but those of the last table was played on an emulator in North America when this page was written.\n"
        "Notebook 08 plays the same rows in any region.\n"
        "`make docs` writes the page, and `make check` fails if a row ends differently.",
        "## Simulations",
        "An arrow points to the state 30 seconds later.",
        rows_of(simulated),
        "A header takes precedence over a queued outcome, and a queued outcome over the card:",
        rows_of(precedence),
        "## What only Amazon, the buyer or time can cause",
        rows_of(interruptions),
        "## Faults",
        "Each operation is sent with each fault, and then again with the same idempotency key or with a new one.\n"
        "The objects, not the answers, show what moved.\n"
        f"{sum(row.as_expected for row in faults)} of {len(faults)} rows end as the idempotency rules require.",
        rows_of(faults),
        "## What happens to this machine",
        "A test makes each of these happen; the rows are in tests/faults/table.py.",
        table("What | Result | Test", [(row.what, row.result, code(row.test)) for row in mishaps]),
    )


def control_page() -> str:
    """Return the calls of the control interface, each with an example that was played just now."""
    return page(
        "The control interface",
        "What only Amazon, the bank, the buyer, the network or time can do, you do here, apart from the emulated API "
        "and with the token of the ready file.\n"
        "`amazonpay-nb control` makes most of these calls from a shell, `emulator.control` from Python, and "
        "[control.json](control.json) describes them to other tools.",
        "```console\n"
        "amazonpay-nb emulator --seed 7 --ready-file ready.json &\n"
        "CONTROL=$(jq -r .controlUrl ready.json) TOKEN=$(jq -r .controlToken ready.json)\n"
        "amazonpay-nb control clock PT1H --ready-file ready.json\n"
        "```",
        'A refusal has a status of 400 to 409 and a body `{"error": sentence}`; without the token, from a page or '
        "under a name that is not this machine's it is 401 or 403.\n"
        "A list in an answer shows its last item here, a stored object its ids and its state.",
        *sections(),
        note="<!-- Written by `make docs` from amazonpay_nb/emulator/control.py; change that. -->",
    )


def attacks_page() -> str:
    """Return every attack that is refused, by the promise of SECURITY.md that it would break."""
    # Not imported: as a script this file does not see the tests.
    attacks = runpy.run_path(str(ROOT / "tests/attacks/table.py"))["ATTACKS"]
    promises = dict.fromkeys(attack.promise for attack in attacks)
    by_promise = (
        f"## {promise.rstrip('.')}\n\n"
        + table(
            "Id | Attack | Result | Test",
            [(code(row.id), row.attempt, row.answer, code(row.test)) for row in attacks if row.promise == promise],
        )
        for promise in promises
    )
    return page(
        "The attacks that are refused",
        f"Here are {len(attacks)} attacks on the {len(promises)} promises of [SECURITY.md](../SECURITY.md).\n"
        "A test makes each attack, usually over real HTTP, and `make proofs` runs all of them.",
        *by_promise,
        note="<!-- Written by `make docs` from tests/attacks/table.py; change that. -->",
    )


def rows_of(things: Sequence[Any]) -> str:
    """Return instances of a dataclass or named tuple as a table, a column for each field."""
    names = getattr(things[0], "_fields", None) or [field.name for field in fields(things[0])]
    heading = " | ".join(name.replace("_", " ").capitalize() for name in names)
    return table(heading, [[getattr(thing, name) for name in names] for thing in things])


def regions_page() -> str:
    """Return hosts, languages, currencies, limits and quotas."""
    regions = list(REGIONS.values())
    facts: dict[str, Callable[[Region], str]] = {
        "Name": lambda row: row.name,
        "Other codes in the SDKs": lambda row: code(*row.aliases),
        "API": lambda row: code(row.api_host),
        "`checkout.js`": lambda row: code(row.checkout_script_host),
        "Hosted pages": lambda row: code(row.hosted_host),
        "Ledger currencies": lambda row: code(*row.ledger_currencies),
        "Currencies": lambda row: code(*row.currencies),
        "Languages": lambda row: code(*row.languages),
        "A set-up ends with a challenge (PSD2)": lambda row: "yes" if row.psd2 else "no",
        "Update page": lambda row: "yes" if row.update_page else "no",
        "Page of the buyer's account": lambda row: code(row.account_page),
        "Digits after the letter of an id": lambda row: code(row.id_digits),
        "Required in `addressDetails`": lambda row: code(*row.required_address_fields),
    }
    limits = [
        (code(region), code(currency), CURRENCY_DECIMALS[currency],
         *(f"{amount:,}" for amount in (limit, RECURRING_MONTHLY_LIMITS[region, currency],
                                        CHARGE_CEILINGS[currency], REFUND_CEILINGS[currency])))
        for (region, currency), limit in MONTHLY_LIMITS.items()
    ]  # fmt: skip
    quotas = [
        (code(row.operation), *astuple(row.live), *(astuple(row.sandbox) if row.sandbox else ("", "")), row.evidence)
        for row in THROTTLES.values()
    ]
    return page(
        "Regions, limits and quotas",
        table(" | ".join(["", *map(code, REGIONS)]), [(name, *map(of, regions)) for name, of in facts.items()]),
        "## Limits",
        "Amounts are in major units; a monthly limit applies to one Charge Permission.",
        behavior("region.limit-month").sentence,
        table("Region | Currency | Decimals | Saved Wallet, monthly | Recurring, monthly | Charge | Refund", limits),
        "## Quotas",
        "Quotas apply to one pair of a seller account and a developer account; in the emulator, a merchant account is "
        "both, and `--throttle` enforces them.",
        table("Operation | Live: burst | Live: per second | Sandbox: burst | Sandbox: per second | Evidence", quotas),
    )


def with_generated(text: str) -> str:
    """Return a text with what belongs between its marks: the last benchmark, the cost of probes, checks."""
    measured = (ROOT / "bench/results.md").read_text("utf-8")
    parts = {"bench": "\n".join(re.findall(r"(?m)^\|.*", measured)), "probes": costs()}
    parts["checks"] = checks()
    return MARKED.sub(lambda found: f"{parts[found['name']]}\n", text)


def costs() -> str:
    """Return how many calls and visits the probes take, all of them and those that need nobody."""
    sides = [list(probes().values()), [probe for probe in probes().values() if not probe.needs_buyer]]
    steps = [[step for probe in side for step in probe.steps] for side in sides]
    return table(
        " | All probes | Without a buyer",
        [
            ("Probes", *map(len, sides)),
            ("Calls", *(sum(step.times for step in side if step.send) for side in steps)),
            ("Visits to Amazon's pages, by you", *(str(sum(bool(step.visit) for step in side)) for side in steps)),
        ],
    )


def checks() -> str:
    """Return the checks of a rehearsal."""
    rows = [
        (code(row.id), row.expected, row.severity, f"{row.why} {link('Guide', row.guide)}") for row in ROWS.values()
    ]
    return table("Check | A right server | At stake | Why", rows)


def set_up_picture() -> str:
    """Return the set-up outside of the purchase flow as a picture that every forge shows."""
    from amazonpay_nb.client.journal import (
        AMAZON_PAY_API,
        AMAZON_PAY_PAGES,
        BUYER,
        PARTICIPANTS,
        SHOP_PAGE,
        SHOP_SERVER,
    )
    from amazonpay_nb.workbench.diagrams import Message, SequenceDiagram

    messages = (
        Message(SHOP_SERVER, SHOP_PAGE, "signed payload"),
        Message(BUYER, SHOP_PAGE, "press the button"),
        Message(SHOP_PAGE, AMAZON_PAY_PAGES, "POST /checkout/initiate"),
        Message(BUYER, AMAZON_PAY_PAGES, "sign in, choose, agree"),
        Message(AMAZON_PAY_PAGES, SHOP_SERVER, "back at the result address, with the session's id"),
        Message(SHOP_SERVER, AMAZON_PAY_API, "Complete Checkout Session"),
        Message(AMAZON_PAY_API, SHOP_SERVER, "Charge Permission", reply=True),
        Message(SHOP_SERVER, AMAZON_PAY_API, "later, without the buyer: Create Charge"),
        Message(SHOP_SERVER, AMAZON_PAY_API, "Create Refund"),
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
    return {
        ROOT / "docs/images/set-up-outside.svg": set_up_picture(),
        **{ROOT / "docs/images" / STATE_MAPS[name]: state_map(machine) for name, machine in MACHINES.items()},
        ROOT / "docs/openapi.json": contract(),
        ROOT / "docs/control.json": json.dumps(control_openapi(), indent=2, ensure_ascii=False) + "\n",
        ROOT / "docs/control.md": control_page(),
        ROOT / "docs/parity.md": parity_page(),
        ROOT / "docs/states.md": states_page(),
        ROOT / "docs/operations.md": operations_page(),
        ROOT / "docs/regions.md": regions_page(),
        ROOT / "docs/faults.md": faults_page(),
        ROOT / "docs/attacks.md": attacks_page(),
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
