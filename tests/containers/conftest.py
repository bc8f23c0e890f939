import os
import subprocess
from pathlib import Path

import pytest

from components._shared.errors import UserError
from pipelines.container_engine import find_engine
from pipelines.images_lock import read_images_lock

CONTAINERS = Path(__file__).parents[2] / "containers"


class Image:
    """A built image, and the engine that runs it."""

    def __init__(self, engine, reference):
        self.engine, self.reference = engine, reference

    def call(self, *arguments):
        done = subprocess.run([self.engine, *arguments], capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, *command, options=()):
        """Runs a command as a stage runs: the root read-only, /tmp in memory, no network."""
        confined = ["run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", *options]
        return self.call(*confined, self.reference, *command)

    def inspect(self, template):
        return self.call("image", "inspect", "--format", template, self.reference)


@pytest.fixture(scope="session")
def engine():
    """The engine that runs containers here; without one, all tests that take it are skipped."""
    try:
        return find_engine(os.environ.get("ENGINE", "")).program
    except UserError as error:
        pytest.skip(f"no container engine: {error}")


@pytest.fixture(scope="session")
def images(engine):
    """The references of the images that were built."""
    references = read_images_lock()
    if "sluice" not in references:
        pytest.skip("no image was built: make images")
    return references


@pytest.fixture(scope="session")
def _settings(engine, images):
    """Gives podman the settings of the builds where with its own no container runs, as containers/engine.sh does."""
    with pytest.MonkeyPatch.context() as patch:
        probe = [engine, "run", "--rm", "--network", "none", images["sluice"], "true"]
        if engine == "podman" and subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            patch.setenv("CONTAINERS_CONF", str(CONTAINERS / "containers.conf"))
        yield


@pytest.fixture(scope="session")
def stages_image(engine, images, _settings):
    return Image(engine, images["sluice"])


@pytest.fixture(scope="session")
def serving_image(engine, images, _settings):
    return Image(engine, images["sluice-serving"])
