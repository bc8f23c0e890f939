"""A connection to Kubeflow Pipelines through KFP's own client, with errors that say what to do."""

import contextlib
import dataclasses
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3
from google.auth.exceptions import GoogleAuthError

from components._shared.errors import UserError

ENDPOINT = "KF_PIPELINES_ENDPOINT"
_UI_ENDPOINT = "KF_PIPELINES_UI_ENDPOINT"
_TIMEOUT_SECONDS = (5, 30)
"""To connect, and to wait for an answer about the server's health."""
_LOG_IN = (
    "Name a file with a token (--token-file) or with the cookie of your browser's session (--cookie-file); "
    "for Google hosts run `gcloud auth application-default login`."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connection:
    """Where Kubeflow Pipelines is, and who asks.

    Attributes:
        host: URL of the API; empty for KFP's environment variable, or, inside a pod, the cluster's own.
        namespace: The user's namespace, where Kubeflow has several; empty for the one that KFP knows.
        token_file: File with a bearer token.
        cookie_file: File with the cookie of a session, `name=value`.
    """

    host: str = ""
    namespace: str = ""
    token_file: Path | None = None
    cookie_file: Path | None = None


@dataclasses.dataclass(frozen=True)
class Kubeflow:
    """A server that answered.

    Attributes:
        client: KFP's client.
        namespace: Namespace for experiments and runs; None where there is one user only.
        ui: URL of the dashboard.
    """

    client: Any
    namespace: str | None
    ui: str

    def link(self, run_id: str) -> str:
        """Returns the address of a run's page."""
        return f"{self.ui}/#/runs/details/{run_id}"

    def experiment_id(self, name: str) -> str:
        """Returns the ID of an experiment that is there.

        Raises:
            UserError: If it is not.
        """
        try:
            return str(self.client.get_experiment(experiment_name=name, namespace=self.namespace).experiment_id)
        except ValueError as error:
            remedy = "`sluice status` lists the runs of all; `sluice submit` makes the experiment that it names."
            raise UserError("The experiment is there.", received=f"{name} ({error})", remedy=remedy) from error

    def make_experiment(self, name: str) -> str:
        """Returns the ID of an experiment, which is made if it is not there."""
        with silent():
            return str(self.client.create_experiment(name, namespace=self.namespace).experiment_id)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keeps what KFP prints, such as links of its own, from standard output."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Client(kfp.Client):
    """KFP's client, but asking for the server's health once, instead of five times in 25 seconds."""

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        health, _, headers = self._healthz_api.healthz_service_get_healthz_with_http_info(_request_timeout=_TIMEOUT_SECONDS)
        if "json" not in headers.get("Content-Type", ""):
            received = f"a page of the type {headers.get('Content-Type', 'unknown')}, as a login page is"
            raise UserError("The host answers as the API of Kubeflow Pipelines does.", received=received, remedy=_LOG_IN)
        return health


@contextlib.contextmanager
def connected(connection: Connection) -> Iterator[Kubeflow]:
    """Connects, and turns what goes wrong until the end of the block into one message.

    Raises:
        UserError: If there is no host, it does not answer, does not let the user in, is of another version, or refuses.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # else each attempt to connect is a warning
    host = connection.host or os.environ.get(ENDPOINT, "")
    if not host and "KUBERNETES_SERVICE_HOST" not in os.environ:
        remedy = f"Give --host URL or set {ENDPOINT}; with a port-forward of ml-pipeline-ui it is http://localhost:8080."
        raise UserError("Outside of a cluster, Kubeflow Pipelines has an address.", received="none", remedy=remedy)
    try:
        yield _connect(connection, host)
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        remedy = (
            "Check --host, the network and the port-forward: `kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80`."
        )
        raise UserError(
            "Kubeflow Pipelines can be reached.", received=f"{host or 'the cluster'}: {reason}", remedy=remedy
        ) from error
    except GoogleAuthError as error:
        raise UserError("A Google host gets application default credentials.", received=error, remedy=_LOG_IN) from error
    except kfp_server_api.ApiException as error:
        raise _explain(error, host) from error


def _connect(connection: Connection, host: str) -> Kubeflow:
    token, cookie = _secret_of(connection.token_file), _secret_of(connection.cookie_file)
    with silent():
        # Without the namespace: inside a pod KFP would look for the server itself there.
        client = _Client(host=host or None, existing_token=token or None, cookies=cookie or None)
    health = client.get_kfp_healthz()
    namespace = connection.namespace or client.get_user_namespace() or None
    if health.multi_user and not namespace:
        remedy = "Give --namespace with the one of your profile."
        raise UserError("A Kubeflow of several users is asked in a namespace.", received="none", remedy=remedy)
    if not health.multi_user and namespace:
        remedy = "Leave out --namespace; the namespace in ~/.config/kfp/context.json counts, too."
        raise UserError("A Kubeflow of one user has no namespaces.", received=namespace, remedy=remedy)
    ui = os.environ.get(_UI_ENDPOINT, host).rstrip("/")
    if not ui:
        return Kubeflow(client, namespace, "/pipeline")  # as KFP: relative to the dashboard, whose address a pod does not know
    return Kubeflow(client, namespace, ui if "://" in ui else f"https://{ui}")


def _secret_of(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("The file with the token or the cookie can be read.", received=f"{file}: {error}") from error
    if not text or "\n" in text:
        raise UserError("The file holds a token or a cookie on one line.", received=file)
    return text


def _explain(error: Any, host: str) -> UserError:
    """Returns what an answer other than a success means, and what to do."""
    message = _message_of(error)
    rule, remedy = _meaning_of(error.status, message)
    received = f"{host or 'the cluster'} answers {error.status}: {message or 'without a reason'}"
    return UserError(rule, received=received, remedy=remedy)


def _meaning_of(status: int, message: str) -> tuple[str, str]:
    """Returns a rule and a remedy for an HTTP status (0 for none) and the API's own words (empty if something else spoke)."""
    if status == 404 and message in ("", "Not Found"):  # a gateway, or an API without this path
        remedy = "Check the path in --host (often it ends with /pipeline); a backend needs release 2.3 or later."
        return "The host has the API v2beta1 of Kubeflow Pipelines.", remedy
    if status == 400 and "unknown field" in message:
        remedy = f"This is the SDK {kfp.__version__}: upgrade the backend, or compile with the older line of requirements/."
        return "The backend is as new as the SDK that compiled the pipeline.", remedy
    if status == 400 and "namespace" in message.lower():
        return "The namespace is one of this Kubeflow.", "Check --namespace."
    meanings = {
        0: ("The host's certificate can be verified.", "Check --host; http or https?"),
        400: ("Kubeflow takes what it is sent.", "Mend what it names."),
        401: ("Kubeflow knows who asks.", _LOG_IN),
        403: ("You may do this in the namespace.", "Check --namespace; its owner adds contributors in the dashboard."),
        404: ("What is named is there.", "`sluice status` lists the runs."),
    }
    return meanings.get(status, ("Kubeflow answers.", "See the log of ml-pipeline in the cluster, and try again."))


def _message_of(error: Any) -> str:
    """Returns the API's own words; empty if something else answered, such as a proxy."""
    if error.status == 0:
        return str(error.reason)
    try:
        body = json.loads(error.body)
        return " ".join(str(body.get("message") or body.get("error") or "").split())
    except (TypeError, ValueError, AttributeError):
        return ""
