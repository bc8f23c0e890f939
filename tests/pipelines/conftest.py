import shutil
import signal
import sys
import textwrap
from pathlib import Path

import pytest

FLIGHTS = Path(__file__).parents[2] / "projects" / "flights"


@pytest.fixture
def project_dir(tmp_path):
    """A project as the flights one, with files of its own that never change."""
    return _make_project(tmp_path / "project")


@pytest.fixture(scope="module")
def module_project_dir(tmp_path_factory):
    """The same, for tests that only read it."""
    return _make_project(tmp_path_factory.mktemp("module") / "project")


@pytest.fixture(scope="module")
def cluster_project_dir(tmp_path_factory):
    """The project with a `cluster` section that uses every setting."""
    folder = _make_project(tmp_path_factory.mktemp("cluster") / "project")
    section = (Path(__file__).parent / "data" / "cluster.yaml").read_text(encoding="utf-8")
    with (folder / "project.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{section}")
    return folder


@pytest.fixture(scope="session")
def small_pipeline(tmp_path_factory):
    """A compiled pipeline of one stage with one parameter: what is sent to a server need not be large."""
    from kfp import compiler, dsl

    @dsl.container_component
    def train(epochs: int):
        return dsl.ContainerSpec(image="none", command=["true"], args=[epochs])

    @dsl.pipeline(name="small")
    def small(epochs: int = 1):
        train(epochs=epochs)

    file = tmp_path_factory.mktemp("small") / "ir.yaml"
    compiler.Compiler().compile(small, str(file))
    return file


@pytest.fixture(scope="session")
def _api_server():
    from kfp_api_server import KfpApiServer

    server = KfpApiServer()
    yield server
    server.close()


@pytest.fixture
def kfp_api(_api_server, tmp_path, monkeypatch):
    """Returns a server that stands in for Kubeflow Pipelines; it forgets everything after each test."""
    import kfp

    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    yield _api_server
    _api_server.reset()


def _make_project(folder):
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "data" / "project.yaml", folder)
    for name in ("schema.pbtxt", "features.py", "model.py"):
        (folder / name).write_text(f"# {name} of the tests\n", encoding="utf-8")
    return folder


@pytest.fixture
def usual_signals():
    """Gives signals that end a program their usual meaning: in the background of a script, or under nohup, some are ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def make_stage(tmp_path, monkeypatch):
    """Writes `fake_stages.<name>`: a stage with the given body, and an executor module with its own."""
    package = tmp_path / "code" / "fake_stages"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))

    def make(name, body, executor=""):
        folder = package / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "executor.py").write_text(textwrap.dedent(executor))
        (folder / "__main__.py").write_text(textwrap.dedent(body))
        return [sys.executable, "-m", f"fake_stages.{name}"]

    return make
