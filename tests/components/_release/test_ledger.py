import errno
import hashlib
import json
import os

import pytest

from components._release import ledger
from components._release.ledger import append_entry, foreign_files, read_chain, read_ledger, remove_leftovers
from components._shared.errors import UserError


@pytest.fixture
def entries(base):
    """Returns the files of a ledger with four entries."""
    for number in range(1, 5):
        append_entry(base, "noted", lambda _, number=number: {"number": number})
    return sorted((base / ".ledger").iterdir())


def test_missing_ledger_is_empty(base):
    assert read_ledger(base) == []


def test_a_file_in_the_place_of_the_ledger_is_told(base):
    base.mkdir(parents=True, exist_ok=True)
    (base / ".ledger").write_text("")
    with pytest.raises(UserError, match=r"is a folder.*\.ledger"):
        read_ledger(base)


def test_entries_come_back_in_order(base, entries):
    read = read_ledger(base)
    assert [(entry.sequence, entry.kind, entry.payload) for entry in read] == [(n, "noted", {"number": n}) for n in range(1, 5)]


def test_hash_is_that_of_the_file_and_links_the_next(base, entries):
    first, second, *_ = read_ledger(base)
    assert first.hash == f"sha256:{hashlib.sha256(entries[0].read_bytes()).hexdigest()}"
    assert (first.previous, second.previous) == ("", first.hash)


def test_entry_is_one_line_of_canonical_json(entries):
    text = entries[0].read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) + "\n"


def test_appended_entry_is_returned_as_it_is_read(base, entries):
    appended = append_entry(base, "noted", lambda _: {"wind": "süd"})
    assert appended == read_ledger(base)[-1]


def test_payload_sees_the_entries_before_it(base, entries):
    assert append_entry(base, "noted", lambda before: {"before": len(before)}).payload == {"before": 4}


def test_append_gives_way_to_a_faster_process(base, entries):
    seen = []

    def make_payload(before):
        seen.append(len(before))
        if len(seen) == 1:
            append_entry(base, "noted", lambda _: {"faster": True})
        return {"slower": True}

    assert append_entry(base, "noted", make_payload).sequence == 6
    assert (seen, read_ledger(base)[4].payload) == ([4, 5], {"faster": True})


def test_append_leaves_no_temporary_file(base, entries):
    assert [path.name for path in entries] == [f"0000000{number}.json" for number in range(1, 5)]


def test_clock_that_goes_backwards_does_no_harm(base, monkeypatch):
    class Backwards(ledger.datetime.datetime):
        years = iter((2030, 2020, 2010))

        @classmethod
        def now(cls, tz=None):
            return cls(next(cls.years), 1, 1, tzinfo=tz)

    monkeypatch.setattr(ledger.datetime, "datetime", Backwards)
    for number in range(3):
        append_entry(base, "noted", lambda _, number=number: {"number": number})
    assert [(entry.recorded_at[:4], entry.payload["number"]) for entry in read_ledger(base)] == [
        ("2030", 0),
        ("2020", 1),
        ("2010", 2),
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_payload_without_a_json_form_is_refused(base, value):
    with pytest.raises(ValueError, match="JSON"):
        append_entry(base, "noted", lambda _: {"auc": value})
    assert read_ledger(base) == []


def _swap(first, second):
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def _edit(path, **changes):
    fields = json.loads(path.read_bytes()) | changes
    path.write_bytes(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n")


TAMPERING = {
    "edited": (lambda files: _edit(files[1], payload={"number": 9}), "Entry 3 does not follow"),
    "edited kind": (lambda files: _edit(files[0], kind="other"), "Entry 2 does not follow"),
    "one space more": (lambda files: files[1].write_bytes(files[1].read_bytes() + b" "), "Entry 3 does not follow"),
    "deleted": (lambda files: files[1].unlink(), "Entry 2 is missing"),
    "two deleted": (lambda files: [path.unlink() for path in files[1:3]], "Entries 2 to 3 are missing"),
    "first deleted": (lambda files: files[0].unlink(), "Entry 1 is missing"),
    "swapped": (lambda files: _swap(files[1], files[2]), "says that it is entry 3"),
    "renumbered": (lambda files: (files[1].unlink(), files[2].rename(files[1])), "says that it is entry 3"),
    "torn": (lambda files: files[1].write_bytes(files[1].read_bytes()[:40]), "Entry 2 is no entry"),
    "torn at the end": (lambda files: files[3].write_bytes(files[3].read_bytes()[:40]), "Entry 4 is no entry"),
    "empty": (lambda files: files[1].write_bytes(b""), "Entry 2 is no entry"),
    "not UTF-8": (lambda files: files[1].write_bytes(b"\xff\xfe"), "Entry 2 is no entry"),
    "a list": (lambda files: files[1].write_bytes(b"[]"), "other fields"),
    "a field less": (lambda files: files[1].write_bytes(b'{"format":"sluice/ledger/1"}'), "other fields"),
    "a field more": (lambda files: _edit(files[3], approver="me"), "other fields"),
    "another type": (lambda files: _edit(files[3], sequence=4.0), "another type"),
    "another format": (lambda files: _edit(files[3], format="sluice/ledger/2"), "format"),
    "a folder": (lambda files: (files[1].unlink(), files[1].mkdir()), "Entry 2 cannot be read"),
    "another first": (lambda files: _edit(files[0], previous="sha256:x"), "Entry 1 does not follow"),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_tampering_is_found(base, entries, case):
    tamper, problem = TAMPERING[case]
    tamper(entries)
    assert problem in "\n".join(read_chain(base)[1])
    with pytest.raises(UserError, match="is whole"):
        read_ledger(base)


def test_nothing_is_added_to_a_broken_ledger(base, entries):
    entries[1].unlink()
    with pytest.raises(UserError, match="Entry 2 is missing"):
        append_entry(base, "noted", lambda _: {})
    assert len(list((base / ".ledger").iterdir())) == 3


def test_entry_far_beyond_the_end_is_a_gap(base, entries):
    (base / ".ledger/99999999.json").write_bytes(entries[0].read_bytes())
    assert "Entries 5 to 99999998 are missing." in read_chain(base)[1]


def test_leftovers_are_removed_and_foreign_files_named(base, entries):
    (base / ".ledger/.00000005-0123456789abcdef.tmp").touch()
    (base / ".ledger/notes.txt").touch()
    remove_leftovers(base)
    assert sorted(path.name for path in (base / ".ledger").iterdir())[4:] == ["notes.txt"]
    assert foreign_files(base) == ["notes.txt"]


def test_listing_that_misses_an_entry_is_no_gap(base, entries, monkeypatch):
    """Readers take no lock, and a listing that races with appends may miss an entry that is older than one it shows."""
    real, listings = os.listdir, iter([["00000001.json", "00000003.json"]])
    monkeypatch.setattr(os, "listdir", lambda path: next(listings, None) or real(path))
    assert [entry.sequence for entry in read_ledger(base)] == [1, 2, 3]


def test_file_system_without_hard_links_is_an_error(base, monkeypatch):
    def link(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UserError, match="hard links"):
        append_entry(base, "noted", lambda _: {})
    assert list((base / ".ledger").iterdir()) == []
