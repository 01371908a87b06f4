"""Run notebooks with parameters, without a person, and say how it went.

Kernels are started from threads of one process: there jupyter_client keeps track of the ports that it hands out, which
processes cannot do for each other.
"""

import ast
import itertools
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from tenacity import retry, retry_if_exception, stop_after_attempt
from tqdm import tqdm  # type: ignore[import-untyped]
from traitlets.config import Config

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.report import Claim, Run, Summary, notebook_page, write_report, write_whole
from amazonpay_nb.workbench.parameters import check_names as check_known
from amazonpay_nb.workbench.show import RECORD_MIME

__all__ = [
    "Parameter",
    "Summary",
    "check_names",
    "execute",
    "find_notebooks",
    "inspect",
    "kernel_environment",
    "notebook_folder",
    "run",
    "run_one",
    "typed",
]

# A cell that takes longer hangs: nobody is there to help it on.
CELL_TIMEOUT_SECONDS = 600
# How jupyter_client says that another process took one of the kernel's ports first.
_PORT_RACE = "Kernel died before replying to kernel_info"
# Terminal colours, and what neither XML nor a terminal can show.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a notebook lets its caller choose.

    Attributes:
        type: Name of a Python type: ``str``, ``int``, ``float``, ``bool``, ``list`` or ``dict``.
        comment: What the notebook says about it.
    """

    name: str
    type: str
    default: Any
    comment: str


def notebook_folder() -> Path:
    """Return the folder that holds the workbook's notebooks.

    Raises:
        ConfigurationError: There is none beside the package, nor here.
    """
    for folder in (Path(__file__).parents[2] / "notebooks", Path("notebooks")):
        if folder.is_dir():
            return folder
    raise ConfigurationError("there is no folder of notebooks", advice="Run the command where notebooks/ is.")


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """Return the notebooks called *names*: a path, a name, or the number or another beginning of a name.

    Args:
        names: Empty for all notebooks of the workbook.
    Raises:
        ConfigurationError: A name fits none, or several.
    """
    if not names:
        return sorted(notebook_folder().glob("*.ipynb"))
    return [Path(name) if Path(name).is_file() else _find(name) for name in names]


def _find(name: str) -> Path:
    known = sorted(notebook_folder().glob("*.ipynb"))
    stem = name.removesuffix(".ipynb")
    fitting = [path for path in known if path.stem == stem] or [path for path in known if path.stem.startswith(stem)]
    if len(fitting) != 1:
        which = ", ".join(path.stem for path in fitting or known)
        problem = "fits several notebooks" if fitting else "is no notebook"
        raise ConfigurationError(f"{name!r} {problem}", advice=f"Choose one of {which}.")
    return fitting[0]


def inspect(path: Path) -> dict[str, Parameter]:
    """Return the parameters of a notebook, in its order; none where it has no ``parameters`` cell.

    Raises:
        ConfigurationError: There is no such notebook, or its parameters cannot be read.
    """
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
        found = [_parameter(node, source) for source in sources for node in ast.parse(source).body]
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigurationError(f"{path} is not a notebook with parameters: {error}") from error
    return {parameter.name: parameter for parameter in found}


def _parameter(node: ast.stmt, source: str) -> Parameter:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=annotation), value=ast.expr() as value):
            default = ast.literal_eval(value)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            default = ast.literal_eval(value)
            annotation = type(default).__name__
        case _:
            raise ValueError(f"{ast.unparse(node)} is not a parameter")
    # ast counts bytes, not characters.
    line = source.splitlines()[(node.end_lineno or 1) - 1].encode()
    comment = line[node.end_col_offset :].decode().partition("#")[2].strip()
    return Parameter(name, annotation, default, comment)


def check_names(path: Path, given: Mapping[str, object]) -> None:
    """Check that a notebook has every parameter in *given*: papermill would run on without a misspelt one.

    Raises:
        ConfigurationError: It lacks one; the message names it and those there are.
    """
    try:
        check_known(given, inspect(path))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path.stem}: {error.message}", advice=error.advice) from None


def typed(parameter: Parameter, text: str) -> Any:
    """Return *text* as a value of the parameter's type; lists and dictionaries are JSON.

    Raises:
        ConfigurationError: It is none.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "int": int,
        "float": float,
        "bool": {"true": True, "false": False}.__getitem__,
        "list": json.loads,
        "dict": json.loads,
    }
    expected = {"bool": "true or false", "list": "a JSON list", "dict": "a JSON object"}
    try:
        value = readers.get(parameter.type, str)(text)
    except (ValueError, KeyError):
        value = None
    if type(value).__name__ != parameter.type:
        wanted = expected.get(parameter.type, f"a value of type {parameter.type}")
        raise ConfigurationError(f"parameter {parameter.name!r}: {text!r} is not {wanted}")
    return value


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
    values = [_values(path, parameters) for path in notebooks]
    out.mkdir(parents=True, exist_ok=True)
    # The old verdict goes first: a run that is interrupted has none.
    (out / "summary.json").unlink(missing_ok=True)
    started = time.monotonic()
    with kernel_environment(), _progress(len(notebooks), shown=progress) as finished, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_one, path, own, out) for path, own in zip(notebooks, values, strict=True)]
        try:
            for future in as_completed(futures):
                finished(future.result())
        finally:
            pool.shutdown(cancel_futures=True)
    summary = Summary(tuple(future.result() for future in futures), _seconds_since(started))
    write_report(summary, out, finished=datetime.now(UTC))
    return summary


