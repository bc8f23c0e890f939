"""What Vertex AI is asked for, behind a stand-in for its client, which is not installed here and would ask Google."""

import sys
import types
from pathlib import Path

import pytest
import yaml

from components._shared.errors import UserError
from pipelines.vertex import Place, submit_to_vertex

PLACE = {"project_id": "p", "region": "europe-west4", "staging_bucket": "gs://b/runs"}
NETWORK = "projects/12345/global/networks/vpc"


@pytest.fixture
def client(monkeypatch):
    """Stands for google.cloud.aiplatform, and keeps what it was asked for."""
    asked = {}

    class PipelineJob:
        resource_name = "projects/1/locations/europe-west4/pipelineJobs/parcels-1"

        def __init__(self, *, template_path, **options):
            asked.update(options, template=yaml.safe_load(Path(template_path).read_text(encoding="utf-8")))

        def submit(self, service_account=None, network=None):
            if service_account == "nobody":
                raise ValueError("no such account")
            asked.update(service_account=service_account, network=network)

    module = types.ModuleType("google.cloud.aiplatform")
    module.PipelineJob = PipelineJob
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", module)
    return asked


@pytest.fixture
def file(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump_all([{"root": {}}, {"platforms": {}}]), encoding="utf-8")
    return tmp_path / "pipeline.yaml"


def test_run_is_started_under_an_account_in_a_network_and_below_a_root(client, file):
    page = submit_to_vertex(file, {"epochs": 3}, Place(**PLACE, service_account="s@p.example", network=NETWORK), name="n")
    assert page.endswith("/europe-west4/runs/parcels-1?project=p")
    assert (client["service_account"], client["network"], client["pipeline_root"]) == ("s@p.example", NETWORK, "gs://b/runs")
    assert (client["template"], client["parameter_values"]) == ({"root": {}}, {"epochs": 3})


def test_what_is_left_out_is_left_to_the_project(client, file):
    submit_to_vertex(file, {}, Place(**PLACE), name="n")
    assert (client["service_account"], client["network"], client["enable_caching"]) == (None, None, None)


def test_no_of_the_service_is_one_message(client, file):
    with pytest.raises(UserError, match=r"Vertex AI takes the pipeline.*no such account"):
        submit_to_vertex(file, {}, Place(**PLACE, service_account="nobody"), name="n")
