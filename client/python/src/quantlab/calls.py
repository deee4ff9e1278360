"""Calls with deadlines, repeated where that does no harm while the coordinator is away."""

import os
import random
import re
import time

import grpc

from quantlab import errors

_MAX_MESSAGE = 256 << 20
_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
]
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# A stream cut off by a coordinator that dies ends with one of these as well.
_BROKEN = (*_AWAY, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


def check_address(address, encrypted=False):
    """"unix:/path" or "host:port"; unless the connection is encrypted, with a loopback host."""
    if address.startswith("unix:"):
        path = address[5:][2:] if address.startswith("unix://") else address[5:]
        if not path.startswith("/"):
            raise errors.InvalidInput(f"address '{address}': the path must be absolute, as in unix:/run/quantlab.sock")
        return f"unix:{path}"
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise errors.InvalidInput(f"address '{address}' is neither unix:/PATH nor HOST:PORT, as in 127.0.0.1:7420")
    if not encrypted and host not in ("localhost", "[::1]") and not re.fullmatch(r"127(\.\d+){3}", host):
        raise errors.Conflict(f"address '{address}' is beyond loopback, where only encrypted connections are allowed: "
                              "name the coordinator's certificate authority with ca_file or QUANTLAB_CA_FILE")
    return address


def read_token(path):
    """The token in a file that only its owner can read."""
    try:
        with open(path, encoding="ascii") as file:
            info = os.fstat(file.fileno())
            if info.st_mode & 0o077 or info.st_uid not in (0, os.geteuid()):
                raise errors.NotAllowed(f"{path} can be read by others; run: chmod 600 {path}")
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidInput(f"{path}: {error}") from error
    if not re.fullmatch(r"qlt_[A-Za-z0-9_-]{43}", token):
        raise errors.InvalidInput(f"{path} has no token; it must have exactly one line, the token")
    return token


class _CallDetails(grpc.ClientCallDetails):
    def __init__(self, details, metadata):
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            setattr(self, name, getattr(details, name, None))
        self.metadata = metadata


class _Token(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Adds the token to each call; gRPC's call credentials refuse loopback without TLS."""

    def __init__(self, token):
        self._header = ("authorization", f"Bearer {token}")

    def _call(self, proceed, details, request):
        return proceed(_CallDetails(details, [*(details.metadata or ()), self._header]), request)

    def intercept_unary_unary(self, continuation, client_call_details, request):
        return self._call(continuation, client_call_details, request)

    def intercept_unary_stream(self, continuation, client_call_details, request):
        return self._call(continuation, client_call_details, request)

    def intercept_stream_unary(self, continuation, client_call_details, request_iterator):
        return self._call(continuation, client_call_details, request_iterator)


def open_channel(address, token_file=None, ca_file=None):
    """With `ca_file` (PEM) over TLS, except to a Unix socket. The token is sent with every call."""
    target = check_address(address, encrypted=bool(ca_file))
    if ca_file and not target.startswith("unix:"):
        try:
            with open(ca_file, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
        except OSError as error:
            raise errors.InvalidInput(f"{ca_file}: {error}") from error
        channel = grpc.secure_channel(target, credentials, options=_OPTIONS)
    else:
        channel = grpc.insecure_channel(target, options=_OPTIONS)
    return grpc.intercept_channel(channel, _Token(read_token(token_file))) if token_file else channel


class Backoff:
    """Pauses that double, with jitter, until patience ends."""

    def __init__(self, patience):
        self._patience = patience
        self.reset()

    def reset(self):
        self._next = 0.05
        self._start = time.monotonic()

    def pause(self):
        """Sleeps; False where patience has ended."""
        if time.monotonic() - self._start > self._patience:
            return False
        time.sleep(self._next * random.uniform(0.7, 1.3))
        self._next = min(self._next * 2, 2.0)
        return True


class Caller:
    """Owns nothing; `timeout` is of each attempt, `patience` how long a coordinator may stay away."""

    def __init__(self, address, timeout, patience, first_patience):
        self.address = address
        self.timeout = timeout
        self._patience = patience
        self._first_patience = first_patience
        self._answered = False

    def backoff(self):
        return Backoff(self._patience if self._answered else self._first_patience)

    def unary(self, method, request, repeatable=True):
        """One answer. `repeatable`: a second call changes nothing that the first has not."""
        backoff = self.backoff()
        while True:
            try:
                response = method(request, timeout=self.timeout)
                self._answered = True
                return response
            except grpc.RpcError as error:
                if not (repeatable and error.code() in _AWAY and backoff.pause()):
                    raise errors.from_rpc(error, self.address) from error

    def stream(self, open_stream):
        """Messages of `open_stream()`, opened anew when it breaks; ends when a stream ends well.

        `open_stream` must go on where the last one stopped. Patience starts anew with each message.
        """
        backoff = self.backoff()
        while True:
            stream = open_stream()
            try:
                for message in stream:
                    self._answered = True
                    backoff = self.backoff()
                    yield message
                return
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and self._answered:
                    backoff.reset()
                if not (error.code() in _BROKEN and backoff.pause()):
                    raise errors.from_rpc(error, self.address) from error
            finally:
                stream.cancel()
