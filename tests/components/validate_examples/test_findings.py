import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.validate_examples.findings import _HEADLINES, _REMEDIES, Finding, Severity, findings_in

Info = anomalies_pb2.AnomalyInfo


def anomalies_with(severity, kind=Info.SCHEMA_NEW_COLUMN, feature="x"):
    info = Info(severity=severity, path={"step": [feature]})
    info.reason.add(type=kind, short_description="Odd.", description="Something")
    result = anomalies_pb2.Anomalies()
    result.anomaly_info[feature].CopyFrom(info)
    return result


@pytest.mark.parametrize(
    ("severity", "counted"), [(Info.WARNING, Severity.WARNING), (Info.ERROR, Severity.ERROR), (Info.UNKNOWN, Severity.ERROR)]
)
def test_only_a_warning_is_no_error(severity, counted):
    (finding,) = findings_in(anomalies_with(severity), "train")
    assert finding.severity is counted


def test_a_sentence_says_where_and_what():
    (finding,) = findings_in(anomalies_with(Info.ERROR), "eval")
    assert finding.sentence() == "feature 'x', split 'eval': Odd. Something."


def test_a_sentence_says_what_the_data_calls_a_feature():
    finding = Finding(feature="bill_mm", column="bill (mm)", headline="Gone", detail="Why.", remedy="Do.")
    assert finding.sentence().startswith("feature 'bill_mm' (column 'bill (mm)'): Gone")


def test_every_wording_belongs_to_a_kind_that_tfdv_knows():
    assert set(_REMEDIES) | set(_HEADLINES) <= set(Info.Type.keys())


@pytest.mark.parametrize("kind", Info.Type.values())
def test_every_kind_has_a_remedy_even_for_odd_names(kind):
    (finding,) = findings_in(anomalies_with(Info.ERROR, kind, "{odd}"), "train")
    assert finding.remedy


def test_an_anomaly_of_the_whole_data_set_is_kept():
    info = Info(severity=Info.ERROR, short_description="Low num examples", description="Fewer than before")
    (finding,) = findings_in(anomalies_pb2.Anomalies(dataset_anomaly_info=info), "train")
    assert (finding.feature, finding.headline) == ("", "Low num examples")
