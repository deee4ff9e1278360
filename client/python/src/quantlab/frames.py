"""Report data as data frames: rows and columns of `quantctl export`, base units, every digit.

Labels and parameters are there as one JSON object, and have a column each besides: `label_split`, `param_dtype`. Pure
functions.
"""

import inspect
import json

import pandas as pd
from google.protobuf.json_format import MessageToDict

from quantlab.v1 import experiment_pb2, run_config_pb2

_KEY = ["experiment", "run", "variant", "method", "seed", "attempt", "worker", "source_run"]
_RUNS = _KEY + ["kind", "state", "message", "attempts", "reused", "method_version", "device", "threads", "model",
                "model_digest", "dataset", "dataset_digest", "create_time", "queue_time", "start_time", "end_time",
                "hostname", "fingerprint", "folder", "params", "environment", "caveats", "config"]
# Columns that are there even where no row has such a label, so that `table.label_split` always works.
_LABELS = [f"label_{name}" for name in (
    "split", "average", "variant", "run", "against", "part", "kind", "batch_size", "sequence_length", "quantile",
    "layer", "precision", "measure", "point", "chosen", "direction", "margin", "processes")]
_METRICS = _KEY + ["metric", "value", "unit", "low", "high", "samples", "step", "labels"] + _LABELS
_LAYERS = _KEY + ["layer", "in_features", "out_features", "requested", "effective", "kernel", "reason",
                  "macs_share", "bytes_fp32", "bytes", "sqnr_db", "role", "block", "median_sqnr_db"]


def state_name(state):
    """"SUCCEEDED" of RUN_STATE_SUCCEEDED."""
    return experiment_pb2.RunState.Name(state).replace("RUN_STATE_", "")


def experiment_state_name(state):
    return experiment_pb2.ExperimentState.Name(state).replace("EXPERIMENT_STATE_", "")


def _frame(rows, columns):
    """The fixed columns first, those of labels and parameters after them in order."""
    more = sorted({name for row in rows for name in row} - set(columns))
    return pd.DataFrame(rows, columns=columns + more)


# protobuf 5 renamed it.
_ALL_FIELDS = ("always_print_fields_with_no_presence"
               if "always_print_fields_with_no_presence" in inspect.signature(MessageToDict).parameters
               else "including_default_value_fields")


def to_dict(message):
    """The JSON mapping of protobuf with every field, also of those that are 0, false or empty."""
    return MessageToDict(message, **{_ALL_FIELDS: True})


def _optional(message, field):
    return getattr(message, field) if message.HasField(field) else None


def _time(message, field):
    if not message.HasField(field):
        return pd.NaT
    stamp = getattr(message, field)
    return pd.Timestamp(stamp.seconds * 10**9 + stamp.nanos, unit="ns", tz="UTC")


def _attempt(report):
    """The one that gave the result; of a run without one the last."""
    return report.attempt if report.HasField("attempt") else (report.attempts or [None])[-1]


def _key(report):
    """What tells the rows of one run from those of others."""
    experiment, _, run = report.run.id.partition("/")
    config = report.run.config
    key = {"experiment": experiment, "run": run, "variant": config.variant, "method": config.method.name,
           "seed": config.seed}
    attempt = _attempt(report)
    if attempt is not None:
        key.update(attempt=attempt.number, worker=attempt.worker_id, source_run=attempt.run_id)
    return key


def _param(value):
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None


def _json(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def runs(data):
    """One row per run."""
    rows = []
    for report in data.runs:
        run, config = report.run, report.run.config
        attempt = _attempt(report)
        params = {name: _param(value) for name, value in config.method.params.items()}
        row = {**_key(report), "kind": run_config_pb2.RunKind.Name(config.kind).replace("RUN_KIND_", "").lower(),
               "state": state_name(run.state), "message": run.message, "attempts": run.attempts,
               "reused": run.reused, "device": config.device, "threads": config.threads,
               "model": config.model.name, "model_digest": config.model.digest,
               "dataset": config.dataset.asset.name, "dataset_digest": config.dataset.asset.digest,
               "hostname": attempt.worker_hostname if attempt else None,
               "fingerprint": report.environment.fingerprint, "folder": run.folder,
               "method_version": config.method.version if config.method.name else None,
               "params": _json(params), "environment": _json(dict(report.environment.facts)),
               "caveats": _json([to_dict(caveat) for caveat in report.caveats]), "config": _json(to_dict(config))}
        row.update({f"{name}_time": _time(run, f"{name}_time") for name in ("create", "queue", "start", "end")})
        row.update({f"param_{name}": value for name, value in params.items()})
        rows.append(row)
    return _frame(rows, _RUNS)


def _metric_row(key, metric):
    return {**key, "metric": metric.name, "value": metric.value, "unit": metric.unit,
            "low": _optional(metric, "low"), "high": _optional(metric, "high"), "samples": metric.samples,
            "step": metric.step, "labels": _json(dict(metric.labels)),
            **{f"label_{name}": value for name, value in metric.labels.items()}}


def metrics(data, entries):
    """One row per MetricEntry: also those of runs that have not ended."""
    keys = {report.run.id: _key(report) for report in data.runs}
    rows = []
    for entry in entries:
        key = dict(keys.get(entry.run_id, {}), attempt=entry.attempt, source_run=entry.source_run_id)
        rows.append(_metric_row(key, entry.metric))
    return _frame(rows, _METRICS)


def layers(data):
    """One row per layer of each run: what was asked, what ran, and why."""
    rows = []
    for report in data.runs:
        for layer in report.layers:
            row = {name: getattr(layer, "name" if name == "layer" else name) for name in _LAYERS[len(_KEY):]}
            rows.append({**_key(report), **row, "sqnr_db": _optional(layer, "sqnr_db"),
                         "block": _optional(layer, "block"),
                         "median_sqnr_db": _optional(layer, "median_sqnr_db")})
    return _frame(rows, _LAYERS)


def artifacts(data):
    """One row per artifact: the name is that for `download`."""
    rows = [{"artifact": f"{report.run.id.partition('/')[2]}/{artifact.name}", "size": artifact.size,
             "sha256": artifact.sha256}
            for report in data.runs for artifact in report.artifacts]
    return _frame(rows, ["artifact", "size", "sha256"])
