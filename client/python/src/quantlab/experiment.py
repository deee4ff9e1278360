"""One experiment on a coordinator: follow it, read its results."""

import math
import pathlib
import time

from quantlab import errors, frames, transfer
from quantlab.v1 import event_pb2, experiment_pb2

# A watch is opened anew at least this often, so that even a stream that died in silence goes on.
_WATCH_DEADLINE = 300


class _Limit:
    """`timeout` seconds from now, over everything that is waited for; None is no limit."""

    def __init__(self, timeout):
        self.timeout = timeout
        self._end = math.inf if timeout is None else time.monotonic() + timeout

    def left(self):
        return self._end - time.monotonic()


class Experiment:
    """Made by `Client.submit`, `Client.get` and `Client.experiments`. Holds no state but the id: each question
    is asked anew."""

    def __init__(self, client, experiment_id):
        self._client = client
        self.id = experiment_id

    def __repr__(self):
        return f"<quantlab.Experiment {self.id}>"

    # --- state ------------------------------------------------------------------------------------------

    def info(self):
        """The experiment with its runs, as quantlab.v1.Experiment."""
        request = experiment_pb2.GetExperimentRequest(id=self.id)
        return self._client.call(self._client.experiment_service.GetExperiment, request)

    @property
    def state(self):
        """ACTIVE, SUCCEEDED, FAILED or CANCELLED."""
        return frames.experiment_state_name(self.info().state)

    def watch(self, after=0, min_severity="WARNING", timeout=None):
        """Changes (quantlab.v1.WatchExperimentResponse) in order, each once, until the experiment has ended.

        `after`: only those after this sequence number. `min_severity`: of log lines. Goes on across restarts of
        the coordinator. Errors: DeadlineExceeded after `timeout` seconds.
        """
        return self._changes(after, min_severity, _Limit(timeout))

    def _changes(self, last, min_severity, limit):
        severity = event_pb2.Severity.Value(f"SEVERITY_{min_severity.upper()}")

        def open_stream():
            left = min(_WATCH_DEADLINE, limit.left())
            if left <= 0:
                raise errors.DeadlineExceeded(f"{self.id} has not ended within {limit.timeout} s; it continues")
            request = experiment_pb2.WatchExperimentRequest(id=self.id, after_sequence=last, min_severity=severity)
            return self._client.experiment_service.WatchExperiment(request, timeout=left)

        ended = False
        while not ended:
            before = last
            for change in self._client.caller.stream(open_stream):
                if change.sequence <= last:
                    continue
                last = change.sequence
                # An experiment that was queued again has ended more than once: the last change decides.
                ended = (change.HasField("experiment_state")
                         and change.experiment_state != experiment_pb2.EXPERIMENT_STATE_ACTIVE)
                yield change
            ended |= last == before  # a whole stream with nothing new: it had ended before

    def wait(self, progress=None, timeout=None, check=True):
        """Waits until the experiment has ended; returns itself.

        `progress`: True prints a line for each change of a run, a function is called with every change.
        Errors: ExperimentFailed where it did not succeed (not with check=False); DeadlineExceeded.
        """
        told = _print_change if progress is True else progress or (lambda change: None)
        limit = _Limit(timeout)
        info, last = None, 0
        # Somebody's retry makes an ended experiment active again.
        while info is None or info.state == experiment_pb2.EXPERIMENT_STATE_ACTIVE:
            for change in self._changes(last, "WARNING", limit):
                last = change.sequence
                told(change)
            info = self.info()
        if check and info.state != experiment_pb2.EXPERIMENT_STATE_SUCCEEDED:
            raise errors.ExperimentFailed(self, _failures(info))
        return self

    def cancel(self, run="", reason=""):
        """Cancels what has not ended, or one run."""
        request = experiment_pb2.CancelExperimentRequest(id=self.id, run=run, reason=reason)
        self._client.call(self._client.experiment_service.CancelExperiment, request)

    def retry(self, run=""):
        """Queues again what failed. Not repeated when the coordinator is away: a second call could queue again
        what has failed since."""
        request = experiment_pb2.RetryExperimentRequest(id=self.id, run=run)
        self._client.call(self._client.experiment_service.RetryExperiment, request, repeatable=False)

    def explain(self, run):
        """Why a run is where it is: sentences, the most important first."""
        request = experiment_pb2.ExplainRunRequest(run_id=f"{self.id}/{run}")
        return list(self._client.call(self._client.experiment_service.ExplainRun, request).reasons)

    # --- results ----------------------------------------------------------------------------------------

    def report_data(self):
        """Everything that the report is made of, as quantlab.v1.ReportData."""
        request = experiment_pb2.GetReportDataRequest(experiment_id=self.id)
        return self._client.call(self._client.experiment_service.GetReportData, request)

    def report_dict(self):
        """The same as a dict: the JSON mapping with every field, as in report_data.json."""
        return frames.to_dict(self.report_data())

    def runs(self):
        """A data frame with one row per run: state, seed, parameters (`param_…`), machine, times."""
        return frames.runs(self.report_data())

    def metrics(self, name="", run="", curves=False):
        """A data frame with one row per number: run, variant, method, seed, value, unit, low, high, `label_…`.

        Final numbers only; with `curves` the points of training curves too (`step` above 0).
        """
        request = experiment_pb2.ListMetricsRequest(experiment_id=self.id, name=name, run=run,
                                                    final_only=not curves, page_size=1000)
        entries = self._client.pages(self._client.experiment_service.ListMetrics, request, "metrics")
        return frames.metrics(self.report_data(), entries)

    def layers(self):
        """A data frame with one row per layer of each run: requested, effective, kernel, reason, bytes, SQNR."""
        return frames.layers(self.report_data())

    def logs(self, run="", min_severity="INFO", all_attempts=False):
        """Log entries (quantlab.v1.LogEntry) in order."""
        severity = event_pb2.Severity.Value(f"SEVERITY_{min_severity.upper()}")
        request = experiment_pb2.ListLogsRequest(experiment_id=self.id, run=run, attempt=-1 if all_attempts else 0,
                                                 min_severity=severity, page_size=1000)
        return self._client.pages(self._client.experiment_service.ListLogs, request, "entries")

    def artifacts(self):
        """A data frame with the name, size and digest of each artifact."""
        return frames.artifacts(self.report_data())

    def download(self, name, to="."):
        """Fetches the artifact RUN/NAME, or all below it ("baseline/model"), into the folder `to`.

        Returns the paths. Errors: NotFound; DamagedData.
        """
        paths = []
        for report in self.report_data().runs:
            run = report.run.id.partition("/")[2]
            for artifact in report.artifacts:
                full = f"{run}/{artifact.name}"
                if full == name or full.startswith(name.rstrip("/") + "/"):
                    target = _inside(pathlib.Path(to), full)
                    paths.append(transfer.download(self._client.caller, self._client.artifact_service, artifact,
                                                   target))
        if not paths:
            raise errors.NotFound(f"no artifact '{name}' in {self.id}; experiment.artifacts() has all names")
        return paths

    def to_parquet(self, folder):
        """Writes runs.parquet, metrics.parquet (with curves) and layers.parquet. Wants pyarrow."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {"runs": self.runs(), "metrics": self.metrics(curves=True), "layers": self.layers()}
        for name, frame in tables.items():
            try:
                frame.to_parquet(folder / f"{name}.parquet", index=False)
            except ImportError as error:
                raise errors.NotFound("Parquet needs pyarrow: pip install 'quantlab[parquet]'") from error
        return [folder / f"{name}.parquet" for name in tables]


def _inside(folder, name):
    """`name` comes from the coordinator, and must not lead out of `folder`."""
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise errors.InvalidInput(f"artifact '{name}' would leave the folder")
    return folder / name


def _print_change(change):
    kind = change.WhichOneof("change")
    run = change.run_id.partition("/")[2]
    message = f": {change.message}" if change.message else ""
    if kind == "run_state":
        print(f"{run}: {frames.state_name(change.run_state)}{message}", flush=True)
    elif kind == "event" and change.event.WhichOneof("kind") == "log":
        print(f"{run}: {change.event.log.message}", flush=True)
    elif kind == "experiment_state":
        print(f"{frames.experiment_state_name(change.experiment_state)}{message}", flush=True)


def _failures(info):
    """"quick-1 is FAILED: baseline FAILED: out of memory; comparison SKIPPED"."""
    wrong = [f"{run.id.partition('/')[2]} {frames.state_name(run.state)}" + (f": {run.message}" if run.message else "")
             for run in info.runs if run.state != experiment_pb2.RUN_STATE_SUCCEEDED]
    return f"{info.id} is {frames.experiment_state_name(info.state)}: " + "; ".join(wrong)
