#!/usr/bin/env python3
"""Takes pairs of texts, and numbers as labels, through training, every method and the comparison, on a tiny model.

Needs nothing but Python's standard library; QUANTLAB_BIN names the folder of the programs.
"""
import csv
import json
import math
import random
import re
import shutil
import subprocess
import unittest

from runner_test import RUNNER, WORDS, AttemptTest, make_family

GOOD, BAD, REST = WORDS[:3], WORDS[3:6], WORDS[6:]


def phrase(rng, mood, words=5):
    chosen = [mood] + [rng.choice(REST) for _ in range(rng.randrange(1, words))]
    rng.shuffle(chosen)
    return " ".join(chosen)


def write_pairs(path, count=130):
    """Rows with the columns of RTE and STS-B. The mood of the second text is the class, and most of the number."""
    rng = random.Random(9)
    rows, seen = ["sentence1\tsentence2\tlabel\tscore"], set()
    while len(seen) < count:
        good = len(seen) % 2 == 1
        texts = phrase(rng, rng.choice(GOOD + BAD)), phrase(rng, rng.choice(GOOD if good else BAD))
        if texts in seen:
            continue
        seen.add(texts)
        rows.append("\t".join([*texts, "yes" if good else "no", f"{4 * good + rng.random():.3f}"]))
    path.write_text("\n".join(rows) + "\n")


def methods():
    """Every method with its version."""
    info = subprocess.run([RUNNER, "info"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"^  (\w+) \(version (\d+)\)", info, re.MULTILINE)


def pearson(x, y):
    n, mean_x, mean_y = len(x), sum(x) / len(x), sum(y) / len(y)
    cross = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return cross / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)) if n else 0


