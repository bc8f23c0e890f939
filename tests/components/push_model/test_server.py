"""A push, and a rollback, that a real model server verifies."""

import dataclasses
import datetime
import json
import shutil
import threading
import time
import urllib.request

import numpy as np
import pytest
from quick_server import free_port, make_server

from components._release import server_waits, verifier
from components._release.answers import answer
from components._release.labels import Labels
from components._release.ledger import read_ledger
from components._release.model_config import read_labels
from components._release.promotion import promote, roll_back_labels
from components._release.releases import list_releases, live_version
from components._release.rollback import rollback
from components._release.server_client import Server, predict, read_status
from components._release.server_waits import wait_available, wait_label
from components._release.verification import roll_back_verified
from components._release.verify import verify_ledger
from components._shared.errors import Refusal, UserError
from components.push_model.executor import push_model
from serving.bench import save_half_plus

WHO = {"by": "Ada", "reason": "Too many false alarms."}
PATIENCE = 200  # seconds: what is waited for comes, and this machine may have other work
X = np.arange(50, dtype=np.float32)


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch):
    monkeypatch.setattr(server_waits, "_POLL_SECONDS", 0.02)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Returns folders of models that answer x / 2 + offset, by offset."""
    folder = tmp_path_factory.mktemp("models")
    for offset in (2, 3, 4):
        save_half_plus(folder / str(offset), float(offset))
    return {offset: folder / str(offset) for offset in (2, 3, 4)}


@pytest.fixture
def run_push(make_artifacts, models, tmp_path):
    """Returns a function that pushes the model x / 2 + offset, of which the evaluation says that it predicts x / 2 + said."""

    def run(offset, url, said=None, **options):
        live = live_version(tmp_path / "serving")
        name = f"run-{len(list(tmp_path.glob('run-*')))}"
        decision = options.pop("decision", {})
        rows = (X, X / 2 + (offset if said is None else said))
        arguments = make_artifacts(name, served=models[offset], rows=rows, baseline=(live, ""), **decision)
        return push_model(**{**arguments, "server": url, "server_wait_seconds": PATIENCE, **options})

    return run


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts a model server on the serving directory, which may be empty, and returns its address."""
    started = []

    def start(config_file=None, *, grpc=False, base=tmp_path / "serving"):
        base.mkdir(exist_ok=True)
        port = free_port()
        flags = [f"--port={port}", "--rest_api_port=0"] if grpc else ["--port=0", f"--rest_api_port={port}"]
        if config_file:
            flags += [f"--model_config_file={config_file}", f"--model_config_file_poll_wait_seconds={0 if grpc else 1}"]
        else:
            flags += ["--model_name=m", f"--model_base_path={base}"]
        server = make_server([*flags, "--max_num_load_retries=0"])
        started.append(server)
        threading.Thread(target=server.start, daemon=True).start()
        return f"{'grpc' if grpc else 'http'}://127.0.0.1:{port}"

    yield start
    for server in started:
        server.close()


def _kinds(base):
    assert verify_ledger(base) == []
    return [entry.kind for entry in read_ledger(base)]


def _states(url):
    return {number: item.state for number, item in read_status(Server(url=url, model_name="m")).items()}


