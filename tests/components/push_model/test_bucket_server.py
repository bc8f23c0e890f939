"""What is pushed into a bucket is verified in a real model server, which reads the model configuration again and again."""

import json
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from interrupted_requests import named
from mirrored_bucket import mirror_bucket
from quick_server import free_port, make_server
from typer.testing import CliRunner

from components._release.ledger import read_ledger
from components._release.releases import list_releases, live_version
from components._release.server_client import Server, predict
from components._release.verification import roll_back_verified
from components._release.verify import verify_ledger
from components._shared.errors import UserError
from components.push_model.executor import push_model
from pipelines.__main__ import app
from serving.bench import save_half_plus

WHO = {"by": "Ada", "reason": "Too many false alarms."}
X = np.arange(4, dtype=np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Returns folders of models that answer x / 2 + offset, by offset."""
    folder = tmp_path_factory.mktemp("models")
    for offset in (2, 3, 4):
        save_half_plus(folder / str(offset), float(offset))
    return {offset: folder / str(offset) for offset in (2, 3, 4)}


@pytest.fixture
def server(bucket, object_server, tmp_path):
    """Returns a model server that has what the model configuration in the bucket names."""
    port = free_port()
    file = mirror_bucket(object_server, bucket, tmp_path / "mirror")
    flags = ["--port=0", f"--rest_api_port={port}", f"--model_config_file={file}", "--max_num_load_retries=0"]
    running = make_server([*flags, "--model_config_file_poll_wait_seconds=1"])
    threading.Thread(target=running.start, daemon=True).start()
    yield Server(url=f"http://127.0.0.1:{port}", model_name="parcels", wait_seconds=200)
    running.close()


@pytest.fixture
def run_push(make_artifacts, models, tmp_path, bucket, server):
    """Returns a function that pushes the model x / 2 + offset, of which the evaluation says that it predicts x / 2 + said."""

    def run(offset, said=None, **options):
        name = f"run-{len(list(tmp_path.glob('run-*')))}"
        policy = {"policy": {"parity": {"off": "", "tolerance": 1e-5}}}
        rows = (X, X / 2 + (offset if said is None else said))
        arguments = make_artifacts(name, served=models[offset], rows=rows, baseline=(live_version(bucket), ""), **policy)
        place = {"serving_dir": str(bucket), "server": server.url, "model_name": "parcels"}
        return push_model(**{**arguments, **place, **options})

    return run


def _kinds(base):
    assert verify_ledger(base) == []
    return [entry.kind for entry in read_ledger(base)]


def test_version_that_fails_is_withdrawn_and_the_configuration_put_back(run_push, server, bucket, object_server):
    assert (run_push(2).version, named(object_server, bucket)[0]) == ("1", [1])
    result = run_push(3, said=3.5)
    assert (result.pushed, live_version(bucket), named(object_server, bucket)[0]) == (False, "1", [1])
    assert "the largest difference over 4 rows is 0.5, allowed is 1e-05. Version 1 is live." in result.reason
    assert _kinds(bucket) == ["push_intent", "pushed", "verified", "push_intent", "pushed", "withdraw_intent", "withdrawn"]
    assert predict(server, 1, {"x": [2.0]}) == [3.0]
    with pytest.raises(UserError, match=r"predicts something else.*Version 1 is live"):
        roll_back_verified(bucket, (server,), to="2", **WHO)
    assert (live_version(bucket), [item.state for item in list_releases(bucket)]) == ("1", ["pushed", "withdrawn"])
    assert (run_push(4).version, roll_back_verified(bucket, (server,), **WHO).live) == ("3", "1")
    assert (_kinds(bucket)[-3:], predict(server, 1, {"x": [2.0]})) == (["rollback_intent", "rolled_back", "verified"], [3.0])


def _ask_all_the_time(server, stop, answers, errors):
    while not stop.is_set():
        try:
            answers.append(_ask(server, "stable")[0])
        except OSError as error:
            errors.append(error)
        time.sleep(0.02)


def _ask(server, label):
    body = json.dumps({"inputs": {"x": [2.0]}}).encode()
    with urllib.request.urlopen(f"{server.address}/labels/{label}:predict", body, timeout=100) as response:
        return json.loads(response.read())["outputs"]


def _project(folder, base, server):
    text = (Path(__file__).parents[2] / "pipelines/data/project.yaml").read_text()
    serving = f"{base}\n  server: {server.url}\n  server_wait_seconds: 200\n  model_config_file: {base}/models.config"
    (folder / "project.yaml").write_text(text.replace("served/parcels", serving))
    for name in ("schema.pbtxt", "features.py", "model.py"):
        (folder / name).write_text("# of the tests\n")
    return folder


def _sluice(command, *arguments):
    done = CliRunner().invoke(app, [command, *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_no_request_by_label_fails_while_labels_move(run_push, server, bucket, object_server, tmp_path):
    file = f"{bucket}/models.config"
    assert run_push(2, labels="file", model_config_file=file).version == "1"
    assert named(object_server, bucket) == ([1], {"stable": 1, "canary": 1})
    stop, answers, errors = threading.Event(), [], []
    client = threading.Thread(target=_ask_all_the_time, args=(server, stop, answers, errors))
    client.start()
    assert run_push(3, labels="file", model_config_file=file).version == "2"
    assert (_ask(server, "canary"), live_version(bucket)) == ([4.0], "1")
    assert not run_push(4, said=9, labels="file", model_config_file=file).pushed
    assert named(object_server, bucket) == ([1, 2], {"stable": 1, "canary": 2})
    project = _project(tmp_path, bucket, server)
    assert "Version 2 is live, and was version 1 before" in _sluice("promote", project, "--reason", "A day without complaints")
    assert live_version(bucket) == "2"
    assert "Version 2 is withdrawn." in _sluice("rollback", project, "--reason", "Too many false alarms")
    stop.set()
    client.join()
    assert (live_version(bucket), [item.state for item in list_releases(bucket)][1]) == ("1", "withdrawn")
    assert named(object_server, bucket) == ([1], {"stable": 1, "canary": 1})
    assert (errors, set(answers), answers[-1], verify_ledger(bucket)) == ([], {3.0, 4.0}, 3.0, [])
    assert "there were: canary, stable." in _sluice("unlabel", project, "--reason", "One client, no canary")
    assert (named(object_server, bucket), live_version(bucket), verify_ledger(bucket)) == (([1], {}), "1", [])


def test_labels_in_another_place_stop_the_push(run_push, tmp_path, bucket):
    with pytest.raises(UserError, match=r"Set serving\.model_config_file to gs://"):
        run_push(2, labels="file", model_config_file=str(tmp_path / "models.config"))
    assert _kinds(bucket) == []
