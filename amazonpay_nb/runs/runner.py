"""Run notebooks with parameters, without a person, and say how it went.

Kernels are started from threads of one process: there, jupyter_client keeps track of the ports that it hands out, which
it cannot do across processes.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from tenacity import retry, retry_if_exception_message, stop_after_attempt
from tqdm import tqdm  # type: ignore[import-untyped]
from traitlets.config import Config

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.notebook import Notebook, outputs_of
from amazonpay_nb.runs.report import Run, Summary, notebook_page, write_report, write_whole
from amazonpay_nb.workbench.claims import RECORD_MIME, Claim

# A cell that takes longer is stuck, because no person is there to help.
CELL_TIMEOUT_SECONDS = 600
# jupyter_client's message when another process took one of the kernel's ports first.
_PORT_RACE = "Kernel died before replying to kernel_info"
# Terminal colors, and what neither XML nor a terminal can show.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def run(
    notebooks: Sequence[Path], parameters: Mapping[str, str], *, out: Path, jobs: int = 1, progress: bool = True
) -> Summary:
    """Execute *notebooks*, each with *parameters*, and write everything about it into *out*.

    Args:
        parameters: Name to text; every notebook must have each of them.
        out: Takes the executed notebooks, their pages and the report; files of an earlier run are replaced.
        jobs: How many kernels at a time.
        progress: Show a bar on a terminal, and a line for each finished notebook elsewhere.
    Raises:
        ConfigurationError: A notebook or a parameter is not usable; nothing was started.
    """
    _check_places(notebooks, out)
    values = [Notebook.read(path).values(parameters) for path in notebooks]
    out.mkdir(parents=True, exist_ok=True)
    # Delete the old verdict first: an interrupted run has no verdict.
    (out / "summary.json").unlink(missing_ok=True)
    started = time.monotonic()
    # None shows the bar on a terminal only.
    bar = tqdm(total=len(notebooks), unit="notebook", disable=None if progress else True)
    with kernel_environment(), bar, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_one, path, own, out) for path, own in zip(notebooks, values, strict=True)]
        try:
            for number, future in enumerate(as_completed(futures), 1):
                one = future.result()
                bar.set_postfix_str(f"{one.notebook} {one.status}", refresh=False)
                bar.update()
                if progress and bar.disable:
                    place = f"[{number}/{len(notebooks)}]"
                    print(f"{place} {one.notebook} … {one.status} in {one.seconds:.1f} s", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)
    summary = Summary(tuple(future.result() for future in futures), round(time.monotonic() - started, 3))
    write_report(summary, out, finished=datetime.now(UTC))
    return summary


def _check_places(notebooks: Sequence[Path], out: Path) -> None:
    if not notebooks:
        raise ConfigurationError("there is no notebook to run")
    for number, path in enumerate(notebooks):
        if path.stem in {other.stem for other in notebooks[:number]}:
            raise ConfigurationError(f"{path.stem} is named twice, and both runs would write the same files")
        if path.resolve().parent == out.resolve():
            raise ConfigurationError(f"the executed notebooks would replace those in {out}; choose another folder")


@contextmanager
def kernel_environment() -> Iterator[None]:
    """Give the kernels of this process an environment without a person's traces.

    A reader's IPython start-up files must not change what a notebook does, and a kernel must not take this for a
    JupyterLab session, in which it would wait for a person to play the buyer.  Whatever a killed kernel leaves in its
    temporary folder, an emulated key for example, is deleted with that folder.
    """
    kept = {name: os.environ.pop(name, None) for name in ("IPYTHONDIR", "JPY_SESSION_NAME", "TMPDIR")}
    # A kernel that was just killed may still hold a file of its folder.
    with TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True) as folder:
        os.environ["IPYTHONDIR"] = os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            del os.environ["IPYTHONDIR"], os.environ["TMPDIR"]
            os.environ.update({name: value for name, value in kept.items() if value is not None})


def run_one(notebook: Path, values: Mapping[str, Any], folder: Path) -> Run:
    """Execute one notebook and write it and its page into *folder*, whether it passes or fails.

    Call it from a thread or process of its own, where no event loop is running.

    Args:
        values: Name to value, in the notebook's types.
    """
    started = time.monotonic()
    executed = folder / notebook.name
    stopped = None
    try:
        # Jupyter makes an event loop for this thread and leaves it open.
        with closing(ensure_event_loop()):
            execute(notebook, executed, values)
    except papermill.PapermillExecutionError:
        pass  # a cell failed, and holds its error
    except (RuntimeError, OSError) as error:  # the kernel died, or a cell took too long
        stopped = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    document = nbformat.read(executed, as_version=4)
    claims, result = _records(document)
    broken = next((f"claim {claim.id} does not hold: {claim.text}" for claim in claims if not claim.ok), None)
    error_text = error_of(document) or stopped or broken
    write_whole(executed.with_suffix(".html"), notebook_page(document, notebook.stem, notebook.resolve().parent))
    return Run(notebook.stem, dict(values), round(time.monotonic() - started, 3), error_text, claims, result)


@retry(retry=retry_if_exception_message(match=f".*{_PORT_RACE}"), stop=stop_after_attempt(2), reraise=True)
def execute(notebook: Path, executed: Path, values: Mapping[str, Any]) -> None:
    """Execute *notebook* with *values* as its parameters and write it, with its outputs, to *executed*.

    Raises:
        papermill.PapermillExecutionError: A cell failed; what ran until then is written.
    """
    # A kernel that dies loses its results; the report still has a notebook to show.
    shutil.copyfile(notebook, executed)
    papermill.execute_notebook(
        notebook,
        executed,
        parameters=dict(values),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=CELL_TIMEOUT_SECONDS,
        # Written once, at the end: papermill would write the whole file at every cell.
        request_save_on_cell_execute=False,
        autosave_cell_every=0,
        # A kernel sends a text in pieces of any size; whole, the same run gives the same notebook.
        coalesce_streams=True,
        # A graceful end stalls some kernels for three seconds.
        shutdown_kernel="immediate",
        # The kernel starts in the notebook's folder, as in JupyterLab; papermill's cwd= would move the whole process.
        resources={"metadata": {"path": str(notebook.resolve().parent)}},
        config=Config(AsyncKernelManager={"transport_encryption": "auto"}),
    )


def _records(document: Any) -> tuple[tuple[Claim, ...], dict[str, Any]]:
    """Return what the cells recorded: all claims, and one result in which the later value of a key counts."""
    records = [output.data[RECORD_MIME] for output in outputs_of(document) if RECORD_MIME in output.get("data", ())]
    claims = (claim for record in records for claim in record.get("claims", ()))
    result: dict[str, Any] = {}
    for record in records:
        result |= record.get("result", {})
    return tuple(Claim(str(claim["id"]), _plain(claim["text"]), bool(claim["ok"])) for claim in claims), result


def error_of(document: Any) -> str | None:
    """Return what stopped an executed notebook, or None."""
    errors = (output for output in outputs_of(document) if output.output_type == "error")
    return next((_plain(f"{output.ename}: {output.evalue}").removesuffix(": ") for output in errors), None)


def _plain(text: object) -> str:
    return _UNPRINTABLE.sub("", str(text))
