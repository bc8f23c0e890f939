import errno
import fcntl
import signal
import subprocess
import sys

import pytest

from components._release.lock import hold_lock
from components._shared.errors import UserError

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_lock_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with hold_lock(tmp_path, 0):
            pass


def test_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), hold_lock(tmp_path, 0):
        raise KeyError
    with hold_lock(tmp_path, 0):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / ".lock")], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(UserError, match="still held"), hold_lock(tmp_path, 0):
            pass
        process.send_signal(signal.SIGKILL)
    with hold_lock(tmp_path, 60):
        pass


def test_file_system_without_locks_is_an_error(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match="file system with locks"), hold_lock(tmp_path, 0):
        pass
