import argparse
import json

import pytest

from components.evaluate_model.__main__ import build_parser, main


def arguments(world):
    values = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in world.arguments().items()}
    values["metrics"], values["classification_metrics"] = str(world.root / "metrics"), str(world.root / "classification")
    return [part for name, value in values.items() for part in (f"--{name}", value)]


def test_every_input_and_output_is_required():
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([])
    assert stopped.value.code == 2


def test_main_writes_metadata_as_kfp_does(world):
    from kfp import dsl

    names = ("evaluation", "metrics", "classification_metrics", "report")
    artifacts = {name: {"artifacts": [{"name": name, "uri": name}]} for name in names}
    executor_input = {"outputs": {"artifacts": artifacts, "outputFile": str(world.root / "output.json")}}
    args = build_parser().parse_args([*arguments(world), "--executor_input", json.dumps(executor_input)])
    assert isinstance(args, argparse.Namespace)
    main(args)
    written = json.loads((world.root / "output.json").read_text())["artifacts"]
    found = written["classification_metrics"]["artifacts"][0]["metadata"]
    expected = dsl.ClassificationMetrics()
    points = [
        [point[key] for point in found["confidenceMetrics"]] for key in ("falsePositiveRate", "recall", "confidenceThreshold")
    ]
    expected.log_roc_curve(*points)
    categories = [item["displayName"] for item in found["confusionMatrix"]["annotationSpecs"]]
    expected.log_confusion_matrix(categories, [row["row"] for row in found["confusionMatrix"]["rows"]])
    assert found == expected.metadata
    assert len(found["confidenceMetrics"]) <= 101
    assert written["metrics"]["artifacts"][0]["metadata"]["auc"] > 0.8
    assert json.loads((world.root / "metrics").read_text()) == written["metrics"]["artifacts"][0]["metadata"]
