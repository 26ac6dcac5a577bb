"""What has to be settled before a process does any work."""

import os
import platform
import sys
from pathlib import Path

_TUNABLE = "glibc.malloc.hugetlb"
_STATE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def use_huge_pages() -> None:
    """Start this process anew with an allocator that asks for huge pages, where that helps.

    XLA takes fresh memory for a step's arrays on a CPU, 190 MB a step already for `tiny`; in pages
    of 4 kB the kernel's page faults took a quarter of it. glibc reads the setting only
    when a process starts. Does nothing where it is set already, was set otherwise by the user, or
    where the kernel leaves no choice.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if _TUNABLE in tunables or platform.libc_ver()[0] != "glibc":
        return
    try:
        if "[madvise]" not in _STATE.read_text():
            return
    except OSError:
        return
    setting = f"{_TUNABLE}=1"
    environment = os.environ | {"GLIBC_TUNABLES": f"{tunables}:{setting}" if tunables else setting}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
