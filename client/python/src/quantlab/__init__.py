"""Python client of Quantlab.

    import quantlab

    with quantlab.connect() as lab:                      # the configured coordinator, or else a private service
        experiment = lab.submit("configs/quick.yaml")
        experiment.wait(progress=True)
        print(experiment.metrics("accuracy")[["variant", "seed", "value"]])

Errors are subclasses of `QuantlabError`, one for each kind of thing that can be done about them.

`quantlab.torch` runs saved models in PyTorch, and needs nothing else. So modules are imported when a name of theirs is
first used: with torch alone, `import quantlab.torch` works without gRPC and pandas.
"""

import importlib

_ERRORS = ("Cancelled", "Conflict", "DamagedData", "DeadlineExceeded", "ExperimentFailed", "InternalError",
           "InvalidExperiment", "InvalidInput", "NotAllowed", "NotFound", "QuantlabError", "ResourceExhausted",
           "Unavailable")
_MODULE_OF = {"Client": "client", "Experiment": "experiment", "connect": "service", "local": "service",
              **dict.fromkeys(_ERRORS, "errors")}
_MODULES = ("calls", "client", "errors", "experiment", "files", "frames", "service", "torch", "transfer", "v1")

__all__ = [
    "Cancelled", "Client", "Conflict", "DamagedData", "DeadlineExceeded", "Experiment", "ExperimentFailed",
    "InternalError", "InvalidExperiment", "InvalidInput", "NotAllowed", "NotFound", "QuantlabError",
    "ResourceExhausted", "Unavailable", "connect", "local",
]


def __getattr__(name):
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"quantlab.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"quantlab.{name}")
    raise AttributeError(f"module 'quantlab' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
