"""Artifacts to and from the coordinator's store: broken transfers go on where they stopped, digests are checked."""

import os
import pathlib

from quantlab import errors
from quantlab.files import sha256_of
from quantlab.v1 import artifact_pb2

_CHUNK = 512 << 10
# Of one stream; a transfer that takes longer goes on in the next.
_DEADLINE = 300


def upload(caller, stub, files):
    """Sends what the store lacks of `files`, {sha256: path}."""
    missing = _stat(caller, stub, list(files))
    for stat in missing:
        if not stat.present:
            _upload_one(caller, stub, stat.sha256, pathlib.Path(files[stat.sha256]))


def _stat(caller, stub, digests):
    found = []
    for start in range(0, len(digests), 10_000):
        request = artifact_pb2.StatArtifactsRequest(sha256=digests[start:start + 10_000])
        found += caller.unary(stub.StatArtifacts, request).artifacts
    return found


def _upload_one(caller, stub, digest, path):
    size = path.stat().st_size

    def send(_, timeout):
        # Asked anew for each attempt: the one before may have come far.
        stat = stub.StatArtifacts(artifact_pb2.StatArtifactsRequest(sha256=[digest]), timeout=timeout).artifacts[0]
        if not stat.present:
            stub.UploadArtifact(_chunks(digest, path, size, stat.size), timeout=_DEADLINE)

    caller.unary(send, None)


def _chunks(digest, path, size, offset):
    with open(path, "rb") as file:
        file.seek(offset)
        yield artifact_pb2.UploadArtifactRequest(sha256=digest, size=size, offset=offset, data=file.read(_CHUNK))
        while block := file.read(_CHUNK):
            yield artifact_pb2.UploadArtifactRequest(data=block)


def download(caller, stub, artifact, path):
    """Makes `path` the artifact; what was there is kept until all of it has arrived and is right."""
    path = pathlib.Path(path)
    if path.is_file() and path.stat().st_size == artifact.size and sha256_of(path) == artifact.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "ab") as file:
        if file.tell() > artifact.size:
            file.truncate(0)

        def open_stream():
            request = artifact_pb2.DownloadArtifactRequest(sha256=artifact.sha256, offset=file.tell())
            return stub.DownloadArtifact(request, timeout=_DEADLINE)

        for response in caller.stream(open_stream):
            file.write(response.data)
        file.flush()
        os.fsync(file.fileno())
    if sha256_of(part) != artifact.sha256:
        part.unlink()
        raise errors.DamagedData(f"what arrived for {path} is not what its digest says; try again")
    os.replace(part, path)
    return path
