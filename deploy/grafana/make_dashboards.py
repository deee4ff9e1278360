#!/usr/bin/env python3
"""Writes the dashboards of deploy/grafana/dashboards. Change this file, run it, and commit both."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
INFINITY_TYPE = "yesoreyeram-infinity-datasource"
INFINITY = {"type": INFINITY_TYPE, "uid": "${datasource}"}
SELECTED = 'job=~"$job", instance=~"$instance"'
WIDTH, HEIGHT = 24, 8


# ---- panels ----------------------------------------------------------------------------------------------------------


def prom(expression, legend="", instant=False):
    """A query of Prometheus. SEL stands for the selected jobs and instances, RATE for the interval of rates."""
    expression = expression.replace("SEL", SELECTED).replace("RATE", "$__rate_interval")
    target = {"datasource": PROMETHEUS, "expr": expression, "legendFormat": legend or "{{instance}}"}
    if instant:
        target.update(instant=True, range=False, format="table")
    return target


def quantiles(metric, by="", values=(0.5, 0.95), legend=""):
    """One query for each quantile of a histogram, with further labels `by`."""
    labels = f"{by}, le" if by else "le"
    return [prom(f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{SEL}}[RATE])))",
                 f"{legend}p{q * 100:g}") for q in values]


def infinity(page, columns, kind="table"):
    """A query of the coordinator's JSON. columns: (key, title, type)."""
    return {"datasource": INFINITY, "type": "json", "source": "url", "format": kind, "parser": "backend",
            "url": page, "url_options": {"method": "GET", "data": ""}, "root_selector": "", "filters": [],
            "columns": [{"selector": key, "text": title, "type": of} for key, title, of in columns]}


def panel(kind, title, description, unit, targets, width=8, **more):
    targets = targets if isinstance(targets, list) else [targets]
    for index, target in enumerate(targets):
        target["refId"] = chr(ord("A") + index)
    defaults = {"unit": unit, **more.pop("defaults", {})}
    return {"type": kind, "title": title, "description": description, "datasource": targets[0]["datasource"],
            "targets": targets, "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
            "options": more.pop("options", {}), "width": width, **more}


def stat(title, description, unit, target, steps=None, **more):
    """One number, with colours from each value of `steps` on."""
    steps = steps or [(None, "blue")]
    defaults = {"thresholds": {"mode": "absolute",
                               "steps": [{"color": color, "value": value} for value, color in steps]}}
    return panel("stat", title, description, unit, target, width=4, defaults=defaults,
                 options={"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}, **more)


def series(title, description, unit, targets, width=8, stack=False, minimum=0, **more):
    custom = {"fillOpacity": 10, "showPoints": "never", "stacking": {"mode": "normal" if stack else "none"}}
    defaults = {"custom": custom}
    if minimum is not None:
        defaults["min"] = minimum
    return panel("timeseries", title, description, unit, targets, width, defaults=defaults,
                 options={"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                 **more)


def table(title, description, targets, width=24, units=(), unit="none", **more):
    """units: (title of a column, unit)."""
    overrides = [{"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": value}]}
                 for name, value in units]
    return panel("table", title, description, unit, targets, width, overrides=overrides, **more)


# ---- dashboards ------------------------------------------------------------------------------------------------------


def laid_out(rows):
    """Panels with their places; rows: (title, panels)."""
    panels, y, number = [], 0, 0
    for title, members in rows:
        number += 1
        panels.append({"type": "row", "title": title, "id": number, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}})
        y, x, line = y + 1, 0, 0
        for member in members:
            number += 1
            width = member.pop("width")
            height = 4 if member["type"] == "stat" else HEIGHT
            if x + width > WIDTH:
                x, y, line = 0, y + line, 0
            panels.append({**member, "id": number, "gridPos": {"h": height, "w": width, "x": x, "y": y}})
            x, line = x + width, max(line, height)
        y += line
    return panels


def datasource_variable(of):
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": of, "current": {},
            "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": ""}


def label_variable(name, query):
    """A variable with the values of a label."""
    return {"name": name, "label": name, "type": "query", "datasource": PROMETHEUS, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}, "options": [], "regex": "",
            "hide": 0}


def prometheus_variables(metric):
    return [datasource_variable("prometheus"), label_variable("job", f"label_values({metric}, job)"),
            label_variable("instance", f'label_values({metric}{{job=~"$job"}}, instance)')]


