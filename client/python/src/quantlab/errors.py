"""What can go wrong, by what can be done about it."""

import grpc

from quantlab.v1 import error_pb2

_DETAILS = "grpc-status-details-bin"


class QuantlabError(Exception):
    """`reason` is a stable word for programs ("DISK_FULL"), `metadata` what belongs to it; both may be empty."""

    def __init__(self, message, reason="", metadata=None):
        super().__init__(message)
        self.reason = reason
        self.metadata = dict(metadata or {})


class InvalidInput(QuantlabError):
    """What was given is wrong; the message says what, and what is allowed."""


class InvalidExperiment(InvalidInput):
    """An experiment file has errors: `diagnostics` has file, line, column and message of each."""

    def __init__(self, diagnostics):
        self.diagnostics = list(diagnostics)
        lines = [f"{d.file}:{d.line}:{d.column}: {d.message}" if d.line else f"{d.file}: {d.message}"
                 for d in self.diagnostics if d.error]
        super().__init__("\n".join(lines), reason="INVALID_EXPERIMENT")


class NotFound(QuantlabError):
    """No such experiment, run, artifact, file or program."""


class Unavailable(QuantlabError):
    """No coordinator answers."""


class DeadlineExceeded(Unavailable):
    """It did not answer, or an experiment did not end, in time."""


class Conflict(QuantlabError):
    """The current state does not allow it."""


class ResourceExhausted(QuantlabError):
    """A disk is full, or a limit is reached."""


class NotAllowed(QuantlabError):
    """Permission denied."""


class Cancelled(QuantlabError):
    """The call was cancelled."""


class DamagedData(QuantlabError):
    """What arrived is not what its digest says."""


class InternalError(QuantlabError):
    """An error in Quantlab itself; please report it."""


class ExperimentFailed(QuantlabError):
    """An experiment ended otherwise than by success: `experiment` has its results all the same."""

    def __init__(self, experiment, message):
        super().__init__(message, reason="EXPERIMENT_FAILED")
        self.experiment = experiment


_CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.DATA_LOSS: DamagedData,
}


def error_info(error):
    """The google.rpc.ErrorInfo of a failed call as (reason, metadata); ("", {}) where it has none."""
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS:
            continue
        status = error_pb2.RpcStatus.FromString(value)
        for detail in status.details:
            if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                info = error_pb2.ErrorInfo.FromString(detail.value)
                return info.reason, dict(info.metadata)
    return "", {}


def from_rpc(error, address):
    """A failed call as an exception of this module."""
    kind = _CLASSES.get(error.code(), InternalError)
    reason, metadata = error_info(error)
    message = error.details() or error.code().name
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        message = f"no coordinator answers at {address} ({message})"
    return kind(message, reason, metadata)
