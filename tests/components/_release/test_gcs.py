import io
import itertools

import pytest

from components._release import gcs
from components._release.base import BucketPath, to_base
from components._shared.errors import UserError


@pytest.fixture
def five(bucket, object_server):
    """Returns a place with five objects, of which a listing shows two at a time."""
    for name in ("1/a", "1/b", "2/a", "c", "d"):
        object_server.put(bucket.bucket, f"{bucket.name}/{name}", name.encode())
    object_server.put(bucket.bucket, f"{bucket.name}-other/e", b"")
    object_server.page_size = 2
    return bucket


def test_listing_goes_on_to_the_last_page(five):
    assert [(found.name, found.size) for found in gcs.list_objects(five)] == [
        ("1/a", 3),
        ("1/b", 3),
        ("2/a", 3),
        ("c", 1),
        ("d", 1),
    ]


def test_names_are_those_directly_below(five):
    assert (gcs.list_names(five), gcs.list_names(five / "1"), gcs.list_names(five / "3")) == (
        ["1", "2", "c", "d"],
        ["a", "b"],
        [],
    )


def test_marker_of_a_folder_is_no_name(bucket, object_server):
    object_server.put(bucket.bucket, f"{bucket.name}/", b"")
    assert (gcs.list_names(bucket), gcs.list_objects(bucket)) == ([], [])


def test_object_is_read_with_its_generation(five):
    data, generation = gcs.read_object(five / "c")
    assert (data, generation) == (b"c", gcs.find_generation(five / "c"))
    assert gcs.read_object(five / "x") == (b"", 0)


def test_generation_that_is_gone_is_not_read(five, object_server):
    generation = gcs.find_generation(five / "c")
    object_server.put(five.bucket, f"{five.name}/c", b"new")
    assert gcs.read_generation(five / "c", generation) is None


def test_write_demands_what_it_replaces(bucket):
    path = bucket / "entry.json"
    assert [gcs.write_object(path, data, replaces=0) for data in (b"1", b"2")] == [True, False]
    generation = gcs.find_generation(path)
    assert [gcs.write_object(path, data, replaces=generation) for data in (b"3", b"4")] == [True, False]
    assert gcs.read_object(path)[0] == b"3"


@pytest.mark.parametrize("how", ["lose", "drop", 503])
def test_write_whose_answer_is_lost_counts_once(bucket, object_server, monkeypatch, how):
    monkeypatch.setattr(gcs, "_FIRST_DELAY", 0.001)
    numbers = itertools.count(1)
    object_server.interrupt = lambda method, path: how if next(numbers) == 1 else None
    assert gcs.write_object(bucket / "entry.json", b"1", replaces=0)
    object_server.interrupt = lambda method, path: None
    assert not gcs.write_object(bucket / "entry.json", b"2", replaces=0)


def test_who_may_only_create_is_told_that_somebody_was_faster(bucket, object_server):
    object_server.put(bucket.bucket, f"{bucket.name}/entry.json", b"1")
    object_server.interrupt = lambda method, path: 403 if method == "POST" else None
    assert [gcs.write_object(bucket / "entry.json", data, replaces=0) for data in (b"1", b"2")] == [True, False]
    assert not gcs.create_object(bucket / "entry.json", b"2", 1)
    for do in (gcs.write_object, gcs.create_object):
        with pytest.raises(UserError, match="403"):
            do(bucket / "other.json", b"1", **({"replaces": 0} if do is gcs.write_object else {"size": 1}))
    generation = gcs.find_generation(bucket / "entry.json")
    with pytest.raises(UserError, match="403"):
        gcs.write_object(bucket / "entry.json", b"2", replaces=generation)


@pytest.mark.parametrize("size", [0, 5, gcs.LARGE + 1])
def test_file_is_uploaded_once_and_comes_back(bucket, tmp_path, size):
    file, target = tmp_path / "file", io.BytesIO()
    file.write_bytes(b"x" * size)
    assert [gcs.create_object(bucket / "1/x", file, size) for _ in range(2)] == [True, False]
    gcs.download_object(bucket / "1/x", gcs.find_generation(bucket / "1/x"), target)
    assert target.getvalue() == file.read_bytes()


def test_all_objects_below_are_removed_and_no_others(five):
    gcs.remove_objects(five / "1")
    assert [found.name for found in gcs.list_objects(five)] == ["2/a", "c", "d"]


def test_first_error_of_many_transfers_is_raised(bucket):
    def fail(number):
        raise UserError(f"Number {number}.")

    with pytest.raises(UserError, match="Number 1"):
        gcs.in_parallel(fail, [1, 2, 3])


def test_store_that_does_not_answer_is_an_error(bucket, object_server, monkeypatch):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(gcs, "_FIRST_DELAY", 0.01)
    object_server.interrupt = lambda method, path: 503
    with pytest.raises(UserError, match="can be reached"):
        gcs.list_objects(bucket)


@pytest.mark.parametrize("url", ["gs://bucket/parcels", "gs://a-bucket.of.mine/models/v=2/parcels_1", "gs://bucket/parcels/"])
def test_url_is_a_place_in_a_bucket(url):
    assert str(to_base(url)) == url.rstrip("/")
    assert to_base(BucketPath("bucket", "parcels") / "1") == BucketPath("bucket", "parcels/1")


@pytest.mark.parametrize(
    "url", ["gs://bucket", "gs://Bucket/parcels", "gs://bucket/a b", "gs://bucket/.x", 'gs://bucket/"', "s3://bucket/x"]
)
def test_url_with_other_characters_is_refused(url):
    with pytest.raises(UserError, match="gs://BUCKET/FOLDER/MODEL"):
        to_base(url)
