import subprocess
import sys

import pytest

from components.validate_serving.memory import held_mb, peak_mb

ALLOCATE = """
from components.validate_serving.memory import forget_peak, held_mb, peak_mb
big = b"x" * 80_000_000
del big
forget_peak()
before = held_mb()
big = b"x" * 40_000_000
print(peak_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell the peak alone")
def test_the_peak_is_no_less_than_what_is_held():
    held = held_mb()

    assert peak_mb() > held - 1 > 0  # the kernel counts pages of several processors, to within some hundred kilobytes


@pytest.mark.skipif(sys.platform != "linux", reason="the peak starts anew on Linux only")
def test_an_earlier_peak_is_forgotten():
    done = subprocess.run([sys.executable, "-c", ALLOCATE], capture_output=True, text=True, check=True)

    assert 39 < float(done.stdout) < 60
