"""Exercises deploy/grafana: the dashboards are those that their script makes and keep to the rules of Grafana's
dashboard-linter, and each query returns data from a real Prometheus and a real coordinator, which runs an experiment."""

import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds
from deploy.processes import until

GRAFANA = worlds.ROOT / "deploy/grafana"
PROMETHEUS = worlds.ROOT / "deploy/prometheus"
# Grafana's names of units that the dashboards may use.
UNITS = {"none", "percentunit", "s", "bytes", "Bps", "reqps", "cps", "celsius", "watt"}
COUNTER = re.compile(r"\b\w+_(?:total|bucket|sum|count)\b(?=\{)")


def load_script():
    spec = importlib.util.spec_from_file_location("make_dashboards", GRAFANA / "make_dashboards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dashboards():
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def prometheus_targets():
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                if "expr" in target:
                    yield f"{name}: {panel['title']}", target["expr"]


class DashboardTest(unittest.TestCase):
    def test_the_files_are_what_the_script_writes(self):
        made = load_script().dashboards()
        self.assertEqual({f"{name}.json" for name in dashboards()}, set(made))
        for name, text in made.items():
            self.assertEqual((GRAFANA / "dashboards" / name).read_text(encoding="utf-8"), text,
                             f"run deploy/grafana/make_dashboards.py: {name}")

    def test_dashboards_are_told_apart(self):
        found = dashboards()
        self.assertGreaterEqual(len(found), 3)
        for key in ("uid", "title"):
            self.assertEqual(len({dashboard[key] for dashboard in found.values()}), len(found), key)
        for name, dashboard in found.items():
            self.assertFalse(dashboard["editable"], name)  # uneditable-dashboard-rule
            self.assertTrue(dashboard["description"], name)

    def test_panels_have_title_description_unit_and_queries(self):
        for name, dashboard in dashboards().items():
            titles = [panel["title"] for panel in panels(dashboard)]
            self.assertEqual(len(titles), len(set(titles)), f"{name}: a title occurs twice")
            for panel in panels(dashboard):
                where = f"{name}: {panel['title']}"
                self.assertTrue(panel["title"] and panel["description"], where)
                self.assertIn(panel["fieldConfig"]["defaults"].get("unit"), UNITS, where)
                self.assertTrue(panel["targets"], where)
                # panel-datasource-rule: the variable, and one source for all queries of a panel.
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], panel["datasource"], where)
                    self.assertEqual(target["datasource"]["uid"], "${datasource}", where)
                self.assertEqual(len({target["refId"] for target in panel["targets"]}), len(panel["targets"]), where)

    def test_panels_neither_overlap_nor_share_a_query_or_an_id(self):
        for name, dashboard in dashboards().items():
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            queries = [target.get("expr") or target["url"] for panel in panels(dashboard)
                       for target in panel["targets"]]
            self.assertEqual(len(queries), len(set(queries)), f"{name}: a query occurs twice")
            taken = set()
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, f"{name}: {panel['title']} overlaps another panel")
                taken |= cells

    def test_variables_choose_data_source_job_and_instance(self):
        for name in ("service", "workers"):
            variables = {variable["name"]: variable for variable in dashboards()[name]["templating"]["list"]}
            self.assertEqual(list(variables), ["datasource", "job", "instance"], name)
            self.assertEqual((variables["datasource"]["type"], variables["datasource"]["query"]),
                             ("datasource", "prometheus"))
            for label in ("job", "instance"):
                variable = variables[label]
                self.assertEqual((variable["type"], variable["multi"], variable["includeAll"], variable["allValue"],
                                  variable["refresh"], variable["label"], variable["datasource"]["uid"]),
                                 ("query", True, True, ".+", 2, label, "${datasource}"), name)
                self.assertRegex(variable["query"]["query"], rf"^label_values\(quantlab_\w+.*, {label}\)$")

    def test_queries_select_by_job_and_instance_and_rate_counters(self):
        found = list(prometheus_targets())
        self.assertGreater(len(found), 40)
        for where, expression in found:
            for selector in re.findall(r"\{([^}]*)\}", expression):
                self.assertIn('job=~"$job", instance=~"$instance"', selector, where)
            # target-rate-interval-rule, and no function of ranges with a fixed range.
            for interval in re.findall(r"\[([^\]]*)\]", expression):
                self.assertEqual(interval, "$__rate_interval", where)
            for counter in COUNTER.finditer(expression):  # target-counter-agg-rule
                before = expression[:counter.start()]
                self.assertRegex(before, r"(?:rate|increase)\($", f"{where}: {counter.group()}")

    def test_every_metric_of_the_documents_is_on_a_dashboard_and_no_other(self):
        documented = set(re.findall(r"^\| `((?:quantlab|process)_\w+)` \|",
                                    (worlds.ROOT / "docs/en/monitoring.md").read_text(encoding="utf-8"),
                                    flags=re.MULTILINE))
        shown = set()
        for _, expression in prometheus_targets():
            for name in re.findall(r"\b(?:quantlab|process)_\w+", expression):
                shown.add(re.sub(r"_(?:bucket|sum|count)$", "", name))
        self.assertEqual(shown - documented, set())
        # Constant, or beside a metric that says the same better.
        self.assertEqual(documented - shown,
                         {"quantlab_build_info", "process_virtual_memory_bytes", "process_threads",
                          "process_start_time_seconds", "quantlab_worker_spool_bytes",
                          "quantlab_worker_spool_backlog_events", "quantlab_worker_cache_files",
                          "quantlab_worker_data_size_bytes"})


