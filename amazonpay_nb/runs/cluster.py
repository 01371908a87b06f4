"""Run the cases of a sweep on a Dask cluster: notebooks travel as text, and executed ones come back as data."""

import importlib.metadata
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
import nbformat
from dask.utils import parse_timedelta
from distributed import CancelledError, Client, Future, KilledWorker, SchedulerPlugin, WorkerPlugin, get_worker, wait
from distributed.comm.core import CommClosedError

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.extras import how_to_get
from amazonpay_nb.limits import in_time
from amazonpay_nb.runs.failure import Failure
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.runs.kernels import kernel_environment, room_for_jobs
from amazonpay_nb.runs.notebook import Notebook, without_secrets
from amazonpay_nb.runs.report import Run
from amazonpay_nb.runs.runner import Case, Results, keep, run_one
from amazonpay_nb.runs.sweep import Engine, programs
from amazonpay_nb.temporary import TemporaryFolder

_NAME = "amazonpay-nb"
_VERSION = importlib.metadata.version(_NAME)
_OF_WORKBOOK = ("ipykernel", "nbconvert", "nbformat", "papermill")
_ENDINGS = (".ipynb", ".html", ".journal.jsonl")  # of what is left of a case besides its entry
# How long to wait for a scheduler, and for a worker where there is none: 30 seconds, if Dask's settings say no other.
_PATIENCE_SECONDS = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
_DIED = Failure("Two workers died while they had this case; their logs say why.")


