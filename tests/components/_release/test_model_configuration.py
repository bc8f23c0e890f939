import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components._release import gcs
from components._release.model_configuration import (
    Configuration,
    read_configuration,
    read_with_configuration,
    render,
    replace_configuration,
)
from components._shared.errors import UserError

LIVE = Configuration(version=3, claim=7, void=(4, 5))


def _parse(base, configuration):
    text = render(base, configuration).decode()
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config


def test_servers_read_one_model_with_one_version(bucket):
    (model,) = _parse(bucket, LIVE)
    assert (model.name, model.base_path, model.model_platform) == ("parcels", str(bucket), "tensorflow")
    assert list(model.model_version_policy.specific.versions) == [3]


def test_servers_read_no_model_while_nothing_is_live(bucket):
    assert list(_parse(bucket, Configuration(void=(1,)))) == []


def test_nothing_is_live_without_a_configuration(bucket):
    assert read_configuration(bucket) == (Configuration(), 0)


def test_configuration_is_read_as_it_was_written(bucket):
    assert replace_configuration(bucket, LIVE, 0)
    assert read_configuration(bucket)[0] == LIVE


def test_generation_is_replaced_once(bucket):
    replace_configuration(bucket, LIVE, 0)
    generation = read_configuration(bucket)[1]
    assert replace_configuration(bucket, Configuration(version=4, claim=9), generation)
    assert not replace_configuration(bucket, Configuration(version=5, claim=9), generation)
    assert not replace_configuration(bucket, LIVE, 0)
    assert read_configuration(bucket)[0].version == 4


EDITS = {
    "another version": (b"versions: 3", b"versions: 2"),
    "a policy of latest versions": (b"specific {\n        versions: 3\n      }", b"latest {\n      }"),
    "another path": (b"models/parcels", b"models/other"),
    "another header": (b'"version":3', b'"version":2'),
    "a header that is no JSON": (b'{"claim"', b"{claim"),
    "a field less": (b'"claim":7,', b""),
    "void as a number": (b"[4,5]", b"4"),
    "no header": (b"# sluice/", b"# other/"),
    "a line more": (b"# Each", b"#\n# Each"),
    "nothing": (None, b""),
}


@pytest.mark.parametrize("case", EDITS)
def test_configuration_that_was_edited_is_refused(bucket, object_server, case):
    old, new = EDITS[case]
    data = render(bucket, LIVE)
    assert old is None or old in data
    object_server.put(bucket.bucket, f"{bucket.name}/models.config", new if old is None else data.replace(old, new))
    with pytest.raises(UserError, match="as a push wrote it"):
        read_configuration(bucket)


def test_what_is_read_belongs_to_the_configuration(bucket):
    seen = []

    def read(base):
        seen.append(read_configuration(base)[0].version)
        if len(seen) == 1:
            replace_configuration(base, LIVE, 0)
        return seen[-1]

    result, configuration, _ = read_with_configuration(bucket, read)
    assert (result, configuration, seen) == (3, LIVE, [0, 3])


def test_configuration_that_never_rests_is_an_error(bucket, object_server):
    def read(base):
        object_server.put(base.bucket, f"{base.name}/models.config", render(base, LIVE))

    with pytest.raises(UserError, match="stays for as long"):
        read_with_configuration(bucket, read)


def test_object_that_is_always_replaced_is_an_error(bucket, object_server):
    def replace(method, path):
        if "alt=media" in path:
            object_server.put(bucket.bucket, f"{bucket.name}/models.config", b"x")

    object_server.put(bucket.bucket, f"{bucket.name}/models.config", b"x")
    object_server.interrupt = replace
    with pytest.raises(UserError, match="stays for as long"):
        gcs.read_object(bucket / "models.config")
