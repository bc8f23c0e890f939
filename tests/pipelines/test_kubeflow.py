import time

import pytest

from components._shared.errors import UserError
from pipelines.kubeflow import Connection, connected


def message_of(**settings):
    with pytest.raises(UserError) as raised, connected(Connection(**settings)) as kubeflow:
        kubeflow.client.list_runs(namespace=kubeflow.namespace)
    return str(raised.value)


@pytest.fixture
def secret(tmp_path):
    def write(text):
        (tmp_path / "secret").write_text(text)
        return tmp_path / "secret"

    return write


def test_a_server_that_answers_is_connected(kfp_api):
    with connected(Connection(host=kfp_api.url)) as kubeflow:
        assert kubeflow.namespace is None
        assert kubeflow.link("run-1") == f"{kfp_api.url}/#/runs/details/run-1"


def test_the_host_may_stand_in_the_environment(kfp_api, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_api.url)
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "pipelines.example/")
    with connected(Connection()) as kubeflow:
        assert kubeflow.link("run-1") == "https://pipelines.example/#/runs/details/run-1"


def test_without_a_host_the_remedy_names_one(kfp_api):
    assert "Give --host URL or set KF_PIPELINES_ENDPOINT" in message_of()


def test_a_host_that_does_not_answer_is_told_at_once(kfp_api, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    message = message_of(host="http://127.0.0.1:9")
    assert "can be reached. Received: http://127.0.0.1:9: " in message
    assert "port-forward" in message
    assert sum(slept) < 5  # KFP alone waits for 25 seconds


def test_a_host_without_the_api_is_told(kfp_api):
    assert "has the API v2beta1 of Kubeflow Pipelines" in message_of(host=f"{kfp_api.url}/elsewhere")


def test_a_token_lets_in(kfp_api, secret):
    kfp_api.token = "abc"
    assert "answers 401" in message_of(host=kfp_api.url)
    assert "answers 401" in message_of(host=kfp_api.url, token_file=secret("other"))
    with connected(Connection(host=kfp_api.url, token_file=secret("abc\n"))) as kubeflow:
        assert not kubeflow.client.list_runs().runs


def test_a_login_page_is_no_answer_and_a_sessions_cookie_passes_it(kfp_api, secret):
    kfp_api.cookie = "session=1"
    assert "as a login page is. Name a file with a token" in message_of(host=kfp_api.url)
    with connected(Connection(host=kfp_api.url, cookie_file=secret("session=1"))) as kubeflow:
        assert not kubeflow.client.list_runs().runs


@pytest.mark.parametrize("text", ["", "two\nlines"])
def test_a_file_without_one_secret_is_refused(kfp_api, secret, text):
    assert "on one line" in message_of(host=kfp_api.url, token_file=secret(text))


def test_a_file_that_is_missing_is_refused(kfp_api, tmp_path):
    assert "can be read" in message_of(host=kfp_api.url, cookie_file=tmp_path / "none")


def test_a_kubeflow_of_several_users_needs_a_namespace_of_the_users(kfp_api):
    kfp_api.namespaces = ("team-a",)
    assert "Give --namespace" in message_of(host=kfp_api.url)
    assert "You may do this in the namespace. Received" in message_of(host=kfp_api.url, namespace="team-b")
    with connected(Connection(host=kfp_api.url, namespace="team-a")) as kubeflow:
        assert not kubeflow.client.list_runs(namespace=kubeflow.namespace).runs


def test_a_kubeflow_of_one_user_has_no_namespaces(kfp_api):
    assert "Leave out --namespace" in message_of(host=kfp_api.url, namespace="team-a")


@pytest.mark.parametrize(("status", "rule"), [(403, "You may do this"), (500, "Kubeflow answers"), (503, "Kubeflow answers")])
def test_an_answer_that_is_none_is_one_message(kfp_api, status, rule):
    kfp_api.interrupt = lambda method, path: status if path.endswith("/runs") else None
    message = message_of(host=kfp_api.url)
    assert message.startswith(rule)
    assert f"answers {status}: as the test wants it" in message


def test_a_backend_older_than_the_sdk_is_told(kfp_api):
    def send(body):
        with connected(Connection(host=kfp_api.url)) as kubeflow:
            body["experiment_id"] = kubeflow.make_experiment("x")
            kubeflow.client._run_api.api_client.call_api("/apis/v2beta1/runs", "POST", body=body, response_type="V2beta1Run")

    with pytest.raises(UserError, match=r"as new as the SDK .* unknown field.* upgrade the backend"):
        send({"display_name": "x", "pipeline_spec": {"later": 1}})


def test_an_experiment_that_is_missing_is_told(kfp_api):
    with pytest.raises(UserError, match="`sluice submit` makes"), connected(Connection(host=kfp_api.url)) as kubeflow:
        kubeflow.experiment_id("none")


def test_an_experiment_is_made_once(kfp_api, capsys):
    with connected(Connection(host=kfp_api.url)) as kubeflow:
        assert kubeflow.make_experiment("flights") == kubeflow.make_experiment("flights") == kubeflow.experiment_id("flights")
    assert capsys.readouterr().out == ""
