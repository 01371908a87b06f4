"""Run notebooks with parameters, without a person, and say how it went."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from jupyter_core.utils import ensure_event_loop
from tqdm import tqdm  # type: ignore[import-untyped]

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.failure import Failure, claims_of, failure_of, result_of
from amazonpay_nb.runs.folder import report_folder, write_whole
from amazonpay_nb.runs.kernels import execute, kernel_environment
from amazonpay_nb.runs.notebook import Notebook, settings_of, title_of, without_secrets
from amazonpay_nb.runs.report import REPORTS, Run, Summary, notebook_page, write_report
from amazonpay_nb.temporary import TemporaryFolder
from amazonpay_nb.workbench.parameters import check_unattended, check_values


def run(
    notebooks: Sequence[Path], parameters: Mapping[str, str], *, out: Path, jobs: int = 1, progress: bool = True,
    offline: bool = False, warm: bool = False,
) -> Summary:  # fmt: skip
    """Execute *notebooks*, each with *parameters*, and write everything about it into *out*.

    Args:
        parameters: Name to text; every notebook must have each of them.
        out: Takes the executed notebooks, their pages and the report; files of an earlier run are replaced.
        jobs: How many kernels at a time.
        progress: Show a bar on a terminal, and a line for each finished notebook elsewhere.
        offline: A notebook that tries to connect to another machine fails.
        warm: See `kernel_environment`; no more notebooks than *jobs* gain nothing, and start as ever.
    Raises:
        ConfigurationError: A notebook or a parameter is not usable; nothing was started.
    """
    _check_places(notebooks, out)
    documents = [Notebook.read(path) for path in notebooks]
    for notebook in documents:
        check_case(notebook, parameters)
    started = time.monotonic()
    # None shows the bar on a terminal only.
    bar = tqdm(total=len(notebooks), unit="notebook", disable=None if progress else True)
    environment = kernel_environment(offline=offline, warm=warm and len(notebooks) > jobs)
    with report_folder(out, REPORTS), ThreadPoolExecutor(jobs) as pool, environment, bar:
        futures = [pool.submit(run_one, notebook, parameters, out) for notebook in documents]
        try:
            for number, future in enumerate(as_completed(futures), 1):
                one = future.result()
                bar.set_postfix_str(f"{one.notebook} {one.status}", refresh=False)
                bar.update()
                if progress and bar.disable:
                    place = f"[{number}/{len(notebooks)}]"
                    print(f"{place} {one.notebook} … {one.status} in {one.seconds:.1f} s", flush=True)
        finally:
            # Its threads end when the kernels do, at the end of their environment.
            pool.shutdown(wait=False, cancel_futures=True)
        summary = Summary(tuple(future.result() for future in futures), round(time.monotonic() - started, 3))
        write_report(summary, out, finished=datetime.now(UTC))
    return summary


def check_case(notebook: Notebook, texts: Mapping[str, str]) -> None:
    """Check that a run of a notebook, without a person, can have these values.

    Raises:
        ConfigurationError: It cannot; the message names the parameter and what is allowed.
    """
    notebook.values(texts)
    check_values(texts)
    check_unattended(texts)
    if {"flow", "outcome"} <= notebook.parameters.keys():
        from amazonpay_nb.lessons.scenario import check_scenario

        check_scenario(texts)


def _check_places(notebooks: Sequence[Path], out: Path) -> None:
    if not notebooks:
        raise ConfigurationError("there is no notebook to run")
    for number, path in enumerate(notebooks):
        if path.stem in {other.stem for other in notebooks[:number]}:
            raise ConfigurationError(f"{path.stem} is named twice, and both runs would write the same files")
        if path.resolve().parent == out.resolve():
            raise ConfigurationError(f"the executed notebooks would replace those in {out}; choose another folder")


def run_one(notebook: Notebook, texts: Mapping[str, str], folder: Path) -> Run:
    """Execute one notebook and write it and its page into *folder*, whether it passes or fails.

    Call it from a thread or process of its own, where no event loop is running.

    Args:
        texts: By name: for parameters of the notebook, else for settings that it leaves alone.
    Raises:
        ConfigurationError: There is no room for temporary files.
        OSError: There is none in *folder*.
    """
    started = time.monotonic()
    home, written = notebook.path.resolve().parent, folder / notebook.path.name
    journal, connections = (written.with_suffix(ending) for ending in (".journal.jsonl", ".connections"))
    journal.unlink(missing_ok=True)
    files = {"AMAZONPAY_NB_JOURNAL": str(journal.resolve()), "AMAZONPAY_NB_OFFLINE": str(connections.resolve())}
    values, stopped = notebook.values(texts), None
    # What cells print is nowhere else until its secrets are masked.
    with TemporaryFolder() as hidden:
        executed = hidden.path / written.name
        try:
            # Jupyter makes an event loop for this thread and leaves it open.
            with closing(ensure_event_loop()):
                execute(notebook.unexecuted(texts), home, executed, values, files)
        except papermill.PapermillExecutionError:
            pass  # a cell failed, and holds its error
        except (RuntimeError, OSError, zmq.Again) as error:  # the kernel died or is stuck, or a cell took too long
            stopped = Failure(redact(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"))
        try:
            document = without_secrets(nbformat.read(executed, as_version=4))
        except (OSError, ValueError):
            problem = f"{hidden.path.parent} cannot keep {written.stem}: {stopped.message if stopped else 'no room'}"
            advice = "Make room there, or set TMPDIR to another folder."
            raise ConfigurationError(problem, advice=advice) from None
    failure = failure_of(document) or stopped
    if connections.exists():
        hosts = ", ".join(dict.fromkeys(connections.read_text("utf-8").splitlines()))
        failure = Failure(f"It tried to connect to {hosts}, and this run is offline.")
        connections.unlink()
    return keep(notebook, texts, document, folder, failure, started)


def keep(
    notebook: Notebook, texts: Mapping[str, str], document: Any, folder: Path, failure: Failure | None, started: float
) -> Run:
    """Write a notebook that has ended, and its page, into *folder*; return its run, which began at *started*."""
    name, written, claims = notebook.path.stem, folder / notebook.path.name, claims_of(document)
    write_whole(written, nbformat.writes(document) + "\n")
    write_whole(written.with_suffix(".html"), notebook_page(document, name, notebook.path.resolve().parent))
    broken = (
        Failure(f"claim {claim.id} does not hold: {claim.text}", claim=claim.id)
        for claim in claims
        if claim.ok is False
    )
    parameters, seconds = redact(dict(texts) | notebook.values(texts)), round(time.monotonic() - started, 3)
    about = {"title": title_of(document), "environment": str(settings_of(document).get("environment", ""))}
    return Run(name, parameters, seconds, failure or next(broken, None), claims, result_of(document), **about)
