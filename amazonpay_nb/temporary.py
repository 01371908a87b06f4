"""What goes with its process, however that ends: a folder that may hold a private key, or the processes of a group."""

import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from secrets import token_hex

_DELETE = 'rm -rf -- "$0" || { sleep 2; rm -rf -- "$0"; }'
# A browser inherits no file, but is started with TMPDIR or --user-data-dir; where there is no /proc, nothing is found.
# One that has just been started has neither variables nor arguments for a moment, so there is a second look.
_SEEN = 'grep -qs "[Rr]=$0" /proc/[0-9]*/environ /proc/[0-9]*/cmdline'
_IN_USE = f"{_SEEN} || {{ sleep 1; {_SEEN}; }}"


def watch(script: str, argument: str, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a shell *script*, whose ``$0`` is the argument, that begins when its input ends: by then this one is gone.

    A line, which is then ``$said``, begins it, too.
    What ends a process group, everything that has a variable of a CI job, or politely whatever there is, does not end
    the one that tidies up: it has a session and variables of its own, and follows its input alone.
    """
    return subprocess.Popen(  # noqa: S603 (a fixed command)
        ["/bin/sh", "-c", f"trap '' HUP INT TERM; read -r said; {script}", argument],
        stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL, start_new_session=True,
        cwd="/", env={"PATH": f"{os.defpath}:{os.environ.get('PATH', '')}"},  # which may name Python's folder alone
    )  # fmt: skip


class TemporaryFolder:
    """A temporary folder, readable by its owner alone.

    It is deleted by `close`, or with this object, and by a watching process where this one was killed; but not by a
    fork of its process.  Where it was killed, it is deleted once more when those who may make it anew are gone.

    Args:
        lent: Whether they may also be there after `close`, which does not wait for them: a browser, for example.
    Attributes:
        path: Where it is; below TMPDIR, if that is set.
        users: A file for processes that may outlive this one: those that have inherited it, or whose variables or
            arguments name the folder, may make it anew.
    """

    def __init__(self, *, lent: bool = False) -> None:
        # Its name comes first: what nobody would delete is not made.
        self.path = Path(tempfile.gettempdir(), f"amazonpay-nb-{token_hex(5)}").absolute()
        using, self.users = os.pipe()
        again = f"read -r _ <&1; while {_IN_USE}; do sleep 1; done; {_DELETE}"
        watching = watch(f'{_DELETE}; [ "$said" ] && exit; {{ {again}; }} &', str(self.path), using)
        os.close(using)
        line = b"\n" if lent else b"closed\n"
        self.close = weakref.finalize(self, _delete, self.path, watching, line, self.users, os.getpid())
        self.path.mkdir(0o700)


def _delete(path: Path, watching: subprocess.Popen[bytes], line: bytes, users: int, owner: int) -> None:
    if os.getpid() != owner:
        return
    # A kernel that was just killed may still hold a file.
    shutil.rmtree(path, ignore_errors=True)
    watching.communicate(line)
    os.close(users)