class TaskTest(AttemptTest):
    task = "classification"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.root / "data" / "reviews.csv").unlink()
        write_pairs(cls.root / "data" / "pairs.tsv")

    @classmethod
    def job(cls, kind, name):
        job = super().job(kind, name)
        dataset = job["config"]["dataset"]
        dataset.update(format="tsv", validationSize="20", trainSize="70", testSize="40", maxLength=20)
        if cls.task != "classification":
            dataset.update(task=cls.task, labelColumn="score")
            job["config"]["training"]["epochs"] = 40
        job["config"]["evaluation"]["nonInferiorityMargin"] = 0.05
        return job

    def quantize(self, method, version):
        job = self.job("quantization", method)
        job["config"]["method"] = {"name": method, "version": int(version), "params": {}}
        job["config"]["variant"] = job["config"]["runName"] = method
        code, events = self.run_job(job)
        self.assertEqual(code, 0, (method, events[-1]))
        return events

    def compare(self, variants):
        job = self.job("comparison", "comparison")
        job["inputs"] = job["inputs"][:1] + [{"run": name, "variant": name, "method": name,
                                              "folder": str(self.root / name / "model")} for name in variants]
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        return events

    def predictions(self, run):
        with open(self.root / run / "predictions.csv", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def lines(self, rows):
        """The texts of rows of predictions.csv, as quant-runner predict takes them."""
        texts = (self.root / "data" / "pairs.tsv").read_text().splitlines()[1:]
        return "".join("\t".join(texts[int(row["row"])].split("\t")[:2]) + "\n" for row in rows)

    def predict(self, run, lines, *options):
        return subprocess.run([RUNNER, "predict", "--model", str(self.root / run / "model"), "--max-length", "20",
                               "--threads", "1", *options], input=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)


class PairsTest(TaskTest):
    def test_pairs_go_through_every_method_and_the_comparison(self):
        baseline = self.attempt("baseline")
        self.assertGreater(self.find(baseline, "accuracy", split="test")["value"], 0.8, "a text alone tells nothing")
        for method, version in methods():
            if method == "fp8_quantization":
                continue  # has a test of its own where the CPU computes it
            events = self.quantize(method, version)
            self.assertGreater(self.find(events, "agreement")["value"], 0.7, method)
        done = [method for method, _ in methods() if method != "fp8_quantization"]
        events = self.compare(done)
        for name in done:
            self.find(events, "mcnemar_p_holm", variant=name)

        # The saved models read pairs, and compute what was measured.
        for run in ("baseline", "dynamic_quantization", "static_quantization"):
            self.assertTrue(json.loads((self.root / run / "model" / "config.json").read_text())["text_pairs"])
            rows = self.predictions(run)
            out = self.predict(run, self.lines(rows))
            self.assertEqual(out.returncode, 0, out.stderr)
            for row, line in zip(rows, out.stdout.splitlines()):
                for name, logit in zip(("logit_no", "logit_yes"), json.loads(line)):
                    self.assertAlmostEqual(float(row[name]), logit, delta=2e-3, msg=(run, row))

        # A line without a second text is an error that names it, not half a pair.
        out = self.predict("baseline", "good film\tbad film\ngood film\n")
        self.assertNotEqual(out.returncode, 0)
        self.assertIn("line 2 is not a pair", out.stderr)

    def test_a_model_of_pairs_refuses_single_texts(self):
        self.attempt("baseline", "pairs")
        job = self.job("baseline", "single")
        job["modelFolder"] = str(self.root / "pairs" / "model")
        job["config"]["training"]["enabled"] = False
        # Pairs with one first text are duplicates without the second.
        job["config"]["dataset"].update(textColumn="sentence1", trainSize="20", validationSize="5", testSize="10")
        code, events = self.run_job(job)
        self.assertNotEqual(code, 0)
        self.assertIn("was fine-tuned on pairs of texts", events[-1]["finished"]["message"])

    def test_a_baseline_of_single_texts_is_not_compared_with_pairs(self):
        self.attempt("baseline", "earlier")
        config = self.root / "earlier" / "model" / "config.json"
        model = json.loads(config.read_text())
        del model["text_pairs"]  # as an earlier version leaves it, which read one text of each
        config.write_text(json.dumps(model))
        job = self.job("quantization", "dynamic")
        job["inputs"][0]["folder"] = str(config.parent)
        job["config"]["method"] = {"name": "dynamic_quantization", "version": 1, "params": {}}
        code, events = self.run_job(job)
        self.assertNotEqual(code, 0)
        self.assertIn("their workers have different versions", events[-1]["finished"]["message"])

    def test_a_column_that_is_missing_is_named(self):
        job = self.job("baseline", "missing")
        job["config"]["dataset"].update(textColumn="sentence1", textPairColumn="sentence3")
        code, events = self.run_job(job)
        self.assertNotEqual(code, 0)
        self.assertIn("Set text_pair_column", events[-1]["finished"]["message"])

    def test_tokens_of_pairs_have_types(self):
        out = subprocess.run([RUNNER, "tokenize", "--pairs", "--model", str(self.root / "encoder")],
                             input="good film\tbad\n", stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual(json.loads(out), {"ids": [2, 5, 11, 3, 8, 3], "token_types": [0, 0, 0, 0, 1, 1]})


class FamiliesOfPairsTest(TaskTest):
    def test_a_family_without_token_types_reads_pairs(self):
        shutil.rmtree(self.root / "encoder")
        make_family(self.root / "encoder", "distilbert")
        events = self.attempt("baseline")
        self.assertGreater(self.find(events, "accuracy", split="test")["value"], 0.6)


class RegressionTest(TaskTest):
    task = "regression"

    def test_a_regression_goes_through_every_method_and_the_comparison(self):
        baseline = self.attempt("baseline")
        quality = self.find(baseline, "pearson", split="test")
        rows = self.predictions("baseline")
        labels, outputs = ([float(row[name]) for row in rows] for name in ("label", "predicted"))
        self.assertAlmostEqual(quality["value"], pearson(labels, outputs), places=5)
        self.assertLess(quality["low"], quality["value"])
        self.assertGreater(quality["value"], 0.6)
        error = sum((a - b) ** 2 for a, b in zip(labels, outputs)) / len(rows)
        self.assertAlmostEqual(self.find(baseline, "mean_squared_error", split="test")["value"], error, places=4)
        self.find(baseline, "spearman", split="test")
        self.check_groups(baseline, sorted(zip(labels, outputs)))
        names = {metric["name"] for metric in self.metrics(baseline)}
        self.assertFalse(names & {"accuracy", "f1_score", "class_rows", "mcc"}, names)
        config = json.loads((self.root / "baseline" / "model" / "config.json").read_text())
        self.assertEqual((config["problem_type"], config["id2label"]), ("regression", {"0": "LABEL_0"}))

        done = []
        for method, version in methods():
            if method == "fp8_quantization":
                continue
            events = self.quantize(method, version)
            difference = self.find(events, "pearson_difference")
            self.assertLessEqual(difference["low"], difference["high"], method)
            self.find(events, "bootstrap_p_value")
            self.find(events, "non_inferiority_p_value", margin="0.05")
            self.find(events, "output_shift")
            self.assertLess(abs(difference["value"]), 0.3, method)
            done.append(method)
        events = self.compare(done)
        for name in done:
            self.find(events, "bootstrap_p_holm", variant=name)
            self.find(events, "non_inferiority_p_holm", variant=name)
        self.find(events, "pearson_difference", variant=done[1], against=done[0])

        out = self.predict("static_quantization", self.lines(self.predictions("static_quantization")))
        for row, line in zip(self.predictions("static_quantization"), out.stdout.splitlines()):
            self.assertAlmostEqual(float(row["predicted"]), json.loads(line)[0], delta=2e-3)

    def check_groups(self, events, pairs):
        """The labels of this dataset differ, so the groups of its 40 test examples are eight of five."""
        found = [metric for metric in self.metrics(events) if metric["name"] == "prediction_by_label"]
        self.assertEqual(len(found), 4 * 8)
        for metric in found:
            group = pairs[5 * (int(metric["labels"]["group"]) - 1):][:5]
            outputs = sorted(output for _, output in group)
            expected = {"label": sum(label for label, _ in group) / 5, "median": outputs[2],
                        "p10": outputs[0] + 0.4 * (outputs[1] - outputs[0]),
                        "p90": outputs[3] + 0.6 * (outputs[4] - outputs[3])}
            self.assertAlmostEqual(metric["value"], expected[metric["labels"]["measure"]], places=4)
            self.assertEqual(int(metric["samples"]), 5)

    def test_a_label_that_is_no_number_is_named_with_its_line(self):
        job = self.job("baseline", "words")
        job["config"]["dataset"]["labelColumn"] = "label"
        code, events = self.run_job(job)
        self.assertNotEqual(code, 0)
        self.assertRegex(events[-1]["finished"]["message"], r'pairs.tsv:2: the label "\w+" is not a number')

    def test_a_classifier_is_refused_unless_it_is_trained(self):
        job = self.job("baseline", "classifier")
        job["config"]["dataset"].update(task="classification", labelColumn="label")
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        job = self.job("baseline", "refused")
        job["modelFolder"] = str(self.root / "classifier" / "model")
        job["config"]["training"]["enabled"] = False
        code, events = self.run_job(job)
        self.assertNotEqual(code, 0)
        self.assertIn("was fine-tuned for classification", events[-1]["finished"]["message"])


if __name__ == "__main__":
    unittest.main()
