"""Holds docs/en/monitoring.md and its Chinese twin to the metrics in the code: names, types and labels."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = (ROOT / "docs/en/monitoring.md", ROOT / "docs/zh/监控.md")
# The sources that define metrics, in the order of the documents' sections.
SOURCES = ("server/service/metrics.cc", "worker/agent/program/worker_metrics.cc", "monitoring/process_usage.cc")
ROW = re.compile(r"^\| `(\w+)` \| (gauge|counter|histogram) \| ([^|]*)\|", re.MULTILINE)


def documented(path):
    """One {name: (type, {labels})} for each section that lists metrics."""
    sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tables = []
    for section in sections:
        rows = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(section)}
        if rows:
            tables.append(rows)
    return tables


def defined(source):
    """{name: type} of the metrics that a source defines."""
    text = (ROOT / source).read_text(encoding="utf-8")
    metrics = {name: kind.lower() for kind, name in
               re.findall(r'New(Gauge|Counter|Histogram)\(\s*"(\w+)"', text)}
    for name, rest in re.findall(r'Family\("(\w+)",([^;]*?)(?=Family\(|;)', text):
        metrics[name] = "counter" if "MetricType::Counter" in rest else "gauge"
    return metrics


class MonitoringTest(unittest.TestCase):
    def test_every_metric_is_documented_in_both_languages_and_no_other(self):
        for path in DOCUMENTS:
            tables = documented(path)
            self.assertEqual(len(tables), len(SOURCES), path.name)
            for source, table in zip(SOURCES, tables):
                code = defined(source)
                self.assertGreater(len(code), 5, source)
                self.assertEqual({name: kind for name, (kind, _) in table.items()}, code, f"{path.name}, {source}")

    def test_both_languages_have_the_same_labels_and_order(self):
        english, chinese = (documented(path) for path in DOCUMENTS)
        self.assertEqual(english, chinese)
        self.assertEqual([list(table) for table in english], [list(table) for table in chinese])

    def test_names_follow_the_conventions(self):
        for source in SOURCES:
            for name, kind in defined(source).items():
                self.assertEqual(kind == "counter", name.endswith("_total"), name)
                self.assertRegex(name, r"^(quantlab|process)_[a-z_]+$")
                self.assertNotRegex(name, r"_(ms|milliseconds|kb|mb|percent|minutes)(_|$)", name)

    def test_alerts_are_documented_with_their_severity_in_the_order_of_the_rules(self):
        rules = (ROOT / "deploy/prometheus/quantlab.rules.yml").read_text(encoding="utf-8")
        alerts = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", rules, flags=re.DOTALL)
        self.assertGreater(len(alerts), 10)
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            self.assertEqual(re.findall(r"^\| `(Quantlab\w+)` \| (\w+) \|", text, flags=re.MULTILINE), alerts, path.name)

    def test_queries_use_metrics_that_are_served(self):
        served = {name for source in SOURCES for name in defined(source)}
        for path in DOCUMENTS:
            queries = [line for line in path.read_text(encoding="utf-8").splitlines() if "rate(" in line]
            self.assertGreater(len(queries), 2)
            for name in re.findall(r"\b(?:quantlab|process)_\w+", "\n".join(queries)):
                self.assertIn(re.sub(r"_bucket$", "", name), served)


if __name__ == "__main__":
    unittest.main()
