"""Run the cases of a sweep on a Dask cluster: notebooks travel as text, and executed ones come back as data."""

import importlib.metadata
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
import nbformat
from dask.utils import parse_timedelta
from distributed import CancelledError, Client, Future, KilledWorker, SchedulerPlugin, get_worker, wait

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.failure import Failure
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.runs.kernels import kernel_environment
from amazonpay_nb.runs.notebook import Notebook, without_secrets
from amazonpay_nb.runs.report import Run
from amazonpay_nb.runs.runner import keep, run_one
from amazonpay_nb.runs.sweep import Case, Results
from amazonpay_nb.temporary import TemporaryFolder

# What is left of a case besides its entry.
_ENDINGS = (".ipynb", ".html", ".journal.jsonl")
# How long to wait for a scheduler, and for a worker where there is none: 30 seconds, if Dask's settings say no other.
_PATIENCE_SECONDS = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
_DIED = Failure("Two workers died while they had this case; their logs say why.")


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """Connect to a scheduler and see that its workers can run cases.

    Args:
        address: ``tcp://HOST:PORT``, or ``tls://HOST:PORT`` with the certificates that Dask's settings name.
    Raises:
        ConfigurationError: There is no scheduler, no worker, or a worker with another version of this package.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in a sentence
    try:
        client = Client(address, timeout=_PATIENCE_SECONDS)
    except (OSError, ValueError) as error:
        advice = "Start one with: dask scheduler."
        raise ConfigurationError(f"No scheduler answers at {address}: {error}.", advice=advice) from None
    with client:
        with _cluster(client):
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
            for worker, version in client.run(_version).items():
                _check_version(worker, version, _version())
            with suppress(ValueError):  # where a scheduler takes no code, its own number of tries counts
                client.register_plugin(_one_more_try(client.id))
        yield client


@contextmanager
def _cluster(client: Client) -> Iterator[None]:
    # What goes wrong with a cluster, each in a sentence.
    address = getattr(client.scheduler, "address", "")
    try:
        yield
    except TimeoutError:
        advice = f"Start one with: dask worker {address}."
        raise ConfigurationError(f"The scheduler at {address} has no worker.", advice=advice) from None
    except ModuleNotFoundError as error:
        problem, advice = f"A worker of {address} has no {error.name}.", "Install the package there, too."
        raise ConfigurationError(problem, advice=advice) from None
    except (CancelledError, OSError) as error:
        advice = "Start it again, and go on with --resume: the cases that ended are kept."
        raise ConfigurationError(f"The scheduler at {address} is gone: {error}.", advice=advice) from None


def _version() -> str:
    return importlib.metadata.version("amazonpay-nb")


def _check_version(worker: str, version: str, ours: str) -> None:
    if version != ours:
        problem = f"Worker {worker} has amazonpay-nb {version}, and this is {ours}."
        raise ConfigurationError(problem, advice="Install the same version on both.")


def _one_more_try(owner: str) -> SchedulerPlugin:
    # Dask counts the workers that died with a task, and by its settings gives it up after four.  A class in a function
    # travels as code, so the scheduler needs no package.
    class OneMoreTry(SchedulerPlugin):
        name = f"amazonpay-nb-{owner}"

        def update_graph(self, scheduler: Any, *, client: str, keys: set[Any], **_: Any) -> None:
            for key in keys if client == owner else ():
                scheduler.tasks[key].suspicious = scheduler.allowed_failures - 1

        def remove_client(self, scheduler: Any, client: str) -> None:
            if client == owner:
                scheduler.remove_plugin(name=self.name)

    return OneMoreTry()


def on_cluster(client: Client, cases: Sequence[Case], out: Path) -> Results:
    """Run cases on a cluster; an engine of `sweep`, once *client* is given.

    No more cases are under way than the cluster has threads.  A case is tried once more where its worker died, and has
    failed where the second one did as well.

    Raises:
        ConfigurationError: The cluster cannot go on; the cases that ended have been yielded.
    """
    queue, under_way = iter(cases), dict[Future[Any], Case]()
    while True:
        done: set[Future[Any]] = set()
        with _cluster(client):
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
            threads = sum(client.nthreads().values())
            while len(under_way) < max(1, threads) and (case := next(queue, None)):
                text = nbformat.writes(case.notebook.document)
                task = client.submit(_play, case.notebook.path.name, text, case.texts, _version(), pure=False)
                under_way[task] = case
            if not under_way:
                return
            with suppress(TimeoutError):
                done = wait(list(under_way), timeout=_PATIENCE_SECONDS, return_when="FIRST_COMPLETED").done
        for task in done:
            case = under_way.pop(task)
            yield case, _end(client, case, task, case.folder(out))


def _play(name: str, text: str, texts: Mapping[str, str], ours: str) -> tuple[Run, dict[str, bytes]]:
    # On a worker; it may have joined after the first look.
    _check_version(get_worker().address, _version(), ours)
    try:
        with kernel_environment(), TemporaryFolder() as folder:
            file = folder.path / name
            file.write_text(text, "utf-8")
            run = run_one(Notebook.read(file), texts, folder.path)
            files = {ending: file.with_suffix(ending) for ending in _ENDINGS}
            return run, {ending: file.read_bytes() for ending, file in files.items() if file.exists()}
    except (ConfigurationError, OSError) as error:
        raise ConfigurationError(f"Worker {get_worker().address} cannot run {name}: {error}") from None


def _end(client: Client, case: Case, task: Future[Any], folder: Path) -> Run:
    run: Run
    files: Mapping[str, bytes]
    try:
        with _cluster(client):
            run, files = task.result()
    except KilledWorker:
        document = without_secrets(case.notebook.unexecuted(case.texts))
        return keep(case.notebook, case.texts, document, folder, _DIED, time.monotonic())
    for ending in _ENDINGS:
        if ending in files:
            write_whole((folder / case.notebook.path.name).with_suffix(ending), files[ending])
    return run