def experiment_variable():
    query = infinity("/api/v1/experiments", [("name", "__text", "string"), ("id", "__value", "string")])
    return {"name": "experiment", "label": "Experiment", "type": "query", "datasource": INFINITY,
            "definition": "experiments of the coordinator", "query": {"queryType": "infinity", "query": "",
                                                                     "infinityQuery": {"refId": "variable", **query}},
            "refresh": 2, "sort": 0, "multi": False, "includeAll": False, "current": {}, "options": [], "regex": "",
            "hide": 0}


def dashboard(uid, title, description, variables, rows, span="now-6h", refresh="30s"):
    return {"uid": uid, "title": title, "description": description, "tags": ["quantlab"], "editable": False,
            "graphTooltip": 1, "schemaVersion": 39, "version": 1, "time": {"from": span, "to": "now"},
            "refresh": refresh, "timezone": "browser", "annotations": {"list": []},
            "links": [{"type": "dashboards", "title": "Quantlab", "tags": ["quantlab"], "asDropdown": True,
                       "includeVars": False, "keepTime": True, "targetBlank": False, "icon": "external link",
                       "tooltip": "", "url": ""}],
            "templating": {"list": variables}, "panels": laid_out(rows)}


# ---- Service ---------------------------------------------------------------------------------------------------------

ERRORS = "DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|RESOURCE_EXHAUSTED|UNAVAILABLE|UNKNOWN"


