"""Memory of processes, read from Linux's /proc; zero where there is none."""

import re
from pathlib import Path

_PROC = Path("/proc")


def peak_of_process(pid: int) -> int:
    """Returns the greatest resident memory so far, in bytes.

    `ru_maxrss` would not do: after a fork it starts at the parent's memory, which is more than a small stage ever needs.
    """
    return _kilobytes(_PROC / str(pid) / "status", "VmHWM")


def memory_of_tree(pid: int) -> int:
    """Returns the memory of a process and all its descendants in bytes; what they share counts once."""
    return sum(_kilobytes(_PROC / str(member) / "smaps_rollup", "Pss") for member in (pid, *_descendants(pid)))


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            # The second field is the program's name in parentheses and may hold anything; the parent comes after it.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _kilobytes(path: Path, field: str) -> int:
    try:
        match = re.search(rf"^{field}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0
