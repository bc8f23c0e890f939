"""Lets a process that works on a bucket die, or one of its requests fail, at each request that changes something.

A process that dies sends nothing more. One that dies at a request which only reads, or before a change is carried out, leaves
what the death after its change before leaves. So each change is carried out, and its answer lost.
"""

import itertools
import re

from components._release.bucket_versions import read_contents
from components._shared.errors import UserError


def interrupted(server, base, act, *, how="die", at_least=3):
    """Yields the number of each change that an action makes, with the bucket as an action left it that was interrupted there.

    Args:
        server: The object server; its bucket is what the action begins with, and is so again at each step.
        base: The serving directory.
        act: The action. One that is interrupted may raise UserError.
        how: "die", or what `ObjectServer.interrupt` returns for the one request that fails.
        at_least: How many changes the action makes at least.
    """
    beginning = server.buckets[base.bucket]
    for step in itertools.count(1):
        server.buckets[base.bucket] = dict(beginning)
        server.watch(base.bucket, "")
        numbers = itertools.count(1)
        reached = []
        server.interrupt = _interrupt(how, step, numbers, reached)
        try:
            act()
        except UserError:
            assert how == "die"
        server.interrupt = lambda method, path: None
        if not reached:
            print(f"{step - 1} cases: {how} at every change")  # noqa: T201  # pytest -rP shows how many
            assert step > at_least
            return
        yield step


def _interrupt(how, step, numbers, reached):
    def interrupt(method, path):
        if reached and how == "die":
            return "drop"
        if method == "GET" or reached or next(numbers) < step:
            return None
        reached.append(path)
        return "lose" if how == "die" else how

    return interrupt


def files_of(candidate):
    """Returns what the version of a candidate holds, by name."""
    return {
        name: content.source if isinstance(content.source, bytes) else content.source.read_bytes()
        for name, content in read_contents(candidate.model, candidate.attachments).items()
    }


def files_below(server, base, folder):
    """Returns what lies below a folder of a serving directory, by name."""
    prefix = f"{base.name}/{folder}/"
    return {key.removeprefix(prefix): item.data for key, item in server.buckets[base.bucket].items() if key.startswith(prefix)}


def named(server, base):
    """Returns the versions and the labels in the model configuration, as a server reads them."""
    found = server.buckets[base.bucket].get(f"{base.name}/models.config")
    text = found.data.decode() if found else ""
    labels = re.findall(r'key: "(\w+)"\s+value: (\d+)', text)
    return [int(number) for number in re.findall(r"versions: (\d+)", text)], {label: int(number) for label, number in labels}


def watch_configurations(server, base, approved):
    """Returns a list that gets what is wrong with any model configuration, found out the moment it is written.

    Each version that it names is whole and approved. Each label names a version that servers had before, and have now; where it
    moves, they still have the version that it named before.
    """

    def check(bucket, name):
        if name == "" and bucket == base.bucket:
            before[:] = named(server, base)  # the bucket is another one
        if name != f"{base.name}/models.config":
            return
        versions, labels = named(server, base)
        wrong.extend(f"version {version}" for version in versions if files_below(server, base, str(version)) not in approved)
        moved = {label: version for label, version in labels.items() if before[1].get(label) != version}
        wrong.extend(f"label {label}" for label, version in labels.items() if version not in versions)
        wrong.extend(f"label {label} moved to" for label, version in moved.items() if version not in before[0])
        wrong.extend(f"label {label} moved from" for label in moved if before[1].get(label, versions[0]) not in versions)
        before[:] = versions, labels

    wrong, before = [], [*named(server, base)]
    server.watch = check
    return wrong