class ProvisioningTest(unittest.TestCase):
    def test_data_sources_are_those_of_the_dashboards_on_loopback(self):
        text = (GRAFANA / "provisioning/datasources/quantlab.yaml").read_text(encoding="utf-8")
        types = {variable["query"] for dashboard in dashboards().values()
                 for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"}
        self.assertEqual(set(re.findall(r"^    type: (\S+)$", text, flags=re.MULTILINE)), types)
        for url in re.findall(r"http://[^\s\"\]]+", text):
            self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
        interval = re.search(r"scrape_interval: (\w+)", (PROMETHEUS / "prometheus.yml").read_text())[1]
        self.assertIn(f"timeInterval: {interval}\n", text)

    def test_no_secret_is_in_the_files(self):
        for path in GRAFANA.rglob("*.yaml"):
            for value in re.findall(r"(?:[Tt]oken|[Pp]assword): *(\S+)", path.read_text(encoding="utf-8")):
                self.assertTrue(value.startswith("$"), f"{path.name}: {value}")


# ---- against real programs -------------------------------------------------------------------------------------------

# Offers a GPU that is not there, whose readings worker/agent/program/nvml_testing.cc gives; runs use the CPU.
RUNNER = """#!/bin/sh
if [ "$1" = info ]; then
  "{runner}" "$@" | sed 's/"devices" *: *\\[/&"cuda",/'
else
  exec "{runner}" "$@"
fi
"""


def get(url, **parameters):
    query = "?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
    try:
        with urllib.request.urlopen(url + query, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url + query}: {error.read().decode()[:300]}") from error


class LiveTest(unittest.TestCase):
    """One coordinator, one worker, one Prometheus; an experiment runs to its end, then everything is queried."""

    @classmethod
    def setUpClass(cls):
        programs = [worlds.BIN / name for name in ("quant-coordinator", "quant-worker", "quant-runner", "quantctl")]
        missing = [path.name for path in programs if not path.exists()]
        if missing or shutil.which("prometheus") is None:
            raise unittest.SkipTest(f"missing: {', '.join(missing) or 'prometheus'}")
        cls.world = worlds.World()
        cls.addClassCleanup(cls.world.close)
        cls.folder = cls.world.folder
        cls.coordinator, cls.pages = f"127.0.0.1:{worlds.free_port()}", f"127.0.0.1:{worlds.free_port()}"
        cls.worker_metrics, cls.prometheus = f"127.0.0.1:{worlds.free_port()}", f"127.0.0.1:{worlds.free_port()}"
        cls.start_services()
        cls.start_prometheus()
        cls.run_experiment()

    @classmethod
    def start(cls, *words, **environment):
        log = open(cls.folder / "log.txt", "ab")
        cls.addClassCleanup(log.close)
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd=cls.folder,
                                   env={**cls.world.environment(), **environment})
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return process

    @classmethod
    def start_services(cls):
        cls.start(worlds.BIN / "quant-coordinator", "--data-dir", cls.folder / "coordinator", "--listen",
                  cls.coordinator, "--metrics-listen", cls.pages, "--catalog", worlds.ROOT / "configs/catalog.yaml")
        runner = cls.folder / "runner"
        runner.write_text(RUNNER.format(runner=worlds.BIN / "quant-runner"))
        runner.chmod(0o755)
        gpu = {}
        fake = next((path for path in (worlds.BIN.parent / "worker").rglob("libquantlab_fake_nvml.so")), None)
        cls.has_gpu = fake is not None
        if cls.has_gpu:
            (cls.folder / "libnvidia-ml.so.1").symlink_to(fake)
            gpu = {"LD_LIBRARY_PATH": str(cls.folder)}
        cls.start(worlds.BIN / "quant-worker", "--coordinator", cls.coordinator, "--data-dir", cls.folder / "worker",
                  "--runner", runner, "--metrics-listen", cls.worker_metrics, **gpu)

    @classmethod
    def start_prometheus(cls):
        configuration = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
        for old, new in (("127.0.0.1:9464", cls.pages), ("127.0.0.1:9465", cls.worker_metrics), (": 15s", ": 1s"),
                         ("quantlab.rules.yml", str(PROMETHEUS / "quantlab.rules.yml"))):
            assert old in configuration, old
            configuration = configuration.replace(old, new)
        (cls.folder / "prometheus.yml").write_text(configuration)
        cls.start("prometheus", f"--config.file={cls.folder}/prometheus.yml",
                  f"--storage.tsdb.path={cls.folder}/tsdb", f"--web.listen-address={cls.prometheus}")
        # A rate needs a sample from before the change.
        until(cls.first_values_are_scraped, "the first values in Prometheus")

    @classmethod
    def run_experiment(cls):
        until(lambda: cls.world.quantctl("--coordinator", cls.coordinator, "list").returncode == 0, "the coordinator")
        run = cls.world.quantctl("--coordinator", cls.coordinator, "run", cls.world.experiment, timeout=900)
        assert run.returncode == 0, run.stdout + run.stderr + (cls.folder / "log.txt").read_text()[-3000:]
        until(cls.everything_is_scraped, "the last values in Prometheus")
        cls.id = get(f"http://{cls.pages}/api/v1/experiments")[0]["id"]

    @classmethod
    def first_values_are_scraped(cls):
        def is_scraped(name):
            try:
                return get(f"http://{cls.prometheus}/api/v1/query", query=name)["data"]["result"]
            except (AssertionError, OSError):  # Prometheus starts
                return False

        return is_scraped("quantlab_queue_wait_seconds_count") and is_scraped("quantlab_worker_attempts_ended_total")

    @classmethod
    def everything_is_scraped(cls):
        answer = get(f"http://{cls.prometheus}/api/v1/query", query="sum(quantlab_worker_attempts_ended_total)")
        result = answer["data"]["result"]
        return result and float(result[0]["value"][1]) >= 3

    def value(self, expression):
        """The values of an instant query, without NaN."""
        for variable, content in (("$job", ".+"), ("$instance", ".+"), ("$__rate_interval", "15m")):
            expression = expression.replace(variable, content)
        result = get(f"http://{self.prometheus}/api/v1/query", query=expression)["data"]["result"]
        return [float(series["value"][1]) for series in result if series["value"][1] != "NaN"]

    def test_every_query_of_prometheus_returns_data(self):
        def empty():
            return [f"{where}: {expression}" for where, expression in prometheus_targets()
                    if (self.has_gpu or "_gpu_" not in expression) and not self.value(expression)]

        # A rate needs two samples after the change.
        end = time.monotonic() + 60
        while (found := empty()) and time.monotonic() < end:
            time.sleep(1)
        self.assertEqual(found, [])

    def test_variables_offer_what_is_scraped(self):
        for name in ("service", "workers"):
            for variable in dashboards()[name]["templating"]["list"][1:]:
                selector, label = re.match(r"label_values\((.*), (\w+)\)$", variable["query"]["query"]).groups()
                values = get(f"http://{self.prometheus}/api/v1/label/{label}/values",
                             **{"match[]": selector.replace("$job", ".+")})["data"]
                self.assertEqual(len(values), 1, f"{name}: {variable['name']}")

    def test_dashboards_show_the_experiment_that_ran(self):
        self.assertEqual(self.value('sum(quantlab_runs_ended_total{state="succeeded"})'), [3])
        self.assertEqual(self.value('sum(quantlab_worker_attempts_ended_total{outcome="succeeded"})'), [3])
        self.assertEqual(self.value("sum(quantlab_queue_depth)"), [0])
        self.assertGreater(self.value("sum(quantlab_events_total)")[0], 10)
        # The store is counted at most once a minute.
        until(lambda: self.value("sum(quantlab_artifact_bytes)")[0] > 10_000, "the artifacts' bytes", seconds=120)
        self.assertGreater(self.value("sum(quantlab_worker_runner_cpu_seconds_total)")[0], 0)

    def test_rules_are_evaluated_without_errors(self):
        groups = get(f"http://{self.prometheus}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertGreater(len(rules), 20)
        until(lambda: all(rule["health"] != "unknown" for group in
                          get(f"http://{self.prometheus}/api/v1/rules")["data"]["groups"] for rule in group["rules"]),
              "every rule evaluated")
        for group in get(f"http://{self.prometheus}/api/v1/rules")["data"]["groups"]:
            for rule in group["rules"]:
                self.assertEqual(rule["health"], "ok", rule)

    def test_every_metric_is_documented_with_its_type_and_labels(self):
        text = (worlds.ROOT / "docs/en/monitoring.md").read_text(encoding="utf-8")
        documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in
                      re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \| ([^|]*)\|", text, flags=re.MULTILINE)}
        seen = set()
        for address in (self.pages, self.worker_metrics):
            served = urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()
            kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", served, flags=re.MULTILINE))
            for name, kind in kinds.items():
                self.assertIn(name, documented)
                self.assertEqual(kind, documented[name][0], name)
                for labels in re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", served, flags=re.MULTILINE):
                    self.assertEqual(set(re.findall(r'(\w+)="', labels)) - {"le"}, documented[name][1], name)
            seen |= set(kinds)
        self.assertEqual({name for name in set(documented) - seen if self.has_gpu or "_gpu_" not in name}, set())

    def infinity_rows(self, target):
        """What the query gives, as Infinity's backend parser reads it with an empty root."""
        self.assertEqual((target["type"], target["source"], target["parser"], target["root_selector"]),
                         ("json", "url", "backend", ""))
        page = target["url"].replace("${experiment:percentencode}", urllib.parse.quote(self.id))
        self.assertNotIn("$", page)
        rows = get(f"http://{self.pages}{page}")
        kinds = {"string": str, "number": (int, float), "timestamp_epoch": int, "boolean": bool}
        for row in rows:
            for column in target["columns"]:
                value = row[column["selector"]]
                if value is not None:
                    self.assertIsInstance(value, kinds[column["type"]], f"{page}: {column}")
        return rows

    def test_every_query_of_the_experiment_returns_data(self):
        for panel in panels(dashboards()["experiment"]):
            for target in panel["targets"]:
                rows = self.infinity_rows(target)
                self.assertTrue(rows, panel["title"])
                last = target["columns"][-1]["selector"]
                if last != "message":  # of a run, empty while all is well
                    self.assertTrue(any(row[last] is not None for row in rows), f"{panel['title']}: no {last}")
        variable = dashboards()["experiment"]["templating"]["list"][1]
        rows = self.infinity_rows(variable["query"]["infinityQuery"])
        self.assertIn(self.id, [row["id"] for row in rows])

    def test_curves_have_a_point_for_each_step(self):
        rows = get(f"http://{self.pages}/api/v1/experiments/{self.id}/metrics", name="train_loss")
        steps = [row["step"] for row in rows]
        self.assertGreater(len(steps), 10)
        self.assertEqual(steps, sorted(steps))


if __name__ == "__main__":
    unittest.main()
