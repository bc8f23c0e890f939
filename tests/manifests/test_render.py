"""What kustomize makes of the manifests; skipped where there is no kustomize."""

import copy
import json
import os

import pytest
from kube_manifests import MANIFESTS, OVERLAYS, VERSIONS, problem, render


@pytest.fixture(scope="session")
def rendered():
    return {overlay: render(MANIFESTS / "overlays" / overlay) for overlay in OVERLAYS}


def only(objects, kind, name=None):
    (found,) = (item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"]))
    return found


def container(objects):
    return only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_of_an_overlay_suits_its_schema(rendered, overlay, version):
    assert [said for item in rendered[overlay] if (said := problem(item, version))] == []
    assert {item["metadata"]["namespace"] for item in rendered[overlay]} == {"flights"}


@pytest.mark.parametrize("overlay", ["local", "gcs"])
def test_what_a_deployment_names_is_there(rendered, overlay):
    objects = rendered[overlay]
    names = {(item["kind"], item["metadata"]["name"]) for item in objects}
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert ("ServiceAccount", pod["serviceAccountName"]) in names
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            assert ("ConfigMap", source["configMap"]["name"]) in names
        if claim := volume.get("persistentVolumeClaim"):
            assert ("PersistentVolumeClaim", claim["claimName"]) in names
            assert claim["readOnly"] is True
    assert only(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "flights"
    (subject,) = only(objects, "RoleBinding")["subjects"]
    assert subject["namespace"] == "flights"
    assert ("ServiceAccount", subject["name"]) in names


@pytest.mark.parametrize("overlay", ["local", "gcs"])
def test_files_that_the_flags_name_are_mounted(rendered, overlay):
    objects = rendered[overlay]
    files = {key for item in objects if item["kind"] == "ConfigMap" for key in item["data"]}
    for arg in container(objects)["args"]:
        if "=/etc/model-server/" in arg:
            assert arg.rpartition("/")[2] in files


def test_labels_of_the_pods_do_not_change_whom_the_policy_lets_in(rendered):
    for overlay in ("local", "gcs"):
        policy = only(rendered[overlay], "NetworkPolicy")["spec"]
        assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "flights"
        peers = [peer for rule in policy["ingress"] for peer in rule["from"]]
        assert {"app.kubernetes.io/name": "prometheus"} in [peer.get("podSelector", {}).get("matchLabels") for peer in peers]
        pipeline = {"podSelector": {"matchLabels": {"pipelines.kubeflow.org/v2_component": "true"}}}
        assert (pipeline in peers) == (overlay == "local")


def test_a_server_of_a_bucket_reads_the_configuration_and_never_polls_for_the_latest(rendered):
    objects = rendered["gcs"]
    args = container(objects)["args"]
    assert args[0] == "--model_config_file=gs://my-bucket/models/flights/models.config"
    assert not [arg for arg in args if arg.startswith("--model_base_path")]
    assert "PersistentVolumeClaim" not in {item["kind"] for item in objects}
    assert "base_path" not in json.dumps([item for item in objects if item["kind"] == "ConfigMap"])
    for name in ("flights-server", "flights-pipeline"):
        assert "iam.gke.io/gcp-service-account" in only(objects, "ServiceAccount", name)["metadata"]["annotations"]


def test_kserve_runs_no_deployment_of_ours(rendered):
    kinds = {item["kind"] for item in rendered["kserve"]}
    assert "InferenceService" in kinds
    assert not kinds & {"Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"}
    predictor = only(rendered["kserve"], "InferenceService")["spec"]["predictor"]
    assert only(rendered["kserve"], "ConfigMap", predictor["volumes"][0]["configMap"]["name"])["data"].keys() == {
        "monitoring.config"
    }
    selector = only(rendered["kserve"], "PodMonitor")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= predictor["labels"].items()


def test_no_overlay_holds_a_secret(rendered):
    for objects in rendered.values():
        assert "Secret" not in {item["kind"] for item in objects}


def test_with_labels_the_server_reads_the_file_that_sluice_writes(tmp_path):
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{_relative(overlay, 'overlays/local')}]\ncomponents: [{_relative(overlay, 'components/labels')}]\n"
    )
    args = container(render(overlay))["args"]
    assert args[0] == "--model_config_file=/models/models.config"
    assert args[-1] == "--allow_version_labels_for_unavailable_models=true"


def _relative(start, folder):
    return os.path.relpath(MANIFESTS / folder, start)  # kustomize takes no absolute path


def test_a_wrong_object_in_an_overlay_is_found(rendered):
    deployment = copy.deepcopy(only(rendered["local"], "Deployment"))
    del deployment["spec"]["selector"]
    assert "selector" in problem(deployment, VERSIONS[0])
