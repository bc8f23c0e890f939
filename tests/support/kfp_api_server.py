"""A server in this process that answers as the API v2beta1 of Kubeflow Pipelines does, as far as Sluice asks it.

What it takes is what `kfp_contract` lets through. Errors are a google.rpc.Status in JSON.
"""

import datetime
import itertools
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kfp_contract import StatusError, check_model, check_parameters, check_pipeline, read_uploaded

_CRON = re.compile(r"(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+( \S+){5})", re.ASCII)
_LISTS = {"page_token", "page_size", "sort_by", "filter"}


class KfpApiServer:
    """What a Kubeflow holds, and how it is set up.

    Attributes:
        experiments, runs, recurring_runs, pipelines, versions: Resources by ID, as the API shows them.
        requests: Method and path of every request so far.
        namespaces: The namespaces that the user may use, with several users; empty for a Kubeflow of one user.
        token: The bearer token that is asked for; empty for none.
        cookie: The cookie without which a login page answers; empty for none.
        page_size: Most items per page of a list.
        on_get_run: Called with a run before it is shown, to let it go on.
        interrupt: Called with method and path; returns a status to answer with instead, or None.
    """

    def __init__(self):
        self.reset()
        self.lock, self._ids = threading.RLock(), itertools.count(1)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reset(self):
        self.experiments, self.runs, self.recurring_runs, self.pipelines, self.versions = {}, {}, {}, {}, {}
        self.requests = []
        self.namespaces, self.token, self.cookie, self.page_size = (), "", "", 100
        self.on_get_run = lambda run: None
        self.interrupt = lambda method, path: None

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, method, path, query, body, content_type):
        """Returns the answer to a request as a JSON value."""
        for pattern, verb, function, allowed in self._routes():
            if verb == method and (match := re.fullmatch(f"/apis/v2beta1/{pattern}", path)):
                if unknown := set(query) - allowed:
                    raise StatusError(400, f"query parameters {sorted(unknown)} not found")
                arguments = [urllib.parse.unquote(group) for group in match.groups()]
                return function(*arguments, query=query, body=body, content_type=content_type)
        raise StatusError(404, "Not Found")

    def _routes(self):
        return [
            ("healthz", "GET", lambda **_: {"multi_user": bool(self.namespaces)}, set()),
            ("experiments", "GET", self._list_experiments, {*_LISTS, "namespace"}),
            ("experiments", "POST", self._create_experiment, set()),
            ("runs", "GET", self._list_runs, {*_LISTS, "namespace", "experiment_id"}),
            ("runs", "POST", self._create_run, {"experiment_id"}),
            ("runs/([^/:]+)", "GET", self._get_run, {"experiment_id"}),
            ("recurringruns", "GET", self._list_recurring_runs, {*_LISTS, "namespace", "experiment_id"}),
            ("recurringruns", "POST", self._create_recurring_run, set()),
            ("recurringruns/([^/:]+)", "DELETE", self._delete_recurring_run, set()),
            ("recurringruns/([^/:]+):(enable|disable)", "POST", self._switch_recurring_run, set()),
            ("pipelines", "GET", lambda query, **_: self._list("pipelines", self.pipelines, query), {*_LISTS, "namespace"}),
            ("pipelines/upload", "POST", self._upload, {"name", "display_name", "description", "namespace"}),
            ("pipelines/upload_version", "POST", self._upload_version, {"name", "display_name", "description", "pipelineid"}),
            ("pipelines/([^/]+)/versions", "GET", self._list_versions, _LISTS),
        ]

    def _list_experiments(self, query, **_):
        self._check_namespace(query.get("namespace", ""))
        return self._list("experiments", self.experiments, query, namespace=query.get("namespace", ""))

    def _create_experiment(self, body, **_):
        check_model(body, "V2beta1Experiment")
        self._check_namespace(body.get("namespace", ""))
        return self._add(self.experiments, "experiment_id", {**body, "namespace": body.get("namespace", "")})

    def _list_runs(self, query, **_):
        return self._list("runs", self.runs, query, **self._place(query))

    def _get_run(self, run_id, **_):
        self.on_get_run(_found(self.runs, run_id, "run"))
        return self.runs[run_id]

    def _create_run(self, body, **_):
        check_model(body, "V2beta1Run")
        run = {**body, **self._checked_pipeline(body), "state": "PENDING", "run_details": {"task_details": []}}
        return self._add(self.runs, "run_id", run)

    def _list_recurring_runs(self, query, **_):
        return self._list("recurringRuns", self.recurring_runs, query, **self._place(query))

    def _create_recurring_run(self, body, **_):
        check_model(body, "V2beta1RecurringRun")
        trigger = body.get("trigger", {})
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise StatusError(400, "The max concurrency of the recurring run is out of range. Support 1-10")
        if len(trigger) != 1:
            raise StatusError(400, "A recurring run has one trigger")
        if not _CRON.fullmatch(trigger.get("cron_schedule", {}).get("cron", "@daily")):
            raise StatusError(400, "The Schedule cron is not a supported format")
        if int(trigger.get("periodic_schedule", {}).get("interval_second", 1)) < 1:
            raise StatusError(400, "The interval of a periodic schedule is above 0")
        status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
        return self._add(self.recurring_runs, "recurring_run_id", {**body, **self._checked_pipeline(body), "status": status})

    def _delete_recurring_run(self, run_id, **_):
        _found(self.recurring_runs, run_id, "recurring run")
        del self.recurring_runs[run_id]
        return {}

    def _switch_recurring_run(self, run_id, action, **_):
        _found(self.recurring_runs, run_id, "recurring run")["status"] = f"{action.upper()}D"
        return {}

    def _upload(self, query, body, content_type, **_):
        name = query.get("name", "")
        if any(item["display_name"] == name for item in self.pipelines.values()):
            raise StatusError(409, f"Already exist error: The name {name} already exist. Please specify a new name")
        spec = read_uploaded(body, content_type)
        pipeline = self._add(self.pipelines, "pipeline_id", {"display_name": name, "description": query.get("description", "")})
        self._add_version(pipeline["pipeline_id"], name, spec)
        return pipeline

    def _upload_version(self, query, body, content_type, **_):
        pipeline_id = _found(self.pipelines, query.get("pipelineid", ""), "pipeline")["pipeline_id"]
        return self._add_version(pipeline_id, query.get("name", ""), read_uploaded(body, content_type))

    def _add_version(self, pipeline_id, name, spec):
        same = [item for item in self.versions.values() if (item["pipeline_id"], item["display_name"]) == (pipeline_id, name)]
        if same or not name:
            raise StatusError(409, f"Already exist error: The name {name} already exist. Please specify a new name")
        version = {"pipeline_id": pipeline_id, "display_name": name, "pipeline_spec": spec}
        return self._add(self.versions, "pipeline_version_id", version)

    def _list_versions(self, pipeline_id, query, **_):
        _found(self.pipelines, pipeline_id, "pipeline")
        return self._list("pipeline_versions", self.versions, query, pipeline_id=pipeline_id)

    def _checked_pipeline(self, body):
        """Checks what a run refers to and is given; returns what the API fills in."""
        experiment = _found(self.experiments, body.get("experiment_id", ""), "experiment")
        if not body.get("display_name"):
            raise StatusError(400, "The name of a run is empty")
        spec, reference = body.get("pipeline_spec"), body.get("pipeline_version_reference")
        if bool(spec) == bool(reference):
            raise StatusError(400, "A run has a pipeline spec or a pipeline version")
        if reference:
            spec = _found(self.versions, reference.get("pipeline_version_id", ""), "pipeline version")["pipeline_spec"]
        check_parameters(check_pipeline(spec), body.get("runtime_config", {}).get("parameters", {}))
        return {"namespace": experiment["namespace"]}

    def _place(self, query):
        """Returns what the items of a list have in common."""
        if "experiment_id" in query:
            return {"experiment_id": _found(self.experiments, query["experiment_id"], "experiment")["experiment_id"]}
        self._check_namespace(query.get("namespace", ""))
        return {"namespace": query.get("namespace", "")}

    def _check_namespace(self, namespace):
        if not self.namespaces and namespace:
            raise StatusError(400, "Invalid input error: In single-user mode, the request shouldn't contain a namespace")
        if self.namespaces and not namespace:
            raise StatusError(400, "Invalid input error: A namespace cannot be empty in multi-user mode")
        if self.namespaces and namespace not in self.namespaces:
            raise StatusError(403, f"User 'ada' is not authorized with reason: (request: Namespace:{namespace})")

    def _add(self, resources, key, resource):
        name = f"{key.removesuffix('_id')}-{next(self._ids)}"
        # Later ones are later, whatever the clock's resolution is.
        created = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=next(self._ids))
        resources[name] = {**resource, key: name, "created_at": created.isoformat()}
        return resources[name]

    def _list(self, key, resources, query, **common):
        found = [item for item in resources.values() if all(item.get(name) == value for name, value in common.items())]
        for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
            if set(predicate) != {"operation", "key", "stringValue"} or predicate["operation"] not in (1, "EQUALS"):
                raise StatusError(400, "Invalid input error: the filter is not one")
            found = [item for item in found if item.get(predicate["key"]) == predicate["stringValue"]]
        if query.get("sort_by"):
            field, _, order = query["sort_by"].partition(" ")
            found.sort(key=lambda item: item[field], reverse=order == "desc")
        begin = int(query.get("page_token") or 0)
        end = begin + min(int(query.get("page_size") or 20), self.page_size)
        return {key: found[begin:end], "total_size": len(found), "next_page_token": str(end) if end < len(found) else ""}


def _found(resources, name, kind):
    if name not in resources:
        raise StatusError(404, f"ResourceNotFoundError: {kind} {name} not found.")
    return resources[name]


def _handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self):
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            with server.lock:
                server.requests.append((self.command, path))
                status, kind, content = self.decide(path, dict(urllib.parse.parse_qsl(query)), data)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def decide(self, path, query, data):
            if server.cookie and self.headers.get("Cookie") != server.cookie:
                return 200, "text/html", b"<html>Log in</html>"
            content_type = self.headers.get("Content-Type", "")
            try:
                if status := server.interrupt(self.command, path):
                    raise StatusError(status, "as the test wants it")
                if server.token and self.headers.get("Authorization") != f"Bearer {server.token}":
                    raise StatusError(401, "Unauthenticated: the request has no valid token")
                body = data if content_type.startswith("multipart/") else json.loads(data or b"{}")
                answer, status = server.answer(self.command, path, query, body, content_type), 200
            except StatusError as error:
                status, message = error.args
                answer = {"error": message, "code": status, "message": message, "details": []}
            return status, "application/json", json.dumps(answer).encode()

        do_GET = do_POST = do_DELETE = serve  # noqa: N815

        def log_message(self, *arguments):
            pass

    return Handler