def test_versions_are_verified_one_after_another(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"  # there is no version yet, and so no open port
    assert run_push(2, url).version == "1"
    assert run_push(3, url).version == "2"
    assert _kinds(base) == ["push_intent", "pushed", "verified"] * 2
    verified = read_ledger(base)[-1].payload
    assert verified["largest_difference"] <= 1e-5
    assert {key: verified[key] for key in ("version", "server", "model_name", "rows", "tolerance")} == {
        "version": 2,
        "server": url,
        "model_name": "m",
        "rows": 32,
        "tolerance": 1e-5,
    }
    assert _states(url)[2] == "AVAILABLE"


def test_version_that_predicts_something_else_is_withdrawn(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"
    run_push(2, url)
    result = run_push(3, url, said=3.5)
    assert (result.pushed, result.version, live_version(base)) == (False, "", "1")
    assert "predicts something else in the server than in the evaluation" in result.reason
    assert "the largest difference over 32 rows is 0.5, allowed is 1e-05. Version 1 is live." in result.reason
    assert _kinds(base)[3:] == ["push_intent", "pushed", "withdraw_intent", "withdrawn"]
    assert read_ledger(base)[-1].payload["automatic"] is True
    assert predict(Server(url=url, model_name="m"), 1, {"x": [2.0]}) == [3.0]
    with pytest.raises(Refusal, match="was version 2 and is withdrawn"):  # the same decision again
        run_push(3, url, said=3.5, strict=True)


def test_version_is_verified_over_rest_and_grpc_alike(run_push, serve, tmp_path):
    urls, base = f"{serve()},{serve(grpc=True)}", tmp_path / "serving"
    assert run_push(2, urls).version == "1"
    verified = read_ledger(base)[-1].payload
    assert (verified["server"], verified["rows"], verified["largest_difference"] <= 1e-5) == (urls.replace(",", ", "), 32, True)
    result = run_push(3, urls.partition(",")[2], said=3.5)
    assert (result.pushed, live_version(base)) == (False, "1")
    assert "the largest difference over 32 rows is 0.5, allowed is 1e-05. Version 1 is live." in result.reason
    with pytest.raises(UserError, match="speaks no HTTP, as a gRPC port"):
        run_push(4, urls.partition(",")[2].replace("grpc", "http"))
    with pytest.raises(UserError, match=r"does not answer|answers UNAVAILABLE.*Nothing was changed"):
        run_push(4, f"{urls},grpc://127.0.0.1:{free_port()}")


def test_name_that_the_server_does_not_know_stops_a_push_where_a_version_is_live(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"
    assert run_push(2, url).version == "1"
    problem = "has no version of a model 'other'; its name there may be another one"
    assert problem in wait_available(Server(url=url, model_name="other", wait_seconds=0), 1)
    before = len(read_ledger(base))
    with pytest.raises(UserError, match=rf"{problem}.*Nothing was changed"):
        run_push(3, url, model_name="other", server_wait_seconds=0)
    assert (len(read_ledger(base)), live_version(base)) == (before, "1")


def test_version_that_one_of_several_servers_does_not_have_is_withdrawn(run_push, serve, tmp_path, monkeypatch):
    url, base, behind = serve(), tmp_path / "serving", tmp_path / "behind"
    run_push(2, url)
    shutil.copytree(base / "1", behind / "1")
    second = serve(base=behind)
    assert wait_available(Server(url=second, model_name="m", wait_seconds=PATIENCE), 1) == ""
    waits, wait = {url: PATIENCE, second: 1}, server_waits._wait
    monkeypatch.setattr(
        server_waits, "_wait", lambda server, *more: wait(dataclasses.replace(server, wait_seconds=waits[server.url]), *more)
    )
    result = run_push(3, f"{url},{second}")
    assert (result.pushed, live_version(base), _kinds(base)[-1]) == (False, "1", "withdrawn")
    assert f"{second}: The server does not know version 2; it has 1 (AVAILABLE)." in result.reason


def test_version_that_does_not_load_is_withdrawn(run_push, serve, tmp_path, models, monkeypatch):
    monkeypatch.setattr(server_waits, "_FAILED_SECONDS", 0.5)
    url, broken = serve(), tmp_path / "broken"
    run_push(2, url)
    shutil.copytree(models[3], broken)
    next((broken / "variables").glob("*.data*")).write_bytes(b"half")
    monkeypatch.setitem(models, 5, broken)
    result = run_push(5, url)
    assert (result.pushed, live_version(tmp_path / "serving")) == (False, "1")
    assert "Version 2 is END in the server" in result.reason
    assert _states(url)[1] == "AVAILABLE"


def test_first_version_that_fails_leaves_the_directory_as_it_was(run_push, serve, tmp_path):
    result = run_push(2, serve(), said=7)
    assert (result.pushed, live_version(tmp_path / "serving")) == (False, "")
    assert result.reason.endswith("No version is live.")


def test_server_that_does_not_answer_stops_the_push_before_it_begins(run_push, tmp_path):
    run_push(2, "")
    with pytest.raises(UserError, match=r"does not answer.*Nothing was changed"):
        run_push(3, f"http://127.0.0.1:{free_port()}")
    assert _kinds(tmp_path / "serving") == ["push_intent", "pushed"]


def test_push_that_died_before_its_verification_is_verified_by_the_next(run_push, serve, tmp_path, monkeypatch):
    url, base = serve(), tmp_path / "serving"
    run_push(2, url)
    with monkeypatch.context() as patch:
        patch.setattr(verifier, "verify_pushed", lambda base, servers: ("", ""))
        run_push(3, url, said=9)
    assert live_version(base) == "2"
    with pytest.raises(UserError, match=r"does not answer.*Nothing was changed"):
        run_push(4, f"http://127.0.0.1:{free_port()}", decision={"approved": False})
    assert live_version(base) == "2"
    result = run_push(4, url, decision={"approved": False})
    assert (result.pushed, live_version(base), _kinds(base)[-1]) == (False, "1", "withdrawn")


def _ask_all_the_time(url, stop, answers, errors):
    body = json.dumps({"inputs": {"x": [2.0]}}).encode()
    while not stop.is_set():
        try:
            with urllib.request.urlopen(f"{url}:predict", body, timeout=100) as response:
                answers.append(json.loads(response.read())["outputs"][0])
        except OSError as error:
            errors.append(error)
        time.sleep(0.005)


def test_no_request_fails_during_a_rollback(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"
    for offset in (2, 3, 4):
        run_push(offset, url)
    stop, answers, errors = threading.Event(), [], []
    clients = [threading.Thread(target=_ask_all_the_time, args=(f"{url}/v1/models/m", stop, answers, errors)) for _ in range(4)]
    for client in clients:
        client.start()
    change = roll_back_verified(base, (Server(url=url, model_name="m", wait_seconds=PATIENCE),), to="1", **WHO)
    time.sleep(0.2)
    stop.set()
    for client in clients:
        client.join()
    assert (change.live, errors) == ("1", [])
    assert set(answers) == {5.0, 3.0}  # never version 2, which lies between
    assert answers[-1] == 3.0
    assert _kinds(base)[-3:] == ["rollback_intent", "rolled_back", "verified"]


def test_rollback_to_a_version_that_does_not_serve_is_taken_back(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"
    run_push(2, url)
    run_push(3, url, said=7)  # withdrawn by itself
    run_push(4, url)
    with pytest.raises(UserError, match=r"predicts something else.*Version 3 is live"):
        roll_back_verified(base, (Server(url=url, model_name="m", wait_seconds=PATIENCE),), to="2", **WHO)
    assert (live_version(base), _kinds(base)[-1]) == ("3", "rolled_back")
    assert (base / ".withdrawn-2").is_dir()


def test_rollback_waits_for_a_server_in_vain(run_push, tmp_path):
    run_push(2, "")
    run_push(3, "")
    with pytest.raises(UserError, match="does not answer"):
        roll_back_verified(tmp_path / "serving", (Server(url=f"http://127.0.0.1:{free_port()}", model_name="m"),), **WHO)
    assert live_version(tmp_path / "serving") == "2"
    assert rollback(tmp_path / "serving", **WHO).live == "1"


@pytest.fixture
def labels(serve, tmp_path):
    """Returns where labels are moved, in a server whose configuration names the model and nothing else of it."""
    file = tmp_path / "models.config"
    base = tmp_path / "serving"
    file.write_text(f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow" }} }}')
    return Labels(config_file=file, servers=(Server(url=serve(file), model_name="m", wait_seconds=PATIENCE),))


def _push_labelled(run_push, labels, offset, **options):
    return run_push(offset, labels.servers[0].url, labels="file", model_config_file=str(labels.config_file), **options)


def _label(labels, label):
    url = f"{labels.servers[0].url}/v1/models/m/labels/{label}:predict"
    with urllib.request.urlopen(url, json.dumps({"inputs": {"x": [2.0]}}).encode(), timeout=100) as response:
        return json.loads(response.read())["outputs"]


def test_canary_becomes_stable_and_goes_back(run_push, labels, tmp_path):
    base = tmp_path / "serving"
    assert _push_labelled(run_push, labels, 2).version == "1"
    assert (_label(labels, "stable"), _label(labels, "canary"), live_version(base)) == ([3.0], [3.0], "1")
    assert _push_labelled(run_push, labels, 3).version == "2"
    assert (_label(labels, "stable"), _label(labels, "canary"), live_version(base)) == ([3.0], [4.0], "1")
    change = promote(base, labels, **WHO)
    assert (change.before, change.live, live_version(base)) == ("1", "2", "2")
    assert read_labels(labels.config_file, "m") == ({2}, {"stable": 2, "canary": 2})
    change = roll_back_labels(base, labels, **WHO)
    assert (change.before, change.live, change.withdrawn) == ("2", "1", (2,))
    assert (_label(labels, "stable"), _label(labels, "canary"), live_version(base)) == ([3.0], [3.0], "1")
    assert roll_back_labels(base, labels, to="2", **WHO).restored == (2,)
    assert (_label(labels, "stable"), live_version(base), verify_ledger(base)) == ([4.0], "2", [])


def test_canary_that_fails_leaves_the_labels(run_push, labels, tmp_path):
    _push_labelled(run_push, labels, 2)
    result = _push_labelled(run_push, labels, 3, said=9)
    assert (result.pushed, live_version(tmp_path / "serving")) == (False, "1")
    assert "predicts something else" in result.reason
    assert (_label(labels, "stable"), _label(labels, "canary")) == ([3.0], [3.0])
    assert read_labels(labels.config_file, "m") == ({1}, {"stable": 1, "canary": 1})
    assert verify_ledger(tmp_path / "serving") == []


def test_no_request_by_label_fails_while_labels_move(run_push, labels, tmp_path):
    base = tmp_path / "serving"
    _push_labelled(run_push, labels, 2)
    stop, answers, errors = threading.Event(), [], []
    url = f"{labels.servers[0].url}/v1/models/m/labels/stable"
    clients = [threading.Thread(target=_ask_all_the_time, args=(url, stop, answers, errors)) for _ in range(2)]
    for client in clients:
        client.start()
    _push_labelled(run_push, labels, 3)
    promote(base, labels, **WHO)
    roll_back_labels(base, labels, **WHO)
    stop.set()
    for client in clients:
        client.join()
    assert (errors, set(answers), answers[-1]) == ([], {3.0, 4.0}, 3.0)


def test_nothing_is_promoted_without_a_canary(run_push, tmp_path):
    run_push(2, "")
    nowhere = Labels(config_file=tmp_path / "none", servers=(Server(url="http://127.0.0.1:9", model_name="m"),))
    with pytest.raises(UserError, match="A version is labelled canary"):
        promote(tmp_path / "serving", nowhere, **WHO)


def test_live_version_keeps_serving_when_labels_begin(run_push, labels, tmp_path):
    base = tmp_path / "serving"
    run_push(2, "")
    assert wait_available(labels.servers[0], 1) == ""
    _push_labelled(run_push, labels, 3)
    assert (_label(labels, "stable"), _label(labels, "canary"), live_version(base)) == ([3.0], [4.0], "1")
    assert [item.labels for item in list_releases(base)] == [("stable",), ("canary",)]


def test_versions_with_a_label_are_kept(run_push, labels, tmp_path):
    base = tmp_path / "serving"
    for offset in (2, 3, 4):
        _push_labelled(run_push, labels, offset, keep_versions=1)
    assert sorted(path.name for path in base.glob("[0-9]*")) == ["1", "3"]
    assert (_label(labels, "stable"), verify_ledger(base)) == ([3.0], [])


def test_approved_candidate_that_fails_in_the_server_is_withdrawn(run_push, serve, tmp_path):
    url, base = serve(), tmp_path / "serving"
    run_push(2, url)
    pending = {"status": "pending", "approved": False, "deadline": "2999-01-01T00:00:00+00:00"}
    assert run_push(3, url, said=9, decision=pending).deadline
    answer(base, "approved", model="", by="Ada", reason="Reviewed.", now=datetime.datetime.now(datetime.UTC))
    (settled,) = run_push(4, url, decision={"approved": False}).settled
    assert (settled.kind, settled.version, live_version(base)) == ("withdrawn", "2", "1")
    assert "predicts something else" in settled.reason
    assert _kinds(base)[-1] == "withdrawn"


def test_labels_are_told_by_reload_and_other_models_stay(run_push, serve, models, tmp_path):
    base, file, other = tmp_path / "serving", tmp_path / "models.config", tmp_path / "other"
    shutil.copytree(models[4], other / "7")
    folders = {"m": base, "other": other}
    configs = [f'config {{ name: "{name}" base_path: "{folders[name]}" model_platform: "tensorflow" }}' for name in folders]
    file.write_text(f"model_config_list {{ {' '.join(configs)} }}")
    servers = tuple(Server(url=serve(file, grpc=True), model_name="m", wait_seconds=PATIENCE) for _ in range(2))
    labels = Labels(config_file=file, servers=servers, reload=True)
    settings = {"labels": "reload", "model_config_file": str(file)}
    urls = ",".join(server.url for server in servers)
    assert [run_push(offset, urls, **settings).version for offset in (2, 3)] == ["1", "2"]
    assert promote(base, labels, **WHO).live == "2"
    assert roll_back_labels(base, labels, **WHO).withdrawn == (2,)
    assert (read_labels(file, "m"), live_version(base), verify_ledger(base)) == (({1}, {"stable": 1, "canary": 1}), "1", [])
    for server in servers:
        assert wait_label(server, "stable", 1) == wait_available(Server(url=server.url, model_name="other"), 7) == ""
        assert read_status(server)[2].state == "END"


def test_configuration_that_is_told_lies_in_the_serving_directory_where_none_is_named(run_push, serve, tmp_path):
    base, url = tmp_path / "serving", serve(grpc=True)
    assert run_push(2, url, labels="reload").version == "1"
    assert run_push(3, url, labels="reload").version == "2"
    assert read_labels(base / ".models.config", "m") == ({1, 2}, {"stable": 1, "canary": 2})
    assert (live_version(base), verify_ledger(base)) == ("1", [])


def test_configuration_that_the_server_refuses_changes_nothing(run_push, serve, tmp_path):
    url, base = serve(grpc=True), tmp_path / "serving"
    run_push(2, url)
    file = tmp_path / "refused.config"
    text = f'model_config_list {{ config {{ name: "m" base_path: "{base}" }} }}'  # a platform is missing
    file.write_text(text)
    with pytest.raises(UserError, match=r"neither ModelServerConfig::model_type.*Nothing was withdrawn"):
        run_push(3, url, labels="reload", model_config_file=str(file))
    assert (file.read_text(), live_version(base), verify_ledger(base)) == (text, "1", [])
