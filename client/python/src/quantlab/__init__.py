"""Python client of Quantlab.

    import quantlab

    with quantlab.connect() as lab:                      # the configured coordinator, or else a private service
        experiment = lab.submit("configs/quick.yaml")
        experiment.wait(progress=True)
        print(experiment.metrics("accuracy")[["variant", "seed", "value"]])

Errors are subclasses of `QuantlabError`, one for each kind of thing that can be done about them.
"""

from quantlab.client import Client
from quantlab.errors import (
    Cancelled,
    Conflict,
    DamagedData,
    DeadlineExceeded,
    ExperimentFailed,
    InternalError,
    InvalidExperiment,
    InvalidInput,
    NotAllowed,
    NotFound,
    QuantlabError,
    ResourceExhausted,
    Unavailable,
)
from quantlab.experiment import Experiment
from quantlab.service import connect, local

__all__ = [
    "Cancelled", "Client", "Conflict", "DamagedData", "DeadlineExceeded", "Experiment", "ExperimentFailed",
    "InternalError", "InvalidExperiment", "InvalidInput", "NotAllowed", "NotFound", "QuantlabError",
    "ResourceExhausted", "Unavailable", "connect", "local",
]