def _check_places(notebooks: Sequence[Path], out: Path) -> None:
    if not notebooks:
        raise ConfigurationError("there is no notebook to run")
    for number, path in enumerate(notebooks):
        if path.stem in {other.stem for other in notebooks[:number]}:
            raise ConfigurationError(f"{path.stem} is given twice, and both runs would write the same files")
        if path.resolve().parent == out.resolve():
            raise ConfigurationError(f"the executed notebooks would replace those in {out}; choose another folder")


def _values(path: Path, given: Mapping[str, str]) -> dict[str, Any]:
    check_names(path, given)
    known = inspect(path)
    return {name: typed(known[name], text) for name, text in given.items()}


@contextmanager
def kernel_environment() -> Iterator[None]:
    """Give the kernels of this process an environment without a person's traces.

    A reader's IPython start-up files must not change what a notebook does, and a kernel must not take this for a
    JupyterLab session, in which it would wait for somebody to play the buyer.  What a kernel that is killed leaves in
    its temporary folder, an emulated key for example, goes with that folder.
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
    error_text = _cell_error(document) or stopped or broken
    write_whole(executed.with_suffix(".html"), notebook_page(document, notebook.stem, notebook.resolve().parent))
    return Run(notebook.stem, dict(values), _seconds_since(started), error_text, claims, result)


def _lost_a_port_race(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and _PORT_RACE in str(error)


@retry(retry=retry_if_exception(_lost_a_port_race), stop=stop_after_attempt(2), reraise=True)
def execute(notebook: Path, executed: Path, values: Mapping[str, Any]) -> None:
    """Execute *notebook* with *values* as its parameters and write it, with its outputs, to *executed*.

    Raises:
        papermill.PapermillExecutionError: A cell failed; what ran until then is written.
    """
    # A kernel that dies takes what it did with it; the report still has a notebook to show.
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
        # A graceful end stalls some kernels for three seconds.
        shutdown_kernel="immediate",
        # The kernel starts in the notebook's folder, as in JupyterLab; papermill's cwd= would move the whole process.
        resources={"metadata": {"path": str(notebook.resolve().parent)}},
        config=Config(AsyncKernelManager={"transport_encryption": "auto"}),
    )


def _outputs(document: Any) -> Iterator[Any]:
    return itertools.chain.from_iterable(cell.get("outputs", ()) for cell in document.cells)


def _records(document: Any) -> tuple[tuple[Claim, ...], dict[str, Any]]:
    """Return what the cells recorded: all claims, and one result in which the later value of a key counts."""
    records = [output.data[RECORD_MIME] for output in _outputs(document) if RECORD_MIME in output.get("data", ())]
    claims = (claim for record in records for claim in record.get("claims", ()))
    result: dict[str, Any] = {}
    for record in records:
        result |= record.get("result", {})
    return tuple(Claim(str(claim["id"]), _plain(claim["text"]), bool(claim["ok"])) for claim in claims), result


def _cell_error(document: Any) -> str | None:
    for output in _outputs(document):
        if output.output_type == "error":
            return _plain(f"{output.ename}: {output.evalue}").removesuffix(": ")
    return None


def _plain(text: object) -> str:
    return _UNPRINTABLE.sub("", str(text))


def _seconds_since(started: float) -> float:
    return round(time.monotonic() - started, 3)


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[Run], None]]:
    """Give a function that is called with each finished run."""
    number = itertools.count(1)

    def line(run: Run) -> None:
        if shown:
            print(f"[{next(number)}/{total}] {run.notebook} … {run.status} in {run.seconds:.1f} s", flush=True)

    def step(run: Run) -> None:
        bar.set_postfix_str(f"{run.notebook} {run.status}", refresh=False)
        bar.update()

    if shown and sys.stderr.isatty():
        with tqdm(total=total, unit="notebook") as bar:
            yield step
    else:
        yield line
