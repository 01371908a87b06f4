"""A reader's own copies of the workbook: trusted by their JupyterLab, and never overwritten once they are changed."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import nbformat
from ipykernel.ipkernel import IPythonKernel
from jupyter_core.paths import jupyter_data_dir
from nbformat.sign import NotebookNotary

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import HUB_VARIABLES
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.runs.notebook import notebook_folder
from amazonpay_nb.workbench.kernel import PROGRESS
from amazonpay_nb.workbench.tracebacks import CONFIG, CONFIG_FILE

# In the reader's folder: digests of what was copied.
_OURS, _IPYTHON, _PROGRESS, _NEWER = ".lab", "ipython", "solved.txt", ".newer"
_CONFIG, _SETTINGS, _PATH = "JUPYTER_CONFIG_PATH", "jupyter_server_config.json", "--ServerApp.base_url="
_HUB_PATH = HUB_VARIABLES[-1]
_LINK = re.compile(r"\]\(([^)#\s]+)")
# JupyterLab writes the same when it connects a kernel, and would else take the notebook for changed.
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def start(folder: Path, options: Sequence[str]) -> None:
    """Become a JupyterLab on a reader's folder; their other workspaces, trust and history stay as they are."""
    os.chdir(folder)  # its root, and that of the relative paths in its settings
    ours = believed(folder)
    settings = os.pathsep.join(
        filter(None, [f"{ours}", str(Path(__file__).parent / "jupyter"), os.environ.get(_CONFIG)])
    )
    places = {_CONFIG: settings, PROGRESS: f"{folder / _PROGRESS}", "IPYTHONDIR": f"{ours / _IPYTHON}"}
    if os.environ.get(_HUB_PATH) == "/":  # no hub: this JupyterLab forwards the shop's pages itself, below its path
        paths = [option.removeprefix(_PATH) for option in options if option.startswith(_PATH)]
        places[_HUB_PATH] = [json.loads((ours / _SETTINGS).read_text("utf-8"))["ServerApp"]["base_url"], *paths][-1]
    # -P: its modules are not the reader's random.py
    command = [sys.executable, "-P", "-m", "amazonpay_nb.runs.lab_server", *options]
    os.execve(sys.executable, command, os.environ | places)  # noqa: S606 (replaces this process on purpose)


def believed(folder: Path) -> Path:
    """Return where the signatures of a folder's trusted notebooks are, what kernels run at first, and workspaces.

    It is among the reader's own files, since a folder may come from anybody, packed, with anything in it.
    """
    return Path(jupyter_data_dir(), "amazonpay-nb", hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16])


def bring_up_to_date(folder: Path, files: dict[str, bytes], *, fresh: bool, say: Callable[[str], object]) -> None:
    """Copy the files of an edition, by their path, unless the reader has changed them.

    A copy is changed when the source of a cell or the text of a page is.  A newer edition of it is put beside it, once.
    Outputs of a copy that is replaced, and with *fresh* the changed copies, too, are moved to ``earlier/DATE/TIME``;
    *say* hears of each file that is moved, or put beside another.  A folder of somebody else's or with other files
    raises `ConfigurationError`.
    """
    ours = folder / _OURS
    others = folder.is_dir() and any(path.name != _OURS for path in folder.iterdir())
    if others and not ours.is_dir():  # which is there before all others, where two begin at once
        raise ConfigurationError(f"{folder} has other files in it.", advice="Choose another folder with --to.")
    folder.mkdir(parents=True, exist_ok=True)
    ours.mkdir(mode=0o700, exist_ok=True)
    # JupyterLab shows, and kernels run, what others can put there.
    for place, owners in ((folder, {0, os.geteuid()}), (ours, {os.geteuid()})):
        found = place.lstat() if place == ours else place.stat()
        if found.st_uid not in owners or found.st_mode & stat.S_IWOTH or stat.S_ISLNK(found.st_mode):
            problem = f"Somebody else may have prepared {place}, or change it."
            raise ConfigurationError(problem, advice="Choose another folder with --to.")
    lock = os.open(ours, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare(believed(folder))
        copies = _Copies(folder, say)
        with closing(copies.notary.store):
            copies.update(files, fresh=fresh)
    finally:
        os.close(lock)


def _prepare(place: Path) -> None:
    kernels, settings = place / _IPYTHON / CONFIG_FILE, place / _SETTINGS
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    kernels.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kernels, json.dumps(CONFIG))
    if not settings.exists():
        lab = {
            "NotebookNotary": {"data_dir": str(place)},
            "LabApp": {"workspaces_dir": f"{place}/workspaces"},
            # To a cookie, all servers of this machine are one: it goes where nobody else knows the path.
            "ServerApp": {"base_url": f"/{secrets.token_urlsafe(16)}/"},
        }
        write_whole(settings, json.dumps(lab))


