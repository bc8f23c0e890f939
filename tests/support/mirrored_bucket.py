"""Lets a local model server have what lies in a bucket, since it reads no gs:// itself."""

import re

from interrupted_requests import files_below


def mirror_bucket(server, base, folder):
    """Copies each version that the model configuration names into a folder, and then the configuration, at each of its writes.

    Returns:
        The configuration file, for a server that reads it again and again. It names no model until there is one.
    """
    file = folder / "models.config"

    def mirror(bucket, name):
        if name != f"{base.name}/models.config":
            return
        text = server.buckets[bucket][name].data.decode()
        for version in re.findall(r"versions: (\d+)", text):
            for path, data in files_below(server, base, version).items():
                target = folder / base.name / version / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        # A file that is replaced whole is what a read of an object is.
        new = file.with_suffix(".new")
        new.write_text(text.replace(str(base), str(folder / base.name)))
        new.replace(file)

    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("model_config_list {}\n")
    server.watch = mirror
    return file