@contextmanager
def cluster(address: str) -> Iterator[Engine]:
    """Connect to a scheduler, see that its workers can run cases, and give an engine of `sweep`.

    No more cases are under way than the cluster has threads.  A case is tried once more where its worker died, and has
    failed where the second one did as well.  No scheduler, no worker, or one with another version raises
    `ConfigurationError`; so does the engine where the cluster cannot go on, or has had no worker for 30 seconds.

    Args:
        address: ``tcp://HOST:PORT``, or ``tls://HOST:PORT`` with the certificates that Dask's settings name.
    """
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.CRITICAL)  # what matters is said in a sentence
    try:
        # Dask would wait forever for a server that accepts and says nothing.
        client = in_time(2 * _PATIENCE_SECONDS, partial(Client, address, timeout=_PATIENCE_SECONDS))
    except (ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        advice = "Start one with: dask scheduler."
        reason = "it says nothing" if isinstance(error, TimeoutError) and not str(error) else str(error).rstrip()
        # Dask reads the beginning of a web page as a length.
        reason = "it is another server, such as its dashboard" if isinstance(error, MemoryError) else reason
        problem = f"No scheduler answers at {address}: {reason}."
        raise ConfigurationError(problem, advice=advice) from None
    with client:
        with _explained(address):
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
            _check_workers(client, address)
            _prepare(client)
            with suppress(ValueError):  # where a scheduler takes no code, its own number of tries counts
                client.register_plugin(_OneMoreTry())
        yield partial(_results, client, address)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except (CancelledError, OSError) as error:
        what = "does not answer" if isinstance(error, TimeoutError) else "is gone"
        advice = "Start it again, and go on with --resume: the cases that ended are kept."
        if isinstance(error, TimeoutError) and str(error):  # Dask's own, which says how many workers there are
            what, advice = "has no worker", f"Start one with: dask worker {address}."
        raise ConfigurationError(f"The scheduler at {address} {what}.", advice=advice) from None


def _check_workers(client: Client, address: str) -> None:
    versions = _versions(client, address)
    for place, one in {address: versions["scheduler"], **versions["workers"]}.items():
        version, *others = map(one["packages"].get, (_NAME, *_OF_WORKBOOK))
        if version != _VERSION:
            problem = f"At {place} there is version {version} of {_NAME}; here is {_VERSION}."
            raise ConfigurationError(problem, advice="Install the same version on both.")
        if None in others:
            problem = f"At {place} the extra workbook of {_NAME} is not installed."
            raise ConfigurationError(problem, advice=how_to_get("workbook"))


def _versions(client: Client, address: str) -> Any:
    try:  # Dask would wait forever for a worker that hangs at its start or its end.
        return in_time(2 * _PATIENCE_SECONDS, partial(client.get_versions, packages=[_NAME, *_OF_WORKBOOK]))
    except TimeoutError:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        silent = [place for place, one in workers.items() if one["status"] != "running"] or [*workers]
        problem = f"The scheduler at {address} has a worker that does not answer: {' or '.join(silent)}."
        raise ConfigurationError(problem, advice="End it, and start it again; its log says why.") from None


def _prepare(client: Client) -> None:
    try:
        client.register_plugin(_Kernels())
    except (CancelledError, CommClosedError):
        raise
    except Exception as error:  # noqa: BLE001 (a worker's own, whatever it is)
        with suppress(Exception):  # the next sweep would take it for ready; a half of it cannot be torn down
            client.unregister_worker_plugin(_NAME)
        problem = f"A worker cannot prepare its kernels: {type(error).__name__}: {error}."
        raise ConfigurationError(problem, advice="The log of the worker says more.") from None


class _Kernels(WorkerPlugin):
    """The environment of a worker's kernels, which its threads share, from the first sweep to the worker's end."""

    name, idempotent = _NAME, True

    def setup(self, worker: Any) -> None:
        room_for_jobs()  # its threads
        self._environment = kernel_environment(warm=True)
        self._environment.__enter__()

    def teardown(self, worker: Any) -> None:
        self._environment.__exit__(None, None, None)


class _OneMoreTry(SchedulerPlugin):
    """Gives a case up after two workers died with it; Dask counts them, and by its settings gives up after four."""

    name, idempotent = _NAME, True

    def update_graph(self, scheduler: Any, *, keys: Iterable[Any], **_: Any) -> None:
        for key in keys:
            if str(key).startswith(_NAME):
                scheduler.tasks[key].suspicious = scheduler.allowed_failures - 1


def _results(client: Client, address: str, cases: Sequence[Case], out: Path) -> Results:
    queue, under_way = deque(cases), dict[Future[Any], Case]()
    while queue or under_way:
        done: set[Future[Any]] = set()
        with _explained(address):
            threads = in_time(2 * _PATIENCE_SECONDS, partial(_threads, client))
            while queue and len(under_way) < threads:
                case = queue.popleft()
                name, text = case.notebook.path.name, nbformat.writes(case.notebook.document)
                key = f"{_NAME}-{case.key}-{uuid4().hex}"
                under_way[client.submit(_play, name, text, case.texts, programs(), key=key)] = case
            with suppress(TimeoutError):  # is there still a worker?
                done = wait(list(under_way), timeout=_PATIENCE_SECONDS, return_when="FIRST_COMPLETED").done
        for task in done:
            case = under_way.pop(task)
            yield case, _end(address, case, task, case.folder(out))


def _threads(client: Client) -> int:
    client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
    return sum(client.nthreads().values())  # none, where the last worker has just died


def _play(name: str, text: str, texts: Mapping[str, str], wanted: str) -> tuple[Run, dict[str, bytes]]:
    try:
        if programs() != wanted:  # it has come later, or has the same version with a change
            raise ConfigurationError("it has another edition of amazonpay-nb; install the same one on both.")
        with closing(TemporaryFolder()) as folder:
            file = folder.path / name
            file.write_text(text, "utf-8")
            run = run_one(Notebook.read(file), texts, folder.path)
            files = {ending: file.with_suffix(ending) for ending in _ENDINGS}
            return run, {ending: file.read_bytes() for ending, file in files.items() if file.exists()}
    except (ConfigurationError, OSError) as error:
        raise ConfigurationError(f"Worker {get_worker().address} cannot run {name}: {error}") from None


def _end(address: str, case: Case, task: Future[tuple[Run, Mapping[str, bytes]]], folder: Path) -> Run:
    files: Mapping[str, bytes] = {}
    try:
        with _explained(address):
            run, files = task.result()
    except KilledWorker:
        document = without_secrets(case.notebook.unexecuted(case.texts))
        run = keep(case.notebook, case.texts, document, folder, _DIED, time.monotonic())
    (folder / case.notebook.path.name).with_suffix(".journal.jsonl").unlink(missing_ok=True)  # of an earlier sweep
    for ending, content in files.items():
        write_whole((folder / case.notebook.path.name).with_suffix(ending), content)
    return run
