"""What goes with its process, however that ends: a folder that may hold a private key, or the processes of a group."""

import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path


def watch(script: str, argument: str) -> subprocess.Popen[bytes]:
    """Start a shell *script*, whose ``$0`` is the argument, that begins when its input ends: by then this one is gone.

    It has a session of its own: what ends a process group does not end the one that tidies up.
    """
    return subprocess.Popen(  # noqa: S603 (a fixed command)
        ["/bin/sh", "-c", f"read -r _; {script}", argument], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
    )  # fmt: skip


class TemporaryFolder:
    """A temporary folder, readable by its owner alone.

    It is deleted by `close`, or with this object, and by a watching process where this one was killed; but not by a
    fork of its process.

    Attributes:
        path: Where it is; below TMPDIR, if that is set.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="amazonpay-nb-"))
        # A browser that has just lost its parent writes a last time.
        watching = watch('rm -rf -- "$0" || { sleep 2; rm -rf -- "$0"; }', str(self.path))
        self.close = weakref.finalize(self, _delete, self.path, watching, os.getpid())


def _delete(path: Path, watching: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return
    # A kernel that was just killed may still hold a file.
    shutil.rmtree(path, ignore_errors=True)
    watching.communicate()