def service():
    overview = [
        stat("Coordinators", "Coordinators that answer Prometheus.", "none", prom("sum(up{SEL})", "up"),
             [(None, "red"), (1, "green")]),
        stat("Waiting runs", "Runs that wait for a worker, on any device.", "none",
             prom("sum(quantlab_queue_depth{SEL})", "waiting")),
        stat("Running runs", "Runs that a worker executes.", "none",
             prom('sum(quantlab_runs{SEL, state="running"})', "running")),
        stat("Connected workers", "Workers that reported within their lease.", "none",
             prom('sum(quantlab_workers{SEL, state=~"idle|busy"})', "connected"), [(None, "red"), (1, "green")]),
        stat("Failing calls", "Share of calls in the last five minutes that failed through faults of the coordinator.",
             "percentunit", prom(f'sum(rate(quantlab_rpcs_total{{SEL, code=~"{ERRORS}"}}[RATE])) / '
                                 "sum(rate(quantlab_rpcs_total{SEL}[RATE])) or vector(0)", "failing"),
             [(None, "green"), (0.01, "orange"), (0.05, "red")]),
        stat("Free disk", "Share of the data folder's file system that is free.", "percentunit",
             prom("min(quantlab_data_free_bytes{SEL} / quantlab_data_size_bytes{SEL})", "free"),
             [(None, "red"), (0.1, "orange"), (0.25, "green")]),
    ]
    queue = [
        series("Queue", "Runs that wait for a worker, by the device that they need.", "none",
               prom("sum by (device) (quantlab_queue_depth{SEL})", "{{device}}"), stack=True),
        series("Age of the oldest run", "How long the run that has waited longest for a device has waited.", "s",
               prom("max by (device) (quantlab_queue_oldest_age_seconds{SEL})", "{{device}}")),
        series("Time in the queue", "Time from entering the queue until a worker took the run.", "s",
               quantiles("quantlab_queue_wait_seconds")),
        series("Workers by state", "Known workers: idle, busy, or gone for longer than their lease.", "none",
               prom("sum by (state) (quantlab_workers{SEL})", "{{state}}"), stack=True),
        series("Workers by device", "Connected workers that offer a device.", "none",
               prom("sum by (device) (quantlab_device_workers{SEL})", "{{device}}")),
        series("Held workers and waiting calls",
               "Workers that get no runs because of faults of their own, and calls of idle workers that wait for a run.",
               "none", [prom("sum(quantlab_held_workers{SEL})", "held workers"),
                        prom("sum(quantlab_waiting_syncs{SEL})", "waiting calls")]),
    ]
    runs = [
        series("Runs by state", "Runs of experiments that have not ended.", "none",
               prom("sum by (state) (quantlab_runs{SEL})", "{{state}}"), stack=True),
        series("Ended runs", "Runs that ended in each interval, by how.", "none",
               prom("sum by (state) (increase(quantlab_runs_ended_total{SEL}[RATE]))", "{{state}}"), stack=True),
        series("Duration of attempts", "From the assignment to the end, by how the attempt ended.", "s",
               [prom("histogram_quantile(0.95, sum by (outcome, le) "
                     "(rate(quantlab_run_duration_seconds_bucket{SEL}[RATE])))", "{{outcome}} p95")]),
        series("Interruptions", "Leases that expired, and runs that were queued again, in each interval.", "none",
               [prom("sum(increase(quantlab_leases_expired_total{SEL}[RATE]))", "expired leases"),
                prom("sum by (by) (increase(quantlab_run_retries_total{SEL}[RATE]))", "retried by {{by}}")]),
        series("Reused results", "Runs that reused an earlier result, in each interval.", "none",
               prom("sum(increase(quantlab_runs_reused_total{SEL}[RATE]))", "reused")),
        series("Events", "Events that workers reported.", "cps",
               prom("sum(rate(quantlab_events_total{SEL}[RATE]))", "events")),
    ]
    calls = [
        series("Calls", "Calls that ended, by method.", "reqps",
               prom("sum by (method) (rate(quantlab_rpcs_total{SEL}[RATE])) > 0", "{{method}}"), width=12),
        series("Calls that were not OK", "By method and status code; some are a caller's own mistakes.", "reqps",
               prom('sum by (method, code) (rate(quantlab_rpcs_total{SEL, code!="OK"}[RATE])) or vector(0)',
                    "{{method}} {{code}}"), width=12),
        series("Duration of calls",
               "99 % of the calls are shorter. Without Sync, WatchExperiment and transfers, which last by design.", "s",
               prom("histogram_quantile(0.99, sum by (method, le) (rate(quantlab_rpc_duration_seconds_bucket{SEL, "
                    'method!~"Sync|WatchExperiment|UploadArtifact|DownloadArtifact"}[RATE])))', "{{method}}")),
        series("Event lag", "Time from an event on its worker until it was stored.", "s",
               quantiles("quantlab_event_lag_seconds")),
        series("Transfers", "Artifacts received and sent.", "Bps",
               prom("sum by (direction) (rate(quantlab_artifact_transfer_bytes_total{SEL}[RATE]))", "{{direction}}")),
    ]
    storage = [
        series("Commits", "Time until a change of state was durable.", "s",
               quantiles("quantlab_commit_duration_seconds", values=(0.5, 0.99))),
        series("Transactions", "Duration of the database's transactions, of which each may serve several writes.", "s",
               quantiles("quantlab_database_transaction_seconds", values=(0.5, 0.99))),
        series("Writes of a transaction", "How many writes shared one transaction, on average.", "none",
               prom("sum(rate(quantlab_database_transaction_writes_sum{SEL}[RATE])) / "
                    "sum(rate(quantlab_database_transaction_writes_count{SEL}[RATE]))", "writes")),
        series("Checkpoints", "Time spent on copying the write-ahead log into the database.", "percentunit",
               prom("rate(quantlab_database_checkpoint_seconds_sum{SEL}[RATE])")),
        series("Failed commits", "Changes of state that storage refused or could not write, in each interval.", "none",
               prom("sum(increase(quantlab_commit_failures_total{SEL}[RATE]))", "failed")),
        series("Database", "Bytes of the database and of its write-ahead log.", "bytes",
               prom("sum by (file) (quantlab_database_bytes{SEL})", "{{file}}")),
        series("Artifacts", "Bytes in the artifact store and of uploads that are not complete.", "bytes",
               [prom("sum(quantlab_artifact_bytes{SEL})", "stored"),
                prom("sum(quantlab_artifact_incoming_bytes{SEL})", "incoming")]),
        series("Files in the artifact store", "Counted at most once a minute.", "none",
               prom("sum(quantlab_artifacts{SEL})", "files")),
        series("Disk", "Free bytes on the data folder's file system.", "bytes",
               prom("quantlab_data_free_bytes{SEL}")),
    ]
    return dashboard("quantlab-service", "Quantlab / Service",
                     "The coordinator: its queue, runs, calls and storage.",
                     prometheus_variables("quantlab_queue_depth"),
                     [("Overview", overview), ("Queue", queue), ("Runs", runs), ("Calls", calls),
                      ("Storage", storage), ("Process", process())])


