"""Takes the server's environment out of reach of its own tasks.

A command that a task runs has the server's user, and so could read `/proc/PID/environ` of the server with every secret
in it. What the server needs it has read before; then the block that the kernel shows is overwritten, and the kernel is
told to let nobody but root look into this process. Root still can: run the server as another user.
"""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEPT: Final = re.compile(
    rb"(PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TERM|USER|LOGNAME|SHELL|PWD|TMPDIR|SSL_CERT_\w+|PYTHON\w*)="
)
"""What libraries of this process may still ask for, and is no secret."""
_PR_SET_DUMPABLE: Final = 4
_ENV_START, _ENV_END = 47, 48
"""Of the numbers behind the name in /proc/self/stat (proc(5) counts from 1 and names 50 and 51)."""


def conceal() -> None:
    """Overwrite what is not `KEPT` in the environment of this process, and close the process to others.

    Call it once all settings and secrets were read; later only `os.environ`'s kept part can be read. On other systems
    than Linux nothing but `os.environ` changes.
    """
    for name in [name for name in os.environ if KEPT.match(os.fsencode(f"{name}=")) is None]:
        del os.environ[name]
    if sys.platform == "linux":
        _overwrite()
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _overwrite() -> None:
    """Fill the strings with NUL where they are: the kernel shows this memory, whatever `unsetenv` does."""
    try:
        start, end = _block()
    except (OSError, ValueError, IndexError):
        return
    for offset, size in _private(ctypes.string_at(start, end - start)):
        ctypes.memset(start + offset, 0, size)


def _block() -> tuple[int, int]:
    """Where the environment is that this process was started with."""
    numbers = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(numbers[_ENV_START]), int(numbers[_ENV_END])


def _private(block: bytes) -> Iterator[tuple[int, int]]:
    """Offset and size of each string that is not kept."""
    offset = 0
    for text in block.split(b"\0"):
        if text and KEPT.match(text) is None:
            yield offset, len(text)
        offset += len(text) + 1
