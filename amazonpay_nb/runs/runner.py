"""Run notebooks with parameters, without a person, and say how it went."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from jupyter_core.utils import ensure_event_loop
from tqdm import tqdm  # type: ignore[import-untyped]

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.failure import Failure, claims_of, failure_of, left_in, noted_in, result_of
from amazonpay_nb.runs.folder import forget, report_folder, writable, write_whole
from amazonpay_nb.runs.kernels import FILES_BESIDE, FILES_OF_JOB, execute, kernel_environment, room_for_jobs
from amazonpay_nb.runs.notebook import NO_PROGRAM, Notebook, in_whole_texts, settings_of, title_of, without_secrets
from amazonpay_nb.runs.report import REPORTS, Run, Summary, notebook_page, write_report
from amazonpay_nb.temporary import TemporaryFolder
from amazonpay_nb.workbench.parameters import check_unattended, check_values

_GLANCE_SECONDS = 1.0  # Ctrl-C does not wake a thread that sleeps, if another one took the signal


class Case(NamedTuple):
    """A notebook to execute, with parameters."""

    notebook: Notebook
    texts: Mapping[str, str]
    page: str  # where the executed notebook as a page goes, below the folder of all cases
    key: str = ""  # hexadecimal digits for what the result depends on in a sweep: 16 for the case, 16 for the programs

    def folder(self, out: Path) -> Path:
        """Return the folder of its page, which is there then, and no link."""
        folder = (out / self.page).parent
        for place in [out / part for part in Path(self.page).parents][:-1]:  # the last one is *out*
            if place.is_symlink():
                advice = "Delete it, or choose another folder with --out."
                raise ConfigurationError(f"{place} is a link; what it leads to is not written to.", advice=advice)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __str__(self) -> str:
        values = redact(dict(self.texts)).items()
        return " ".join([self.notebook.path.stem, *(f"{name}={text}" for name, text in values)])


Results = Generator[tuple[Case, Run]]


def run(
    notebooks: Sequence[Path], parameters: Mapping[str, str], *, out: Path, jobs: int = 1,
    say: Callable[[str], object] = lambda line: None, offline: bool = False, warm: bool = False,
) -> Summary:  # fmt: skip
    """Execute *notebooks*, each with *parameters*, *jobs* at a time, and write everything about it into *out*.

    `progress` says what *say* is for, and `kernel_environment` the rest; no more notebooks than *jobs* gain nothing by
    *warm* kernels, and start as ever.  What is not usable raises `ConfigurationError` before anything starts.
    """
    _check_places(notebooks, out)
    forget(out, REPORTS)
    cases = [Case(Notebook.read(path), parameters, f"{path.stem}.html") for path in notebooks]
    for case in cases:
        check_case(case.notebook, parameters)
    started = time.monotonic()
    with report_folder(out, REPORTS):
        played = here(jobs, cases, out, offline=offline, warm=warm)
        runs = {case.page: one for case, one in progress(played, len(cases), say)}
        summary = Summary(tuple(runs[case.page] for case in cases), round(time.monotonic() - started, 3))
        write_report(summary, out, finished=datetime.now(UTC))
    return summary


def jobs_here(wanted: int | None, cases: int) -> int:
    """Return how many of so many cases run at a time: *wanted* ones, or as many as there are cores and open files for.

    Where the system allows too few open files, `ConfigurationError` says so.
    """
    if sys.version_info >= (3, 13):
        cores = os.process_cpu_count()
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    room = room_for_jobs()
    jobs = min(wanted or max(1, min(cores or 1, room)), cases)
    if jobs > room:
        files, allowed = FILES_BESIDE + jobs * FILES_OF_JOB, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        problem = f"{jobs} notebooks at a time need {files} open files, and this system allows {allowed}."
        advice = f"Choose --jobs {room}, or raise the limit." if room else "Raise the limit."
        raise ConfigurationError(problem, advice=advice)
    return max(jobs, 1)


def here(jobs: int | None, cases: Sequence[Case], out: Path, *, offline: bool = False, warm: bool = False) -> Results:
    """Run cases on this machine, as many at a time as `jobs_here` says, and yield each as it ends; see `run`."""
    jobs = jobs_here(jobs, len(cases))
    # No more cases are under way than there are jobs, so that an end is near wherever it comes.
    queue, futures, warm = iter(cases), dict[Future[Run], Case](), warm and len(cases) > jobs
    with ThreadPoolExecutor(jobs) as pool, kernel_environment(offline=offline, warm=warm):
        while True:
            for case in islice(queue, jobs - len(futures)):
                futures[pool.submit(run_one, case.notebook, case.texts, case.folder(out), offline=offline)] = case
            if not futures:
                return
            for future in wait(futures, _GLANCE_SECONDS, FIRST_COMPLETED).done:
                yield futures.pop(future), future.result()


def progress(results: Results, total: int, say: Callable[[str], object]) -> Results:
    """Pass results on with a bar on a terminal; elsewhere, *say* takes a line about each."""
    started = time.monotonic()
    with closing(results), tqdm(total=total, unit="notebook", disable=None) as bar:
        for number, (case, one) in enumerate(results, 1):
            bar.set_postfix_str(f"{one.notebook} {one.status}", refresh=False)
            bar.update()
            if bar.disable:
                ahead = (time.monotonic() - started) / number * (total - number)
                say(f"[{number}/{total}] {case} … {one.status} in {one.seconds:.1f} s, {ahead:.0f} s to go")
            yield case, one


def check_case(notebook: Notebook, texts: Mapping[str, str]) -> None:
    """Check that a run of a notebook, without a person, can have these values, or say what is allowed."""
    notebook.values(texts)
    if not notebook.opens_workbench:
        return  # its names mean what it likes
    check_values(texts)
    saved = settings_of(notebook.unexecuted({}))  # without what an earlier run was given
    check_unattended({name: saved[name] for name in ("environment", "buyer") if name in saved} | dict(texts))
    if {"flow", "outcome"} <= notebook.parameters.keys():
        from amazonpay_nb.lessons.scenario import check_scenario

        check_scenario(texts)


def check_names(notebooks: Sequence[Path]) -> None:
    """Check that no two notebooks would write the same files."""
    for number, path in enumerate(notebooks):
        if path.stem in {other.stem for other in notebooks[:number]}:
            raise ConfigurationError(f"{path.stem} is named twice, and both runs would write the same files")


def _check_places(notebooks: Sequence[Path], out: Path) -> None:
    if not notebooks:
        raise ConfigurationError("there is no notebook to run")
    check_names(notebooks)
    for path in notebooks:
        if path.resolve().parent == out.resolve():
            raise ConfigurationError(f"the executed notebooks would replace those in {out}; choose another folder")
        if len({path.name, f"{path.stem}.html", *REPORTS}) < len(REPORTS) + 2:
            raise ConfigurationError(f"the files of {path} would replace the report of the run; give it another name")
        if (written := out / f"{path.stem}.ipynb").is_file() and not is_result(written):
            problem = f"{written} is a notebook of your own, and the executed one would replace it."
            raise ConfigurationError(problem, advice="Choose another folder with --out, or move it away.")


def is_result(path: Path) -> bool:
    """Return whether a run has written a notebook; `keep` says so in each."""
    try:
        return "papermill" in json.loads(path.read_bytes())["metadata"]
    except (KeyError, OSError, TypeError, *NO_PROGRAM):
        return False


def run_one(notebook: Notebook, texts: Mapping[str, str], folder: Path, *, offline: bool = False) -> Run:
    """Execute one notebook and write it and its page into *folder*, whether it passes or fails.

    *texts* are for its parameters, or else for settings that it leaves alone.  Call it from a thread or process of its
    own, where no event loop is running; it raises OSError where *folder* has no room, and `ConfigurationError` where
    there is none for temporary files.
    """
    started = time.monotonic()
    home, written = notebook.path.parent.resolve(), folder / f"{notebook.path.stem}.ipynb"
    journal = written.with_suffix(".journal.jsonl")
    journal.unlink(missing_ok=True)  # of an earlier run, or somebody else's link
    values, stopped = notebook.values(texts), None
    # What cells print is nowhere else until its secrets are masked.
    with closing(TemporaryFolder()) as hidden:
        names = (written.name, journal.name, ".connections", ".notes")
        executed, exchanges, connections, notes = (hidden.path / name for name in names)
        files = {"JOURNAL": exchanges, "OFFLINE": connections, "NOTES": notes}
        variables = {f"AMAZONPAY_NB_{name}": str(file) for name, file in files.items()}
        try:
            # Jupyter makes an event loop for this thread and leaves it open.
            with closing(ensure_event_loop()):
                execute(notebook.unexecuted(texts), home, executed, values, variables)
        except Exception as error:  # noqa: BLE001 (of a cell, which says more; of a kernel that died or is stuck)
            stopped = Failure(redact(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"))
        try:
            document = nbformat.read(executed, as_version=4)
            document.metadata.setdefault("papermill", {}).update(noted_in(notes))  # not there where the kernel died
            document = without_secrets(in_whole_texts(document))
        except (OSError, ValueError):
            problem = f"{hidden.path.parent} cannot keep {written.stem}: {stopped.message if stopped else 'no room'}"
            advice = "Make room there, or set TMPDIR to another folder."
            raise ConfigurationError(problem, advice=advice) from None
        failure = failure_of(document) or stopped
        if offline and not (connections.exists() or failure):
            failure = Failure("Its kernel does not take PYTHONPATH from this run, so nobody saw what it connects to.")
        if connections.exists() and (lines := connections.read_text("utf-8", "replace").splitlines()):
            hosts = ", ".join(dict.fromkeys(lines))
            failure = Failure(f"It tried to connect to {hosts}, and this run is offline.")
        if exchanges.exists():
            write_whole(journal, exchanges.read_bytes())
    try:
        return keep(notebook, texts, document, folder, failure, started)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 (a cell shows whatever it likes; the other notebooks have results, too)
        failure = Failure(f"What its cells show can be in no page: {type(error).__name__}.")
        bare = without_secrets(notebook.unexecuted(texts))
        bare.metadata["papermill"] = document.metadata["papermill"]
        return keep(notebook, texts, bare, folder, failure, started)


def keep(
    notebook: Notebook, texts: Mapping[str, str], document: Any, folder: Path, failure: Failure | None, started: float
) -> Run:
    """Write a notebook that has ended, and its page, into *folder*; return its run, which began at *started*."""
    name, written, claims = notebook.path.stem, folder / f"{notebook.path.stem}.ipynb", claims_of(document)
    notes = document.metadata.setdefault("papermill", {})  # not there where the kernel did not start, or died
    if failure and failure != failure_of(document):  # no cell shows it, and others see the notebook alone
        notes["failure"] = redact(failure.message)
    read = nbformat.reads(writable(nbformat.writes(document)), as_version=4)  # as others will
    notes["cells"] = left_in(read)
    write_whole(written, nbformat.writes(document) + "\n")
    page = notebook_page(document, name, notebook.path.parent.resolve(), failure=failure)
    write_whole(written.with_suffix(".html"), page)
    parameters, seconds = redact(dict(texts) | notebook.values(texts)), round(time.monotonic() - started, 3)
    about = {"title": title_of(document), "environment": str(settings_of(document).get("environment", ""))}
    return Run(name, parameters, seconds, failure, claims, result_of(document), **about)
