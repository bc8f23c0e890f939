import subprocess
import sys

import pytest

from components.validate_serving.memory import peak_mb

ALLOCATE = 'big = b"x" * 80_000_000; del big; print("done", flush=True); input()'


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell it")
def test_the_peak_of_another_process_stays_when_the_memory_is_given_back():
    with subprocess.Popen([sys.executable, "-c", ALLOCATE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"done\n"
        assert 80 < peak_mb(process.pid) < 120
        process.communicate(b"\n")
    assert peak_mb(process.pid) is None
