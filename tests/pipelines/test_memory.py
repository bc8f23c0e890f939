import os
import subprocess
import sys

import pytest

from pipelines.memory import memory_of_tree, peak_of_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
HOLD = "block = b'x' * 40_000_000; print('ready', flush=True); input()"
DEEP = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {HOLD!r}]))"


@pytest.fixture
def holder(request):
    process = subprocess.Popen([sys.executable, "-c", request.param], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.communicate(b"\n")


@pytest.mark.parametrize("holder", [HOLD], indirect=True)
def test_peak_is_of_the_process_itself(holder):
    assert 40e6 < peak_of_process(holder.pid) < 80e6


@pytest.mark.parametrize("holder", [DEEP], indirect=True)
def test_tree_counts_descendants(holder):
    assert memory_of_tree(holder.pid) > 40e6
    assert memory_of_tree(os.getpid()) > memory_of_tree(holder.pid)


def test_a_process_that_is_gone_has_no_memory():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert (peak_of_process(process.pid), memory_of_tree(process.pid)) == (0, 0)
