"""A folder that goes with its process, however that ends: what is in it may be a private key."""

import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

# Reads until its input ends, which is when the process that holds the other end is gone, and deletes the folder.
_WATCH = 'read -r _; rm -rf -- "$0"'


class TemporaryFolder:
    """A temporary folder, readable by its owner alone.

    It is deleted by `close`, or with this object, and by a watching process where this one was killed.

    Attributes:
        path: Where it is; below TMPDIR, if that is set.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="amazonpay-nb-"))
        # In a session of its own: what ends a process group does not end the one who tidies up.
        watch = subprocess.Popen(  # noqa: S603 (a fixed command)
            ["/bin/sh", "-c", _WATCH, str(self.path)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
        )  # fmt: skip
        self.close = weakref.finalize(self, _delete, self.path, watch)


def _delete(path: Path, watch: subprocess.Popen[bytes]) -> None:
    # A kernel that was just killed may still hold a file.
    shutil.rmtree(path, ignore_errors=True)
    watch.communicate()