def edition() -> dict[str, bytes]:
    """Return what there is to copy, by path: all notebooks, and what they link to, directly or through pages."""
    root = notebook_folder().parent.resolve()
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    for path in paths:  # grows meanwhile
        links = _LINK.findall(path.read_text("utf-8")) if path.suffix in (".ipynb", ".md") else ()
        for to in dict.fromkeys((path.parent / link).resolve() for link in links):
            if to.is_file() and to not in paths and to.parent != root and root / "amazonpay_nb" not in to.parents:
                paths.append(to)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def _fingerprints(data: bytes) -> tuple[str, bool]:
    # That of what a reader changes on purpose, and that of what else cells have; and whether there are outputs besides.
    rest, run = b"", False
    try:
        cells = json.loads(data)["cells"]
        own = [({**cell["metadata"], "execution": None}, cell.get("attachments")) for cell in cells]
        run = any(cell.get("outputs") for cell in cells)
        data = json.dumps([(cell["cell_type"], "".join(cell["source"])) for cell in cells]).encode()
        rest = json.dumps(own, sort_keys=True).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # a page, a picture, or no notebook any more
    return " ".join(hashlib.sha256(part).hexdigest() for part in (data, rest)), run


class _Copies:
    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self.folder, self.say, self.list = folder, say, folder / _OURS / "edition.json"
        try:  # by path: of what was copied, or offered beside the reader's own
            text = self.list.read_text("utf-8") if self.list.exists() else "{}"
            rows = json.loads(text).items()
            self.digests: dict[str, str] = {name: f"{digest}" for name, digest in rows if self.place(name)}
        except (ValueError, AttributeError):
            advice = "Delete it; all that is in the folder is then taken for changed."
            raise ConfigurationError(f"{self.list} is damaged.", advice=advice) from None
        self.notary = NotebookNotary(data_dir=str(believed(folder)))

    def place(self, name: str) -> Path:
        """Return the path of a copy, which neither its name nor a link leads out of the folder."""
        path = self.folder / name
        if self.folder.resolve() not in (path.parent.resolve() / path.name).parents or path.name in ("", ".."):
            advice = "Put a folder in the place of the link, or choose another one with --to."
            raise ConfigurationError(f"{name!r} leads out of {self.folder}.", advice=advice)
        return path

    def update(self, files: dict[str, bytes], *, fresh: bool) -> None:
        for name in [*self.digests, _PROGRESS] if fresh else ():
            self.take_away(name)
        for name, data in files.items():
            new, path = _fingerprints(data)[0], self.place(name)
            mine = _fingerprints(path.read_bytes())[0] if path.is_file() else ""
            source, old, mine = (text.partition(" ")[0] for text in (new, self.digests.get(name, ""), mine))
            if mine in ("", old) and mine != source:
                self.put(name, data)
            elif source not in (mine, old):
                newer = str(Path(name).with_suffix(_NEWER + path.suffix))
                self.put(newer, data)
                self.say(f"{name} is yours; the newer edition is beside it: {newer}.")
            if source != old:
                self.digests[name] = new
        write_whole(self.list, json.dumps(self.digests, indent=1))

    def take_away(self, name: str) -> None:
        path, moment = self.place(name), time.strftime("earlier/%Y-%m-%d/%H.%M.%S")
        # Another one may be there: of the same second, or of the hour that comes twice when summer time ends.
        places = (self.place(f"{moment}{'+' * again}/{name}") for again in count())
        known = self.digests.pop(name, "")
        if path.is_file() and _fingerprints(path.read_bytes()) != (known, False):
            to = next(place for place in places if not place.exists())
            to.parent.mkdir(parents=True, exist_ok=True)
            self.say(f"Your earlier {name} is now {path.rename(to)}.")
        path.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        self.take_away(name)
        path, self.digests[name] = self.place(name), _fingerprints(data)[0]
        if path.suffix == ".ipynb":
            document = nbformat.reads(data.decode(), as_version=4)
            document.metadata.update(kernelspec=_KERNEL, language_info=IPythonKernel.language_info)
            for cell in document.cells:
                cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
            self.notary.sign(document)
            data = nbformat.writes(document).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
