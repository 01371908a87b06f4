"""What goes with its process, however that ends: a folder that may hold a private key, or the processes of a group."""

import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

# A browser that has just lost its parent writes a last time.
_DELETE = 'rm -rf -- "$0" || { sleep 2; rm -rf -- "$0"; }'


def watch(script: str, argument: str, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a shell *script*, whose ``$0`` is the argument, that begins when its input ends: by then this one is gone.

    It has a session of its own: what ends a process group does not end the one that tidies up.
    """
    return subprocess.Popen(  # noqa: S603 (a fixed command)
        ["/bin/sh", "-c", f"read -r _; {script}", argument], stdin=subprocess.PIPE, stdout=output,
        stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
    )  # fmt: skip


class TemporaryFolder:
    """A temporary folder, readable by its owner alone.

    It is deleted by `close`, or with this object, and by a watching process where this one was killed; but not by a
    fork of its process.

    Attributes:
        path: Where it is; below TMPDIR, if that is set.
        users: A file for processes that may outlive this one, and make the folder anew: it is deleted once more when
            the last one that has inherited the file is gone.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="amazonpay-nb-"))
        using, self.users = os.pipe()
        # `close` writes a line, and waits for no user.
        script = f"closed=$?; {_DELETE}; [ $closed = 0 ] || {{ read -r _ <&1; {_DELETE}; }}"
        watching = watch(script, str(self.path), using)
        os.close(using)
        self.close = weakref.finalize(self, _delete, self.path, watching, self.users, os.getpid())


def _delete(path: Path, watching: subprocess.Popen[bytes], users: int, owner: int) -> None:
    if os.getpid() != owner:
        return
    # A kernel that was just killed may still hold a file.
    shutil.rmtree(path, ignore_errors=True)
    watching.communicate(b"\n")
    os.close(users)