def process():
    return [
        series("Processor time", "Processors that the process uses.", "none",
               prom("rate(process_cpu_seconds_total{SEL}[RATE])")),
        series("Memory", "Memory of the process that is in RAM.", "bytes",
               prom("process_resident_memory_bytes{SEL}")),
        series("Open files", "Open files and connections, as a share of their limit.", "percentunit",
               prom("process_open_fds{SEL} / process_max_fds{SEL}")),
    ]


# ---- Workers ---------------------------------------------------------------------------------------------------------


def by_instance(metric, function="max"):
    return prom(f"{function} by (instance) ({metric}{{SEL}})", instant=True)


def workers():
    columns = [("Value #A", "Connected"), ("Value #B", "Accepts runs"), ("Value #C", "Attempts"),
               ("Value #D", "Faults in a row"), ("Value #E", "Undelivered"), ("Value #F", "Free disk")]
    overview = [
        table("Workers", "Each worker that Prometheus scrapes: whether the coordinator answers it, whether its disk has "
              "space for a run, what it executes, and what it has not delivered yet.",
              [by_instance("quantlab_worker_connected"), by_instance("quantlab_worker_accepts_runs"),
               by_instance("quantlab_worker_attempts", "sum"), by_instance("quantlab_worker_faults_in_a_row"),
               by_instance("quantlab_worker_spool_backlog_bytes"), by_instance("quantlab_worker_data_free_bytes")],
              units=[("Undelivered", "bytes"), ("Free disk", "bytes")],
              transformations=[{"id": "merge", "options": {}},
                               {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {},
                                                              "renameByName": {"instance": "Worker", **dict(columns)}}}]),
        panel("state-timeline", "State", "Attempts of each worker, by phase: preparing, running, delivering.", "none",
              prom("sum by (instance, phase) (quantlab_worker_attempts{SEL})", "{{instance}} {{phase}}"), width=24,
              options={"mergeValues": True, "showValue": "never", "rowHeight": 0.8},
              defaults={"min": 0, "max": 1, "color": {"mode": "continuous-BlPu"}}),
    ]
    devices = [
        series("Attempts by device", "Attempts whose runner runs, by the device that they use.", "none",
               prom("sum by (instance, device) (quantlab_worker_device_attempts{SEL})", "{{instance}} {{device}}")),
        series("Processors", "Share of a worker's processors that its runners use.", "percentunit",
               prom("rate(quantlab_worker_runner_cpu_seconds_total{SEL}[RATE]) / quantlab_worker_processors{SEL}")),
        series("Memory of runners", "Memory of the running runners that is in RAM.", "bytes",
               prom("quantlab_worker_runner_resident_bytes{SEL}")),
        series("GPU temperature", "Of each GPU that reports it.", "celsius",
               prom("quantlab_worker_gpu_temperature_celsius{SEL}", "{{instance}} GPU {{gpu}}"), width=6, minimum=None),
        series("GPU use", "Part of the last moment in which the GPU executed anything.", "percentunit",
               prom("quantlab_worker_gpu_utilization_ratio{SEL}", "{{instance}} GPU {{gpu}}"), width=6),
        series("GPU memory", "Share of the memory that any process of the machine uses.", "percentunit",
               prom("quantlab_worker_gpu_memory_used_bytes{SEL} / quantlab_worker_gpu_memory_size_bytes{SEL}",
                    "{{instance}} GPU {{gpu}}"), width=6),
        series("GPU power", "Power that the GPU draws.", "watt",
               prom("quantlab_worker_gpu_power_watts{SEL}", "{{instance}} GPU {{gpu}}"), width=6),
    ]
    history = [
        series("Ended attempts", "Attempts that ended in each interval, by how.", "none",
               prom("sum by (outcome) (increase(quantlab_worker_attempts_ended_total{SEL}[RATE]))", "{{outcome}}"),
               stack=True),
        series("Duration of attempts on workers", "From the assignment until the runner had ended.", "s",
               quantiles("quantlab_worker_attempt_duration_seconds")),
        series("Faults in a row", "Attempts in a row that ended by a fault of the worker, which is held back meanwhile.",
               "none", prom("quantlab_worker_faults_in_a_row{SEL}")),
    ]
    delivery = [
        series("Undelivered events", "Bytes of events that the coordinator has not acknowledged.", "bytes",
               prom("quantlab_worker_spool_backlog_bytes{SEL}")),
        series("Disconnections", "Times that the coordinator stopped answering, in each interval.", "none",
               prom("sum by (instance) (increase(quantlab_worker_disconnections_total{SEL}[RATE]))")),
        series("Cache", "Artifact cache of a worker, as a share of its limit.", "percentunit",
               prom("quantlab_worker_cache_bytes{SEL} / (quantlab_worker_cache_limit_bytes{SEL} > 0)")),
    ]
    return dashboard("quantlab-workers", "Quantlab / Workers",
                     "Each worker's state, the use of its devices, its GPUs, and its history.",
                     prometheus_variables("quantlab_worker_connected"),
                     [("Overview", overview), ("Devices", devices), ("History", history), ("Delivery", delivery),
                      ("Process", process())])


