"""Reads, renders and validates the Kubernetes manifests."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = ("local", "gcs", "kserve")
VERSIONS = ("1.30", "1.36")
"""The oldest Kubernetes that the manifests are for, and a new one."""

_SCHEMAS = ROOT / "tests/manifests/schemas"
_KUSTOMIZE = "kustomize.config.k8s.io"


def read(path):
    """Returns the documents of a YAML file."""
    return list(yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


def kustomizations():
    """Returns every kustomization.yaml with its folder."""
    return {file.parent: read(file)[0] for file in sorted(MANIFESTS.rglob("kustomization.yaml"))}


def written_objects():
    """Returns every object as it is written, with its file; patches, which are parts of objects, are left out."""
    patches = {
        folder / patch["path"]
        for folder, content in kustomizations().items()
        for patch in content.get("patches", [])
        if "path" in patch
    }
    files = [file for file in sorted(MANIFESTS.rglob("*.yaml")) if file not in patches]
    return [(file, item) for file in files for item in read(file) if not item["apiVersion"].startswith(_KUSTOMIZE)]


def written(kind, folder="base"):
    """Returns the one object of a kind that is written below a folder."""
    found = [item for file, item in written_objects() if item["kind"] == kind and file.is_relative_to(MANIFESTS / folder)]
    assert len(found) == 1, f"{kind} below {folder}: {len(found)}"
    return found[0]


def tool(name):
    """Returns the path of a program, from the folder that .ci/install_tools fills or the PATH; None if there is none."""
    return shutil.which(str(ROOT / ".tools/bin" / name)) or shutil.which(name)


def render(folder):
    """Returns the objects of a kustomization, rendered by kustomize itself; skips the test where there is none."""
    done = subprocess.run([*_renderer(), str(folder)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # warnings of what will not work any more
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


@cache
def _renderer():
    if kustomize := tool("kustomize"):
        return [kustomize, "build"]
    if kubectl := tool("kubectl"):
        done = subprocess.run([kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False)
        if re.match(r"v[5-9]", json.loads(done.stdout or "{}").get("kustomizeVersion", "")):
            return [kubectl, "kustomize"]
    pytest.skip("neither kustomize 5 nor a kubectl that has it is here: .ci/install_tools")


def problem(item, version):
    """Returns why an object does not suit its schema, for a version of Kubernetes; None if it does."""
    file = _SCHEMAS / f"{item['kind'].lower()}.json"
    try:
        if file.is_file():
            _validator(file).validate(item)
        else:
            kubernetes_validate.validate(item, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return f"{item['kind']} {item['metadata']['name']}: {getattr(error, 'message', error)}"
    return None


@cache
def _validator(file):
    return jsonschema.Draft7Validator(_strict(json.loads(file.read_text(encoding="utf-8"))))


def _strict(schema):
    """Lets a schema refuse fields that it does not know, as the API server does of those that write."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made
