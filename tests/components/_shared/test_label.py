import pytest

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec, read_label_spec


def test_a_manifest_without_a_kind_has_a_binary_label() -> None:
    assert read_label_spec({"label": "late"}) == LabelSpec(name="late", kind=LabelKind.BINARY)


def test_the_classes_come_with_a_multiclass_label() -> None:
    spec = read_label_spec({"label": "species", "label_kind": "multiclass", "label_classes": ["a", "b", "c"]})
    assert spec.classes == ("a", "b", "c")
    assert spec.output == "probabilities"


@pytest.mark.parametrize(
    "document",
    [{"label_kind": "ordinal"}, {"label_kind": "multiclass"}, {"label_kind": "numeric", "label_classes": ["a"]}],
)
def test_a_label_that_contradicts_itself_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(UserError):
        read_label_spec({"label": "y", **document})
