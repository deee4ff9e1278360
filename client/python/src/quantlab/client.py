"""The client of one coordinator."""

import getpass
import uuid

import pandas as pd

from quantlab import calls, errors, files, frames, transfer
from quantlab.experiment import Experiment
from quantlab.v1 import (
    artifact_pb2_grpc,
    experiment_pb2,
    experiment_pb2_grpc,
    worker_pb2,
    worker_pb2_grpc,
)


class Client:
    """Talks to the coordinator at `address`: "unix:/path" or "host:port"; beyond loopback with `ca_file`, the
    certificate (PEM) of the authority that the coordinator's comes from. `token_file` holds the token to sign in with.

    Each call has a deadline (`timeout` seconds for one attempt). Calls that may be repeated without harm are
    repeated with back-off while the coordinator is away: `first_patience` seconds before it has ever answered,
    `patience` after that. Threads: safe, as gRPC's channels are. Close it, or use it in a `with` block.
    """

    def __init__(self, address, timeout=60, patience=120, first_patience=3, on_close=None, token_file=None, ca_file=None):
        self._channel = calls.open_channel(address, token_file, ca_file)
        self._on_close = on_close
        self.address = address
        self.caller = calls.Caller(address, timeout, patience, first_patience)
        self.experiment_service = experiment_pb2_grpc.ExperimentServiceStub(self._channel)
        self.artifact_service = artifact_pb2_grpc.ArtifactServiceStub(self._channel)
        self.worker_service = worker_pb2_grpc.WorkerServiceStub(self._channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._channel.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    # --- calls ------------------------------------------------------------------------------------------

    def call(self, method, request, repeatable=True):
        return self.caller.unary(method, request, repeatable)

    def pages(self, method, request, field):
        """Everything that a paged call lists, as one list."""
        found = []
        while True:
            response = self.call(method, request)
            found += getattr(response, field)
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token

    # --- experiments ------------------------------------------------------------------------------------

    def validate(self, source, name=None, only=()):
        """Checks an experiment without running anything; returns quantlab.v1.SubmitExperimentResponse.

        Errors: InvalidExperiment says file, line and the allowed values of each problem.
        """
        sources, _ = files.read_experiment(source, name)
        return self._validate(experiment_pb2.SubmitExperimentRequest(files=sources, only=list(only)))

    def submit(self, source, name=None, only=(), no_reuse=False, assets=None, request_id=None):
        """Submits an experiment: the path of a YAML file, or a dict of the same form.

        `only`: these runs or methods, with what they need. `assets`: where models or datasets are on this
        machine, by name. `request_id`: the same id again gives the same experiment, so that a program that was
        interrupted may submit again; without one, each call makes a new experiment.
        """
        sources, folder = files.read_experiment(source, name)
        request = experiment_pb2.SubmitExperimentRequest(files=sources, only=list(only), no_reuse=no_reuse,
                                                         submitter=_user())
        checked = self._validate(request)
        local = {}
        for required in checked.required_inputs:
            provided, paths = files.find_asset(required, folder, assets or {})
            request.inputs.append(provided)
            local.update(paths)
        transfer.upload(self.caller, self.artifact_service, local)
        request.validate_only = False
        # Made before the first attempt: a repeated call is the same call.
        request.request_id = request_id or uuid.uuid4().hex
        response = self.call(self.experiment_service.SubmitExperiment, request)
        return Experiment(self, response.experiment.id)

    def run(self, source, progress=None, timeout=None, check=True, **options):
        """submit, then wait."""
        return self.submit(source, **options).wait(progress=progress, timeout=timeout, check=check)

    def _validate(self, request):
        request.validate_only = True
        checked = self.call(self.experiment_service.SubmitExperiment, request)
        if any(diagnostic.error for diagnostic in checked.diagnostics):
            raise errors.InvalidExperiment(checked.diagnostics)
        return checked

    def _list(self, state="", name=""):
        request = experiment_pb2.ListExperimentsRequest(page_size=1000, name=name)
        if state:
            request.state = experiment_pb2.ExperimentState.Value(f"EXPERIMENT_STATE_{state.upper()}")
        return self.pages(self.experiment_service.ListExperiments, request, "experiments")

    def experiments(self, state="", name=""):
        """A data frame of experiments, newest first: id, name, state, runs, when and by whom."""
        rows = [{"experiment": e.id, "name": e.name, "state": frames.experiment_state_name(e.state),
                 "runs": len(e.runs), "created": pd.Timestamp(e.create_time.seconds, unit="s", tz="UTC"),
                 "submitter": e.submitter} for e in self._list(state, name)]
        return pd.DataFrame(rows, columns=["experiment", "name", "state", "runs", "created", "submitter"])

    def get(self, name="latest"):
        """An experiment by its id, a unique beginning of it, or "latest"."""
        if name == "latest":
            request = experiment_pb2.ListExperimentsRequest(page_size=1)
            newest = self.call(self.experiment_service.ListExperiments, request).experiments
            if not newest:
                raise errors.NotFound("there is no experiment yet")
            return Experiment(self, newest[0].id)
        ids = [e.id for e in self._list()]
        matches = [name] if name in ids else [i for i in ids if i.startswith(name)]
        if not matches:
            raise errors.NotFound(f"no experiment '{name}'; client.experiments() has all there are")
        if len(matches) > 1:
            raise errors.InvalidInput(f"'{name}' is the beginning of several experiments: {', '.join(matches[:5])}")
        return Experiment(self, matches[0])

    # --- the service ------------------------------------------------------------------------------------

    def methods(self):
        """Quantization methods with their parameters, as quantlab.v1.Method."""
        return list(self.call(self.experiment_service.ListMethods, experiment_pb2.ListMethodsRequest()).methods)

    def catalog(self):
        """A data frame of the models and datasets that experiments may name."""
        entries = self.call(self.experiment_service.ListCatalog, experiment_pb2.ListCatalogRequest()).entries
        columns = ["name", "role", "license", "source", "description"]
        return pd.DataFrame([{c: getattr(e, c) for c in columns} for e in entries], columns=columns)

    def workers(self):
        """Workers and what they do, as quantlab.v1.WorkerStatus."""
        return list(self.call(self.worker_service.ListWorkers, worker_pb2.ListWorkersRequest()).workers)


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