# ---- Experiment ------------------------------------------------------------------------------------------------------

ID = "${experiment:percentencode}"


def bars(title, description, unit, query, width=12, interval=False):
    """A metric of each variant, with its interval where `interval`."""
    columns = [("label", "Variant", "string"), ("value", "Estimate", "number")]
    if interval:
        columns += [("low", "Lower end", "number"), ("high", "Upper end", "number")]
    return panel("barchart", title, description, unit,
                 infinity(f"/api/v1/experiments/{ID}/metrics?{query}&final=1", columns), width,
                 options={"xField": "Variant", "orientation": "horizontal", "showValue": "auto",
                          "legend": {"displayMode": "list", "placement": "bottom"}})


def curve(title, description, unit, query):
    return series(title, description, unit,
                  infinity(f"/api/v1/experiments/{ID}/metrics?{query}",
                           [("time", "Time", "timestamp_epoch"), ("run", "Run", "string"),
                            ("value", "Value", "number")], "timeseries"), width=12, minimum=None)


def experiment():
    quality = [
        bars("Accuracy", "On the test split, with a Wilson 95 % interval.", "percentunit", "name=accuracy&split=test",
             interval=True),
        bars("Accuracy difference", "Accuracy minus that of the baseline on the same texts, with a paired 95 % interval.",
             "percentunit", "name=accuracy_difference&split=test", interval=True),
    ]
    cost = [
        bars("Speedup", "Time of the best FP32 path over the variant's, by batch size and sequence length, with a 95 % "
             "interval from one process to another.", "none", "name=speedup", interval=True),
        bars("Inference time", "Median time of one forward pass of a batch, with its 95 % interval.", "s",
             "name=inference_time&quantile=p50", interval=True),
        bars("Model size", "Bytes of the saved model that can be loaded again.", "bytes", "name=model_size&part=model"),
        bars("Memory", "The most that was resident in a fresh process, over one forward pass.", "bytes",
             "name=memory_usage&kind=peak"),
    ]
    training = [
        curve("Training loss", "Of each training step, by run; grows while the run runs.", "none", "name=train_loss"),
        curve("Learning rate", "Of each training step, by run.", "none", "name=learning_rate"),
    ]
    runs = [
        table("Runs", "The runs of the experiment.",
              infinity(f"/api/v1/experiments/{ID}/runs",
                       [("run", "Run", "string"), ("variant", "Variant", "string"), ("method", "Method", "string"),
                        ("device", "Device", "string"), ("state", "State", "string"),
                        ("attempts", "Attempts", "number"), ("reused", "Reused", "boolean"),
                        ("start_time", "Start", "timestamp_epoch"), ("duration", "Duration", "number"),
                        ("message", "Message", "string")]), units=[("Duration", "s")]),
    ]
    return dashboard("quantlab-experiment", "Quantlab / Experiment",
                     "One experiment: accuracy, size, speed and memory of its variants, and its training curves.",
                     [datasource_variable(INFINITY_TYPE), experiment_variable()],
                     [("Runs", runs), ("Quality", quality), ("Cost", cost), ("Training", training)],
                     span="now-24h", refresh="1m")


def dashboards():
    """File name -> text."""
    return {f"{name}.json": json.dumps(made(), indent=1, ensure_ascii=False) + "\n"
            for name, made in (("service", service), ("workers", workers), ("experiment", experiment))}


if __name__ == "__main__":
    for file_name, text in dashboards().items():
        (FOLDER / file_name).write_text(text, encoding="utf-8")
