import pytest

from components._shared.errors import UserError
from components.resolve_baseline.executor import ResolvedBaseline, resolve_baseline


def test_live_version_is_the_one_that_the_configuration_names(served_bucket):
    live = resolve_baseline(serving_dir=str(served_bucket))
    assert (live.version, live.model_digest[:7], live.pushed_digest[:7]) == ("1", "sha256:", "sha256:")


def test_nothing_is_live_in_an_empty_bucket(bucket):
    assert resolve_baseline(serving_dir=str(bucket)) == ResolvedBaseline()


def test_objects_that_nobody_pushed_are_not_live_and_named_in_the_log(served_bucket, object_server, caplog):
    object_server.put(served_bucket.bucket, f"{served_bucket.name}/2/saved_model.pb", b"graph")
    assert resolve_baseline(serving_dir=f"{served_bucket}/").version == "1"
    assert f"{served_bucket}/2 is no version" in caplog.text


def test_configuration_that_was_edited_is_an_error(served_bucket, object_server):
    object_server.put(served_bucket.bucket, f"{served_bucket.name}/models.config", b"model_config_list {}")
    with pytest.raises(UserError, match="as a push wrote it"):
        resolve_baseline(serving_dir=str(served_bucket))


@pytest.mark.parametrize("url", ["gs://", "gs://bucket", "gs://bucket/", "gs://bucket//parcels", "gs://bucket/../parcels"])
def test_url_names_a_folder_of_a_bucket(url):
    with pytest.raises(UserError, match="gs://BUCKET/FOLDER/MODEL"):
        resolve_baseline(serving_dir=url)


def test_bucket_that_is_not_there_is_an_error(object_server):
    with pytest.raises(UserError, match="can be reached"):
        resolve_baseline(serving_dir="gs://another-bucket/models/parcels")
