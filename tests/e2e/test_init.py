"""From a table that nobody has seen to a served model: `sluice init`, then `sluice run`."""

import json
import random

import pytest

ROWS = 300


def write_table(path):
    """Writes semicolons, decimal commas, cp1252, odd names, gaps, dates, a text, a leak, an id, and a rare-ish yes."""
    generator = random.Random(4)
    lines = ["Kunden-Nr.;Größe (m²);rooms;zone;sold on;remarks;refund;verkauft"]
    for number in range(ROWS):
        rooms = generator.randrange(1, 6)
        sold = generator.random() < (0.08 if rooms < 4 else 0.7)
        size = "" if generator.random() < 0.1 else f"{rooms * 20 + generator.gauss(0, 5):.1f}".replace(".", ",")
        zone = generator.choice(["Süd", "Nord", "Ost", "?"])
        day = f"{generator.randrange(1, 13):02d}/{generator.randrange(1, 29):02d}/2023"
        remarks = " ".join(generator.choices(["quiet", "bright", "old", "garden", "roof"], k=6)) + f" no {number}"
        lines.append(f"{9000 + number};{size};{rooms};{zone};{day};{remarks};{int(sold)};{'yes' if sold else 'no'}")
    path.write_bytes(("\n".join(lines) + "\n").encode("cp1252"))


@pytest.fixture(scope="module")
def started(tmp_path_factory, sluice):
    folder = tmp_path_factory.mktemp("init")
    write_table(folder / "flats 2023.csv")
    return folder, sluice("init", "flats 2023.csv", "--label", "verkauft", cwd=folder)


def test_the_command_says_what_each_column_is_for(started):
    _, done = started
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for words in (
        "Größe (m²) → Grosse_m2 number",
        "refund left out",
        "leakage",
        "free text",
        "names each row",
        "AUC",
        "sluice run",
    ):
        assert words in text
    assert "projects/flats-2023" in text


def test_the_project_completes_at_once_and_its_model_is_pushed(started, sluice):
    folder, _ = started
    done = sluice("run", "projects/flats-2023", "--isolation", "fork", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Version 1 is pushed" in done.stdout, done.stdout
    kept = folder / "projects" / "flats-2023" / "served" / "flats-2023" / "1" / "assets.extra" / "sluice" / "manifest.json"
    names = json.loads(kept.read_text())["column_names"]
    assert names == {"Grosse_m2": "Größe (m²)", "sold_on": "sold on"}
