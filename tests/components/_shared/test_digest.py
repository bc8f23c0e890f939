from components._shared.digest import digest_code, digest_file, digest_model, digest_parts, digest_tree


def test_a_file_has_the_digest_sha256sum_prints(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert digest_file(tmp_path / "file") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_parts_do_not_collide_by_joining():
    assert digest_parts(["ab", "c"]) != digest_parts(["a", "bc"])


def test_a_tree_covers_names_and_contents(tmp_path):
    for name, text in (("a/x", "1"), ("b/x", "2"), ("c/y", "1"), ("d/x", "1")):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    digests = [digest_tree(tmp_path / name) for name in "abcd"]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_what_a_release_adds_is_outside_the_model_digest(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    before = digest_model(tmp_path)
    (tmp_path / "assets.extra" / "sluice").mkdir(parents=True)
    (tmp_path / "assets.extra" / "sluice" / "decision.json").write_text("{}")
    assert digest_model(tmp_path) == before
    (tmp_path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"warm")
    assert digest_model(tmp_path) != before


def test_code_covers_what_a_file_may_import(tmp_path):
    for name in ("features.py", "model.py", "helper.py", "package/__init__.py", "package/deep.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    seen = {}
    for name in ("start", "model.py", "helper.py", "package/deep.py"):
        if name != "start":
            (tmp_path / name).write_text("x = 1")
        seen[name] = (digest_code(tmp_path, "features.py"), digest_code(tmp_path, "model.py"))
    assert seen["start"][0] == seen["model.py"][0]
    assert len({features for features, _ in seen.values()}) == 3
    assert len({model for _, model in seen.values()}) == 4


def test_code_covers_what_lies_in_its_packages(tmp_path):
    (tmp_path / "words" / "lists").mkdir(parents=True)
    (tmp_path / "features.py").write_text("")
    (tmp_path / "words" / "__init__.py").write_text("")
    before = digest_code(tmp_path, "features.py")
    for litter in ("words/lists/.hidden", "words/old.pyc", "README.md"):
        (tmp_path / litter).write_text("some text")
    assert digest_code(tmp_path, "features.py") == before
    (tmp_path / "words" / "lists" / "stop.txt").write_text("and")
    assert digest_code(tmp_path, "features.py") != before
