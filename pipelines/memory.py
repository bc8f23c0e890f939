"""Memory and CPU time of processes, read from Linux's /proc; zero where there is none."""

import dataclasses
import os
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """What processes have used so far.

    Attributes:
        cpu_seconds: CPU time of them all, and of those they waited for.
        peak_bytes: Greatest resident memory of one of them.
    """

    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def joined(self, later: "Usage") -> "Usage":
        """Returns the greater figures of both: a process that has ended is not counted any more."""
        return Usage(cpu_seconds=max(self.cpu_seconds, later.cpu_seconds), peak_bytes=max(self.peak_bytes, later.peak_bytes))


def usage_of_tree(pid: int) -> Usage:
    """Returns what a process and all its descendants have used so far."""
    members = (pid, *_descendants(pid))
    return Usage(cpu_seconds=sum(map(_cpu_seconds, members)), peak_bytes=max(peak_of_process(member) for member in members))


def cgroup_of(pid: int) -> str:
    """Returns the control groups that a process is in, as Linux shows them."""
    try:
        return (_PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""


def _cpu_seconds(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime, stime, cutime and cstime, the 14th to 17th field of proc_pid_stat(5); the split begins at the third.
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


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
