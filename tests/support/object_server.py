"""A server in this process that answers as Cloud Storage does, as far as `gs://` paths need it.

It holds the contract that releases rest on: an object appears whole or not at all, each write gives it a new generation,
`ifGenerationMatch` is checked and applied in one step, a listing shows every write before it, and a body that does not have
the digest it came with is refused. What the public emulators leave out are those preconditions.
"""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google_crc32c

_GENERATIONS = itertools.count(time.time_ns() // 1000)
_OBJECT = re.compile(r"/b/([^/]+)/o/([^/]+)(?:/rewriteTo/b/([^/]+)/o/([^/]+))?")


@dataclasses.dataclass(frozen=True)
class Stored:
    name: str
    data: bytes
    generation: int

    @property
    def hashes(self):
        md5 = hashlib.md5(self.data, usedforsecurity=False).digest()
        crc32c = google_crc32c.Checksum(self.data).digest()
        return {"md5Hash": base64.b64encode(md5).decode(), "crc32c": base64.b64encode(crc32c).decode()}

    @property
    def resource(self):
        return {"name": self.name, "size": str(len(self.data)), "generation": str(self.generation), **self.hashes}


class StatusError(Exception):
    pass


class ObjectServer:
    """The buckets and what to do with the next requests.

    Attributes:
        buckets: Objects by name, by bucket.
        requests: Method and path of every request so far.
        interrupt: Called with each request; returns "drop" to hang up before it is carried out, "lose" to hang up after, a
            status to answer with instead, a number of bytes in text to hang up after that many of the answer's body, or None.
        watch: Called with bucket and name after each write, before anybody else sees the bucket.
        page_size: Names per answer to a listing.
    """

    def __init__(self):
        self.reset()
        self.sessions: dict[str, tuple[str, dict, dict, bytearray]] = {}
        self.lock = threading.RLock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reset(self):
        self.buckets: dict[str, dict[str, Stored]] = {}
        self.requests: list[tuple[str, str]] = []
        self.interrupt = lambda method, path: None
        self.watch = lambda bucket, name: None
        self.page_size = 1000

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def put(self, bucket, name, data):
        """Writes an object as somebody else would."""
        with self.lock:
            self.buckets[bucket][name] = Stored(name, data, next(_GENERATIONS))

    def answer(self, method, path, query, headers, body):
        """Returns status, headers and body."""
        with self.lock:
            try:
                return self._route(method, path, query, headers, body)
            except StatusError as error:
                return (
                    error.args[0],
                    {},
                    {"error": {"code": error.args[0], "message": f"{error.args[0]} from the tests' server"}},
                )

    def _route(self, method, path, query, headers, body):
        if path.startswith("/upload/"):
            return self._upload(method, path, query, headers, body)
        if match := _OBJECT.search(path):
            bucket, name, target_bucket, target = (urllib.parse.unquote(part or "") for part in match.groups())
            found = self._objects(bucket).get(name)
            if target:
                copied = self._write(target_bucket, target, self._check(found, {}, query.get("sourceGeneration")).data, query)
                size = str(len(copied.data))
                done = {"done": True, "totalBytesRewritten": size, "objectSize": size}
                return 200, {}, {**done, "resource": copied.resource}
            found = self._check(found, query, query.get("generation"))
            if method == "DELETE":
                del self.buckets[bucket][name]
                return 204, {}, b""
            if query.get("alt") != "media":
                return 200, {}, found.resource
            return self._media(found, re.fullmatch(r"bytes=(\d+)-", headers.get("Range", "")))
        return 200, {}, self._list(path.split("/b/")[1].split("/")[0], query)

    def _media(self, found, start):
        hashes = f"crc32c={found.hashes['crc32c']},md5={found.hashes['md5Hash']}"
        fields = {"X-Goog-Hash": hashes, "X-Goog-Generation": str(found.generation)}
        if not start:
            return 200, fields, found.data
        first, size = int(start[1]), len(found.data)
        return 206, {**fields, "Content-Range": f"bytes {first}-{size - 1}/{size}"}, found.data[first:]

    def _upload(self, method, path, query, headers, body):
        bucket = path.split("/b/")[1].split("/")[0]
        if query["uploadType"] == "multipart":
            boundary = b"--" + re.search('boundary="?([^";]+)', headers["Content-Type"])[1].encode()
            parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in body.split(boundary)[1:3]]
            metadata = json.loads(parts[0])
            return 200, {}, self._write(bucket, metadata["name"], parts[1], query, metadata).resource
        if method == "POST":
            metadata, session = json.loads(body), str(next(_GENERATIONS))
            self._check(self._objects(bucket).get(metadata["name"]), query, None, missing_is_fine=True)
            self.sessions[session] = (bucket, metadata, query, bytearray())
            return 200, {"Location": f"{self.url}{path}?uploadType=resumable&upload_id={session}"}, {}
        bucket, metadata, start, data = self.sessions[query["upload_id"]]
        data += body
        if headers["Content-Range"].endswith(f"/{len(data)}"):
            return 200, {}, self._write(bucket, metadata["name"], bytes(data), start, metadata).resource
        return 308, {"Range": f"bytes=0-{len(data) - 1}"}, b""

    def _objects(self, bucket):
        if bucket not in self.buckets:
            raise StatusError(404)
        return self.buckets[bucket]

    def _check(self, found, query, generation, *, missing_is_fine=False):
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            raise StatusError(412)
        if not missing_is_fine and (found is None or generation not in (None, str(found.generation))):
            raise StatusError(404)
        return found

    def _write(self, bucket, name, data, query, metadata=()):
        self._check(self._objects(bucket).get(name), query, None, missing_is_fine=True)
        stored = Stored(name, data, next(_GENERATIONS))
        if any(metadata[field] != value for field, value in stored.hashes.items() if field in metadata):
            raise StatusError(400)
        self.buckets[bucket][name] = stored
        self.watch(bucket, name)
        return stored

    def _list(self, bucket, query):
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter"), query.get("pageToken", "")
        items, prefixes, last = [], [], ""
        for name in sorted(name for name in self._objects(bucket) if name.startswith(prefix)):
            head, found, _ = name.removeprefix(prefix).partition(delimiter or "\0")
            shown = f"{prefix}{head}{delimiter}" if found else name
            if shown <= after or shown == last:
                continue
            if len(items) + len(prefixes) == self.page_size:
                return {"items": items, "prefixes": prefixes, "nextPageToken": last}
            last = shown
            prefixes.append(shown) if found else items.append(self.buckets[bucket][name].resource)
        return {"items": items, "prefixes": prefixes}


def _handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.partition("?")
            with server.lock:
                server.requests.append((self.command, self.path))
                action = server.interrupt(self.command, self.path)
                if action == "drop":
                    return self.hang_up()
                fields = dict(urllib.parse.parse_qsl(query))
                answer = (action, {}, b"") if isinstance(action, int) else None
                status, headers, data = answer or server.answer(self.command, path, fields, self.headers, body)
            cut = int(action) if isinstance(action, str) and action.isdigit() else None
            return self.hang_up() if action == "lose" else self.reply(status, headers, data, cut)

        def reply(self, status, headers, data, cut=None):
            content = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            kind = "application/octet-stream" if isinstance(data, bytes) else "application/json"
            for name, value in {"Content-Type": kind, "Content-Length": len(content), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content[:cut])
            if cut is not None:
                self.hang_up()

        def hang_up(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

        def log_message(self, *arguments):
            pass

    return Handler
