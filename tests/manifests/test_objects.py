"""The manifests as they are written: needs no cluster and no kustomize."""

import json
import re

import pytest
from kube_manifests import MANIFESTS, OVERLAYS, VERSIONS, kustomizations, problem, read, written, written_objects


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_suits_its_schema(version):
    objects = written_objects()
    assert len(objects) > 12
    assert [said for _, item in objects if (said := problem(item, version))] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_no_schema_knows_is_found(version):
    deployment = written("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert "readynessProbe" in problem(deployment, version)
    service = written("InferenceService", "overlays")
    service["spec"]["predictor"]["logger"]["sink"] = "http://log"
    assert "sink" in problem(service, version)


def test_every_file_is_named_by_its_kustomization():
    for folder, content in kustomizations().items():
        named = {*content.get("resources", []), *(patch.get("path") for patch in content.get("patches", []))}
        named |= {file for generator in content.get("configMapGenerator", []) for file in generator.get("files", [])}
        files = {file.name for file in folder.iterdir() if file.is_file()}
        assert files == {"kustomization.yaml"} | {name for name in named if name and "/" not in name}, folder
    assert {folder.name for folder in kustomizations() if folder.parent.name == "overlays"} == set(OVERLAYS)


def test_no_manifest_carries_a_secret():
    assert not [file for file, item in written_objects() if item["kind"] == "Secret"]
    for file in MANIFESTS.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"PRIVATE KEY|password|stringData|access_?key|AIza|private_key", text, re.IGNORECASE), file
    assert "env" not in json.dumps(written("Deployment"))


def test_images_are_pinned():
    images = kustomizations()[MANIFESTS / "base/serving"]["images"]
    assert [image["name"] for image in images] == [written("Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", image["newTag"]) for image in images)


def test_the_server_runs_with_no_right_that_it_does_not_need():
    pod = written("Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["tmp"]


def test_the_pipeline_has_no_right_beyond_what_its_pods_do():
    rules = written("Role")["rules"]
    assert rules == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["kfp-launcher"], "verbs": ["get"]},
    ]


def test_only_the_gateway_and_prometheus_reach_a_server():
    policy = written("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    gateway, prometheus = policy["ingress"]
    assert gateway["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}}]
    assert [port["port"] for port in gateway["ports"]] == ["grpc", "rest"]
    (peer,) = prometheus["from"]
    assert peer["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert [port["port"] for port in prometheus["ports"]] == ["rest"]


def test_a_server_of_a_bucket_reaches_names_wherever_they_are_served_but_no_private_address_over_https():
    (policy,) = [item for item in read(MANIFESTS / "overlays/gcs/network.yaml") if item["kind"] == "NetworkPolicy"]
    names, *others = policy["spec"]["egress"]
    assert names == {
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    }  # to any: the cache on the node, too
    assert all(rule["to"] for rule in others)
    assert "10.0.0.0/8" in others[-1]["to"][0]["ipBlock"]["except"]


def test_the_job_of_the_metrics_is_the_model():
    label = written("PodMonitor")["spec"]["jobLabel"]
    job = kustomizations()[MANIFESTS / "base/serving"]["labels"][0]["pairs"][label]
    (down,) = [
        rule
        for group in written("PrometheusRule")["spec"]["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "ModelServerDown"
    ]
    assert f'up{{job="{job}"}}' in down["expr"]


def test_a_pod_goes_only_when_load_balancers_have_heard_of_it():
    pod = written("Deployment")["spec"]["template"]["spec"]
    wait = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 5 <= wait < pod["terminationGracePeriodSeconds"]
    budget = next(item for _, item in written_objects() if item["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_kserve_serves_one_version_and_never_the_folder_of_versions():
    predictor = written("InferenceService", "overlays")["spec"]["predictor"]
    (storage,) = predictor["storageUris"]
    version = storage["uri"].rpartition("/")[2]
    assert version.isdigit()
    assert storage["mountPath"] == f"/mnt/models/{version}"
    assert "storageUri" not in predictor["model"]
    assert 0 <= predictor["canaryTrafficPercent"] <= 100
    assert predictor["logger"]["mode"] == "all"


def test_every_selector_finds_the_pods_of_its_own_deployment():
    labels = kustomizations()[MANIFESTS / "base/serving"]["labels"][0]
    assert labels["includeTemplates"]
    wanted = labels["pairs"]
    for _, item in written_objects():
        spec = item.get("spec", {})
        match item["kind"]:
            case "Deployment" | "PodDisruptionBudget":
                assert spec["selector"]["matchLabels"] == wanted
            case "Service":
                assert spec["selector"] == wanted
            case "NetworkPolicy":
                assert spec["podSelector"]["matchLabels"] == wanted
            case "PodMonitor":
                assert spec["selector"]["matchLabels"].items() <= wanted.items()
    for constraint in written("Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"] == wanted


def test_patches_of_the_arguments_find_what_they_replace():
    args = written("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[0].startswith("--model_config_file=")
    assert args[1].startswith("--model_config_file_poll_wait_seconds=")
    assert args[2].startswith("--file_system_poll_wait_seconds=")
    for folder in ("components/labels", "overlays/gcs"):
        (patch,) = (
            p
            for p in read(MANIFESTS / folder / "kustomization.yaml")[0]["patches"]
            if p.get("target", {}).get("kind") == "Deployment"
        )
        for index in (0, 1):
            flag = args[index].partition("=")[0]
            assert f"args/{index}\n  value: {flag}=" in patch["patch"]
