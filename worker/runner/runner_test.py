"""Runs quant-runner as an agent and as people do, on a tiny model and a tiny dataset made here.

Needs nothing but Python's standard library; QUANTLAB_BIN names the folder of the program.
"""
import csv
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

RUNNER = str(pathlib.Path(os.environ["QUANTLAB_BIN"]) / "quant-runner")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEXTS = ROOT / "runtimes/built_in_texts.txt"  # that runtimes are compared on
# A program of the runtime protocol for the saved models themselves.
OWN_RUNTIME = """#!/usr/bin/env python3
import json, sys, time
known, models, passes = json.load(open("{known}")), [], 0
for line in sys.stdin:
    request = json.loads(line)
    answer, what = {{"id": request["id"]}}, request["do"]
    if what == "hello":
        answer.update(protocol=1, title="Own", version="7.1", versions={{"own": "7.1"}}, formats=["folder"])
    elif what == "load":
        answer["model"] = len(models)
        models.append(known[request["folder"]])
    elif what == "run":
        answer["logits"] = [models[request["model"]][json.dumps(text)] for text in request["batch"]]
    elif what == "measure":
        passes += 1
        if passes == {dies_at}:
            sys.exit("out of luck")
        begin = time.perf_counter()
        sum(range(20000 * (request["model"] + 1)))
        answer["seconds"] = [time.perf_counter() - begin]
    print(json.dumps(answer), flush=True)
    if what == "quit":
        break
"""
WORDS = ["good", "fine", "great", "bad", "poor", "dull", "film", "plot", "the", "a", "was", "is"]
CONFIG = {"model_type": "bert", "vocab_size": 17, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 24, "max_position_embeddings": 24, "type_vocab_size": 2, "hidden_act": "gelu",
          "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in sorted(tensors.items()):
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def encoder_tensors(rng):
    hidden, wide = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    tensors = {}

    def add(name, *shape):
        count = 1
        for n in shape:
            count *= n
        values = [1.0] * count if name.endswith("LayerNorm.weight") else [rng.gauss(0, 0.2) for _ in range(count)]
        tensors[name] = (list(shape), values)

    def linear(name, out, inner):
        add(name + ".weight", out, inner)
        add(name + ".bias", out)

    for name, rows in (("word", CONFIG["vocab_size"]), ("position", 24), ("token_type", 2)):
        add(f"embeddings.{name}_embeddings.weight", rows, hidden)
    norms = ["embeddings"]
    for i in range(CONFIG["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        linear(f"{layer}.intermediate.dense", wide, hidden)
        linear(f"{layer}.output.dense", hidden, wide)
        norms += [f"{layer}.attention.output", f"{layer}.output"]
    linear("pooler.dense", hidden, hidden)
    for norm in norms:
        add(norm + ".LayerNorm.weight", hidden)
        add(norm + ".LayerNorm.bias", hidden)
    return tensors


# Endings of BERT's names, and what DistilBERT calls the same tensors.
DISTILBERT = {"encoder.layer": "transformer.layer", "attention.self.query": "attention.q_lin",
              "attention.self.key": "attention.k_lin", "attention.self.value": "attention.v_lin",
              "attention.output.dense": "attention.out_lin", "attention.output.LayerNorm": "sa_layer_norm",
              "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm"}


def make_family(folder, family):
    """A pre-trained encoder of another family than BERT, with the same vocabulary."""
    rng = random.Random(6)
    config, tensors = dict(CONFIG, model_type=family), encoder_tensors(rng)
    tensors = {name: value for name, value in tensors.items() if not name.startswith("pooler.")}
    if family == "distilbert":
        config = {"model_type": family, "vocab_size": 17, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
                  "max_position_embeddings": 24}
        del tensors["embeddings.token_type_embeddings.weight"]
        for old, new in DISTILBERT.items():
            tensors = {name.replace(old, new): value for name, value in tensors.items()}
    if family == "roberta":
        config.update(pad_token_id=0, max_position_embeddings=25)
        shape, values = tensors["embeddings.position_embeddings.weight"]
        tensors["embeddings.position_embeddings.weight"] = ([25, shape[1]], values + [0.1] * shape[1])
    if family == "electra":
        config["embedding_size"] = 8
        for name in ("word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
                     "LayerNorm.weight", "LayerNorm.bias"):
            shape, values = tensors["embeddings." + name]
            tensors["embeddings." + name] = (shape[:-1] + [8], values[:len(values) // 2])
        tensors["embeddings_project.weight"] = ([16, 8], [rng.gauss(0, 0.3) for _ in range(128)])
        tensors["embeddings_project.bias"] = ([16], [0.0] * 16)
    write_model(folder, config, {f"{family}.{name}": value for name, value in tensors.items()})


def write_model(folder, config, tensors):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS) + "\n")
    # Else each family would want the vocabulary of its own tokenizer.
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    write_safetensors(folder / "model.safetensors", tensors)


def make_assets(folder):
    rng = random.Random(5)
    write_model(folder / "encoder", CONFIG, encoder_tensors(rng))
    data = folder / "data"
    data.mkdir()
    rows = ["text,label"]
    for i in range(120):
        label = i % 2
        mood = WORDS[:3] if label else WORDS[3:6]
        words = [rng.choice(mood)] + [rng.choice(WORDS[6:]) for _ in range(rng.randrange(2, 14))]
        rng.shuffle(words)
        rows.append(f'"{" ".join(words)} {i}",{label}')
    (data / "reviews.csv").write_text("\n".join(rows) + "\n")


class AttemptTest(unittest.TestCase):
    """Attempts in a folder of their own."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="runner_test."))
        make_assets(cls.root)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    @classmethod
    def job(cls, kind, name):
        dataset = {"asset": {"name": "reviews"}, "format": "csv", "textColumn": "text", "labelColumn": "label",
                   "splitSeed": "3", "trainSize": "60", "testSize": "40", "maxLength": 16}
        job = {"version": 1, "attempt": "1", "outputFolder": str(cls.root / name),
               "datasetFolder": str(cls.root / "data"), "modelFolder": str(cls.root / "encoder"),
               "config": {"experimentId": "e", "runName": kind, "variant": kind, "seed": "42", "device": "cpu",
                          "kind": "RUN_KIND_" + kind.upper(), "threads": 1, "dataset": dataset,
                          "training": {"enabled": True, "epochs": 8, "batchSize": 8, "learningRate": 5e-3,
                                       "weightDecay": 0.01, "warmupRatio": 0.1, "maxGradNorm": 1, "adamBeta1": 0.9,
                                       "adamBeta2": 0.999, "adamEpsilon": 1e-8, "dropout": True, "dtype": "fp32"},
                          "method": {}, "evaluation": {"batchSize": 16, "processes": 2, "latencyBatchSizes": [1, 2],
                                                       "latencySequenceLengths": [12, 7], "warmupIterations": 1,
                                                       "minSamples": 12, "minDurationSeconds": 0.02}}}
        inputs = [{"run": "baseline", "variant": "baseline", "folder": str(cls.root / "baseline" / "model")}]
        if kind == "quantization":
            job["inputs"] = inputs
            job["config"]["method"] = {"name": "dynamic_quantization", "version": 1, "params": {
                "dtype": {"stringValue": "qint8"}, "granularity": {"stringValue": "per_token"},
                "weight_granularity": {"stringValue": "per_channel"}, "reduce_range": {"boolValue": False}}}
        if kind == "comparison":
            job["inputs"] = inputs + [{"run": "d", "variant": "d", "method": "dynamic_quantization",
                                       "folder": str(cls.root / "quantization" / "model")}]
        return job

    @classmethod
    def run_job(cls, job, *options, **environment):
        """Exit code and events."""
        path = cls.root / "job.json"
        path.write_text(job if isinstance(job, str) else json.dumps(job))
        read, write = os.pipe()
        process = subprocess.Popen([RUNNER, "run", "--job", str(path), "--events-fd", str(write), *options],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[write],
                                   env={**os.environ, **environment})
        os.close(write)
        with os.fdopen(read) as events:
            lines = [json.loads(line) for line in events]
        process.stderr.read()
        process.stderr.close()
        return process.wait(), lines

    @classmethod
    def attempt(cls, kind, name=None):
        code, events = cls.run_job(cls.job(kind, name or kind))
        assert code == 0, events[-1]
        assert events[-1]["finished"]["ok"], events[-1]
        return events

    @staticmethod
    def metrics(events):
        return [event["metric"] for event in events if "metric" in event]

    def find(self, events, name, **labels):
        found = [m for m in self.metrics(events) if m["name"] == name and labels.items() <= m["labels"].items()]
        self.assertTrue(found, (name, labels))
        return found[-1]


class FamiliesTest(AttemptTest):
    """Each family goes the way from a pre-trained encoder to a comparison."""

    def family(self, name, role, layers):
        shutil.rmtree(self.root / "encoder")
        make_family(self.root / "encoder", name)
        for kind in ("baseline", "quantization", "comparison"):
            shutil.rmtree(self.root / kind, ignore_errors=True)
        baseline, quantized, compared = map(self.attempt, ("baseline", "quantization", "comparison"))
        # That training learns is held to transformers step by step (train_test.cc).
        losses = (self.root / "baseline/training_log.csv").read_text().splitlines()
        self.assertEqual(len(losses), 1 + 8 * 8)
        self.assertEqual(self.find(baseline, "accuracy", split="test")["samples"], "40")
        self.assertGreater(self.find(quantized, "agreement", split="test")["value"], 0.8)
        self.assertGreater(self.find(compared, "speedup", variant="d")["value"], 0)
        self.assertGreater(self.find(compared, "compression_ratio", variant="d", part="quantized_layers")["value"], 1)
        described = [event["layer"] for event in quantized if "layer" in event]
        self.assertEqual(len(described), layers)
        self.assertIn(role, [layer["role"] for layer in described])
        self.assertEqual({layer.get("block") for layer in described if layer["role"].startswith("attention.")},
                         {"0", "1"})
        folder = self.root / "quantization/model"
        self.assertEqual(json.loads((folder / "plan.json").read_text())["model_family"], name)
        config = json.loads((folder / "config.json").read_text())
        self.assertEqual(config["model_type"], name)

    def test_distilbert(self):
        self.family("distilbert", "classifier.dense", 14)

    def test_roberta(self):
        self.family("roberta", "ffn.out", 14)

    def test_electra(self):
        self.family("electra", "embedding.project", 15)


class ResumeTest(AttemptTest):
    """A training that is interrupted, and continued by another process."""

    EPOCHS = 60  # of 8 steps

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        code, cls.whole = cls.run_job(cls.training("whole"))
        assert code == 0, cls.whole[-1]

    @classmethod
    def training(cls, name):
        job = cls.job("baseline", name)
        job["config"]["training"]["epochs"] = cls.EPOCHS
        return job

    def interrupt(self, name, signal_number, seconds, wanted):
        """Exit code, and the last checkpoint of an attempt that got the signal at the first event like `wanted`."""
        path = self.root / f"{name}.json"
        path.write_text(json.dumps(self.training(name)))
        read, write = os.pipe()
        process = subprocess.Popen([RUNNER, "run", "--job", str(path), "--events-fd", str(write),
                                    "--checkpoint-seconds", str(seconds)], stderr=subprocess.DEVNULL, pass_fds=[write])
        os.close(write)
        saved, sent = [], False
        with os.fdopen(read) as events:
            for line in events:
                event = json.loads(line) if line.endswith("\n") else {}
                saved += [event["artifact"]["name"]] if "checkpoint/" in event.get("artifact", {}).get("name", "") else []
                if not sent and wanted(event):
                    process.send_signal(signal_number)
                    sent = True
        self.assertTrue(sent)
        self.assertTrue(saved)
        return process.wait(timeout=60), self.root / name / saved[-1]

    def continued(self, name, checkpoint):
        code, events = self.run_job(self.training(name), "--checkpoint-seconds", "1000", "--resume-from", str(checkpoint))
        self.assertEqual(code, 0, events[-1])
        for file in ("model/model.safetensors", "predictions.csv", "training_log.csv"):
            self.assertEqual((self.root / name / file).read_bytes(), (self.root / "whole" / file).read_bytes(), file)
        self.assertFalse((self.root / name / "checkpoint").exists())
        curve = [[(m["step"], m["value"]) for m in self.metrics(e) if m["name"] == "train_loss"] for e in (events, self.whole)]
        self.assertEqual(*curve)
        return [event["log"] for event in events if "log" in event], events

    def test_after_sigterm_the_training_continues_to_the_same_bytes(self):
        code, file = self.interrupt("stopped", signal.SIGTERM, 1000,
                                    lambda e: e.get("progress", {}).get("phase") == "training")
        self.assertEqual(code, 4)
        log, events = self.continued("after_sigterm", file)
        self.assertTrue([line for line in log if "the training continues after step" in line["message"]], log)
        step = int(file.name.removeprefix("step-").removesuffix(".safetensors"))
        done = [int(e["progress"]["done"]) for e in events if e.get("progress", {}).get("phase") == "training"]
        self.assertGreater(min(done), step, "the first report is the speed's beginning")
        self.assertFalse([e for e in events if "caveat" in e and "resumed" in e["caveat"]["code"]])

    def test_after_sigkill_it_continues_from_the_last_scheduled_state(self):
        code, file = self.interrupt("killed", signal.SIGKILL, 0.001, lambda e: "artifact" in e and
                                    "checkpoint/" in e["artifact"]["name"])
        self.assertEqual(code, -9)
        self.continued("after_sigkill", file)

    def test_a_stop_while_the_result_is_evaluated_keeps_the_training(self):
        code, file = self.interrupt("evaluating", signal.SIGTERM, 1000,
                                    lambda e: e.get("progress", {}).get("done") == e.get("progress", {}).get("total") and
                                    e.get("progress", {}).get("phase") == "training")
        self.assertEqual(code, 4)
        self.assertIn(f"{8 * self.EPOCHS:012d}", file.name)
        self.continued("evaluated", file)

    def test_what_another_fingerprint_computed_is_a_caveat(self):
        code, file = self.interrupt("elsewhere", signal.SIGTERM, 1000,
                                    lambda e: e.get("progress", {}).get("phase") == "training")
        content = file.read_bytes()
        own = next(e["environment"]["fingerprint"] for e in self.whole if "environment" in e)
        self.assertEqual(content.count(own.encode()), 1)
        file.write_bytes(content.replace(own.encode(), b"0" * len(own)))
        log, events = self.continued("here", file)
        said = [e["caveat"]["message"] for e in events if e.get("caveat", {}).get("code") == "resumed_elsewhere"]
        self.assertEqual(len(said), 1)
        self.assertIn(own, said[0])
        self.assertIn("0" * len(own), said[0])

    def test_a_damaged_state_or_that_of_another_training_is_reported_and_not_used(self):
        code, file = self.interrupt("damaged", signal.SIGTERM, 1000,
                                    lambda e: e.get("progress", {}).get("phase") == "training")
        cut = self.root / "cut.safetensors"
        cut.write_bytes(file.read_bytes()[:-1000])
        log, _ = self.continued("from_cut", cut)
        self.assertTrue([line for line in log if "starts from the beginning" in line["message"] and
                         line["severity"] == "SEVERITY_WARNING"], log)
        other = self.training("other")
        other["config"]["seed"] = "43"
        code, events = self.run_job(other, "--resume-from", str(file))
        self.assertEqual(code, 0)
        self.assertTrue([e for e in events if "other inputs" in e.get("log", {}).get("message", "")])


class RunnerTest(AttemptTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.baseline = cls.attempt("baseline")
        cls.quantized = cls.attempt("quantization")

    def run_command(self, *arguments, stdin=b"", **options):
        return subprocess.run([RUNNER, *arguments], input=stdin, capture_output=True, **options)

    def predict(self, kind, text, *options):
        result = self.run_command("predict", "--model", str(self.root / kind / "model"), "--threads", "1", *options,
                                  stdin=text)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode().splitlines()

    # --- what an agent sees ---

    def test_events_tell_the_whole_attempt_and_files_are_there(self):
        for kind, events in (("baseline", self.baseline), ("quantization", self.quantized)):
            self.assertIn("environment", events[0])
            self.assertTrue(any("progress" in event for event in events))
            names = [event["artifact"]["name"] for event in events if "artifact" in event]
            self.assertEqual(len(names), len(set(names)))
            for name in names:
                self.assertTrue((self.root / kind / name).is_file(), name)
            wanted = {"environment.json", "predictions.csv", "metrics.json", "model/config.json",
                      "model/model.safetensors", "model/vocab.txt"}
            wanted |= {"training_log.csv"} if kind == "baseline" else {"model/plan.json"}
            self.assertLessEqual(wanted, set(names))
            accuracy = self.find(events, "accuracy", split="test")
            self.assertLessEqual(accuracy["low"], accuracy["value"])
            self.assertGreaterEqual(accuracy["high"], accuracy["value"])
            self.assertEqual(accuracy["samples"], "40")

    def test_training_learns_and_logs_every_step(self):
        lines = (self.root / "baseline" / "training_log.csv").read_text().splitlines()
        self.assertEqual(len(lines), 1 + 8 * 8)
        self.assertGreater(self.find(self.baseline, "accuracy", split="test")["value"], 0.8)

    def test_quantization_reports_every_layer_and_the_paired_test(self):
        layers = [event["layer"] for event in self.quantized if "layer" in event]
        self.assertEqual(len(layers), 14)
        self.assertEqual({layer["effective"] for layer in layers}, {"int8_dynamic"})
        self.assertAlmostEqual(sum(layer["macsShare"] for layer in layers), 1, 9)
        self.assertLessEqual(self.find(self.quantized, "mcnemar_p_value", split="test")["value"], 1)
        self.assertGreater(self.find(self.quantized, "agreement", split="test")["value"], 0.8)

    def test_predictions_agree_with_the_metrics(self):
        rows = (self.root / "quantization" / "predictions.csv").read_text().splitlines()
        self.assertEqual(rows[0], "row,label,predicted,logit_0,logit_1")
        right = sum(row.split(",")[1] == row.split(",")[2] for row in rows[1:])
        self.assertAlmostEqual(right / 40, self.find(self.quantized, "accuracy", split="test")["value"])

    def test_the_same_seed_gives_the_same_bytes(self):
        self.attempt("baseline", "again")
        for name in ("model/model.safetensors", "predictions.csv", "training_log.csv"):
            self.assertEqual((self.root / "again" / name).read_bytes(), (self.root / "baseline" / name).read_bytes(), name)

    def test_comparison_measures_speed_memory_and_size(self):
        events = self.attempt("comparison")
        for batch_size, tokens in itertools.product(("1", "2"), ("12", "7")):
            shape = {"batch_size": batch_size, "sequence_length": tokens}
            speedup = self.find(events, "speedup", variant="d", **shape)
            self.assertLessEqual(speedup["low"], speedup["value"])
            for variant in ("baseline", "d"):
                self.find(events, "inference_time", variant=variant, quantile="p90", **shape)
                self.find(events, "throughput", variant=variant, **shape)
            self.find(events, "aa_ratio", **shape)
        self.assertGreater(self.find(events, "compression_ratio", variant="d", part="quantized_layers")["value"], 1.5)
        for kind in ("load", "load_anonymous", "load_file", "peak"):
            self.find(events, "memory_usage", variant="d", kind=kind)
        with open(self.root / "comparison" / "samples.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        measured = [row for row in rows if row["phase"] == "measured"]
        self.assertEqual({row["process"] for row in measured} & {"0", "1"}, {"0", "1"})
        self.assertEqual({row["variant"] for row in measured}, {"reference", "reference_again", "d"})
        shapes = {(row["batch_size"], row["sequence_length"]) for row in measured}
        self.assertEqual(shapes, {("1", "12"), ("2", "12"), ("1", "7"), ("2", "7")})
        for row in measured[:3]:
            self.assertEqual(row["block"], "0")
        self.assertEqual({row["position"] for row in measured[:3]}, {"0", "1", "2"})
        starts = [float(row["start"]) for row in measured if (row["process"], row["batch_size"], row["sequence_length"])
                  == ("0", "1", "12")]
        self.assertEqual(starts, sorted(starts))
        self.assertLess(abs(starts[0] - time.time()), 3600)
        self.assertIn("processes", self.find(events, "aa_ratio", batch_size="1", sequence_length="7")["labels"])
        names = {metric["name"] for metric in json.loads((self.root / "comparison" / "metrics.json").read_text())["metrics"]}
        self.assertIn("speedup", names)

    def test_a_length_that_the_model_cannot_read_becomes_its_longest(self):
        job = self.job("comparison", "long")
        job["config"]["evaluation"].update(metrics=["speedup"], latencyBatchSizes=[1], latencySequenceLengths=[7, 128, 500])
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        lengths = {metric["labels"]["sequence_length"] for metric in self.metrics(events) if metric["name"] == "speedup"}
        self.assertEqual(lengths, {"7", "24"})
        said = [e["caveat"]["message"] for e in events if e.get("caveat", {}).get("code") == "sequence_length"]
        self.assertIn("texts of 500 tokens were to be timed; the model reads 24 at most, and those were timed", said)

    def test_the_baseline_says_how_many_texts_each_split_has(self):
        for split, texts in (("train", 60), ("validation", 0), ("test", 40)):
            self.assertEqual(self.find(self.baseline, "dataset_texts", split=split)["value"], texts)

    def test_only_the_metrics_that_are_asked_for_are_measured(self):
        job = self.job("comparison", "sizes")
        job["config"]["evaluation"]["metrics"] = ["accuracy", "model_size"]
        code, events = self.run_job(job)
        self.assertEqual(code, 0)
        # The paired test costs nothing and is always made.
        self.assertEqual({metric["name"] for metric in self.metrics(events)},
                         {"model_size", "compression_ratio", "mcnemar_p_holm", "non_inferiority_p_holm"})

    def test_the_same_model_is_tested_and_timed_once(self):
        copy = self.root / "copy"
        shutil.copytree(self.root / "quantization" / "model", copy)
        job = self.job("comparison", "same")
        job["inputs"].append({"run": "e", "variant": "e", "method": "mixed_precision", "folder": str(copy)})
        job["config"]["evaluation"].update(latencyBatchSizes=[1], latencySequenceLengths=[7])
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        said = [e["caveat"]["message"] for e in events if e.get("caveat", {}).get("code") == "same_model"]
        self.assertEqual(said, ["e is the same model as d, byte for byte: it is tested and timed once, and both share "
                                "the results"])
        for metric, labels in (("speedup", {}), ("inference_time", {"quantile": "p50"}), ("memory_usage", {"kind": "peak"}),
                               ("mcnemar_p_holm", {}), ("non_inferiority_p_holm", {})):
            first, again = (self.find(events, metric, variant=v, **labels) for v in "de")
            self.assertEqual(first["value"], again["value"], metric)
        # One hypothesis, not two: nothing to correct.
        self.assertEqual(self.find(events, "mcnemar_p_holm", variant="e")["samples"], "1")
        self.assertFalse([m for m in self.metrics(events) if "against" in m["labels"]])
        with open(self.root / "same" / "samples.csv", newline="") as file:
            self.assertNotIn("e", {row["variant"] for row in csv.DictReader(file)})

    # --- other runtimes ---

    def own_runtime(self, name, dies_at=0):
        """Writes a program that knows the logits of the compared texts, and ends in its pass DIES_AT."""
        known = {}
        for kind in ("baseline", "quantization"):
            model = str(self.root / kind / "model")
            ids, logits = (self.run_command(command, "--model", model, "--max-length", "24", stdin=TEXTS.read_bytes())
                           for command in ("tokenize", "predict"))
            rows = zip(ids.stdout.decode().splitlines(), logits.stdout.decode().splitlines())
            known[model] = {json.dumps(json.loads(text)): json.loads(row) for text, row in rows}
            self.assertGreater(len(known[model]), 3)
        folder = self.root / "own"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(known))
        (folder / name).write_text(OWN_RUNTIME.format(known=folder / f"{name}.json", dies_at=dies_at))
        (folder / name).chmod(0o755)
        return str(folder)

    def comparison_in(self, name, runtimes, **environment):
        job = self.job("comparison", name)
        job["config"]["evaluation"].update(latencyBatchSizes=[1, 2], latencySequenceLengths=[7])
        job["config"]["method"] = {"params": {"runtimes": {"stringValue": ",".join(runtimes)}}}
        code, events = self.run_job(job, **environment)
        self.assertEqual(code, 0, events[-1])
        left_out = [e["caveat"]["message"] for e in events if e.get("caveat", {}).get("code") == "runtime_left_out"]
        return events, left_out

    def test_a_runtime_takes_part_in_every_block_of_the_comparison(self):
        folder = self.own_runtime("x-own")
        events, left_out = self.comparison_in("everywhere", ["quantlab", "x-own"], QUANTLAB_RUNTIMES_DIR=folder)
        self.assertEqual(left_out, [])
        references = set()
        for batch_size, runtime, variant in itertools.product(("1", "2"), ("quantlab", "x-own"), ("baseline", "d")):
            labels = {"batch_size": batch_size, "sequence_length": "7", "runtime": runtime, "variant": variant}
            speedup = self.find(events, "runtime_speedup", **labels)
            references.add((batch_size, speedup["labels"]["reference"]))
            if variant == "baseline" and speedup["labels"]["reference"] == runtime:
                self.assertEqual((speedup["value"], "low" in speedup), (1, False))
            else:
                self.assertLessEqual(speedup["low"], speedup["value"])
            for quantile in ("p50", "p90"):
                self.assertGreater(self.find(events, "runtime_time", quantile=quantile, **labels)["value"], 0)
        self.assertEqual(len(references), 2, "one best FP32 for each shape")
        check = self.find(events, "runtime_logit_difference", runtime="x-own", variant="d")
        self.assertLess(check["value"], 1e-3)
        self.assertEqual(check["labels"]["version"], "7.1")
        with open(self.root / "everywhere" / "samples.csv", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["phase"] == "measured"]
        self.assertEqual({(row["variant"], row["runtime"]) for row in rows},
                         {("reference", "quantlab"), ("reference_again", "quantlab"), ("d", "quantlab"),
                          ("baseline", "x-own"), ("d", "x-own")})
        first = [row for row in rows if (row["process"], row["batch_size"], row["block"]) == ("0", "1", "0")]
        self.assertEqual({row["position"] for row in first}, set("01234"))
        self.assertFalse((self.root / "everywhere" / ".runtimes").exists(), "exported models are not kept")
        # This engine's own numbers are what they are without other runtimes.
        self.assertEqual(self.find(events, "speedup", variant="d", batch_size="1")["labels"].keys(),
                         {"batch_size", "sequence_length", "variant"})

    def test_a_runtime_that_fails_while_it_is_timed_is_left_out_and_the_comparison_goes_on(self):
        folder = self.own_runtime("x-dies", dies_at=9)
        events, left_out = self.comparison_in("dies", ["x-dies"], QUANTLAB_RUNTIMES_DIR=folder)
        self.assertEqual(len(left_out), 1, left_out)
        self.assertIn("Own was left out: it failed while it was timed (exited with code 1: out of luck)", left_out[0])
        names = {metric["name"] for metric in self.metrics(events)}
        self.assertIn("speedup", names)
        self.assertNotIn("runtime_speedup", names)

    def test_runtimes_that_are_absent_or_compute_something_else_are_left_out_with_the_remedy(self):
        folder = self.root / "fake"
        folder.mkdir()
        shutil.copy(ROOT / "tests/runtimes/fake_runtime.py", folder / "x-fake")
        events, left_out = self.comparison_in("absent", ["onnxruntime", "x-fake", "x-none"], QUANTLAB_RUNTIMES_DIR=str(folder),
                                              QUANTLAB_RUNTIMES_PYTHON="/nowhere/python")
        self.assertIn("ONNX Runtime was left out: /nowhere/python does not have it", left_out[0])
        self.assertIn("`pip install onnxruntime numpy`", left_out[0])
        self.assertIn("--runtimes-python", left_out[0])
        for variant, words in (("baseline", left_out[1]), ("d", left_out[2])):
            self.assertIn(f"{variant} was not timed in Fake, where it is not the model that was measured", words)
        self.assertIn("the runtime x-none was left out", left_out[3])
        self.assertIn("--runtimes-dir", left_out[3])
        self.assertEqual(len(left_out), 4)
        self.assertNotIn("runtime_speedup", {metric["name"] for metric in self.metrics(events)})

    def test_a_name_that_is_no_runtime_is_refused(self):
        job = self.job("comparison", "wrong")
        job["config"]["method"] = {"params": {"runtimes": {"stringValue": "x-../../sh"}}}
        code, events = self.run_job(job)
        self.assertEqual((code, events[-1]["finished"]["code"]), (3, "INVALID_ARGUMENT"))

    def test_bad_jobs_end_with_a_clear_last_event(self):
        def broken(change):
            job = self.job("quantization", "bad")
            change(job)
            return job
        cases = [
            ("{", "INVALID_ARGUMENT", "not JSON"),
            (broken(lambda j: j.update(version=9)), "INVALID_ARGUMENT", "version"),
            (broken(lambda j: j["inputs"][0].update(folder="/nowhere")), "NOT_FOUND", "/nowhere"),
            (broken(lambda j: j["inputs"][0].update(folder=str(self.root / "quantization" / "model"))),
             "INVALID_ARGUMENT", "quantized already"),
            (broken(lambda j: j.update(datasetFolder="/nowhere")), "NOT_FOUND", "dataset reviews"),
            (broken(lambda j: j["config"]["dataset"].update(textColumn="words")), "INVALID_ARGUMENT", "words"),
            (broken(lambda j: j["config"]["dataset"].update(maxLength=99)), "INVALID_ARGUMENT", "24"),
            (broken(lambda j: j.update(outputFolder=str(self.root / "data"))), "INVALID_ARGUMENT", "empty"),
        ]
        for job, status, words in cases:
            shutil.rmtree(self.root / "bad", ignore_errors=True)
            code, events = self.run_job(job)
            self.assertEqual(code, 3, events)
            self.assertEqual(events[-1]["finished"]["code"], status)
            self.assertIn(words, events[-1]["finished"]["message"])
            self.assertNotIn("ok", {k for k, v in events[-1]["finished"].items() if v is True})

    def test_a_device_that_is_not_there_is_refused(self):
        if "cuda" in json.loads(self.run_command("info", "--json").stdout)["devices"]:
            self.skipTest("there is a GPU")
        job = self.job("baseline", "gpu")
        job["config"]["device"] = "cuda"
        code, events = self.run_job(job)
        self.assertEqual(code, 3)
        self.assertIn("cuda", events[-1]["finished"]["message"])

    def start_long_job(self, name):
        job = self.job("baseline", name)
        job["config"]["training"]["epochs"] = 1000
        path = self.root / f"{name}.json"
        path.write_text(json.dumps(job))
        read, write = os.pipe()
        process = subprocess.Popen([RUNNER, "run", "--job", str(path), "--events-fd", str(write)],
                                   stderr=subprocess.DEVNULL, pass_fds=[write])
        os.close(write)
        events = os.fdopen(read)
        for line in events:
            if json.loads(line).get("progress", {}).get("phase") == "training":
                break
        return process, events

    def test_a_runner_whose_reader_goes_away_exits_at_once(self):
        process, events = self.start_long_job("orphan")
        events.close()
        self.assertEqual(process.wait(timeout=60), 5)

    def test_sigterm_stops_between_two_steps(self):
        process, events = self.start_long_job("stopped")
        process.send_signal(signal.SIGTERM)
        last = [json.loads(line) for line in events][-1]["finished"]
        events.close()
        self.assertEqual(process.wait(timeout=60), 4)
        self.assertTrue(last["stopped"])
        self.assertFalse(last["ok"])

    # --- what people see ---

    def test_tokenize_prints_ids(self):
        result = self.run_command("tokenize", "--model", str(self.root / "encoder"),
                                  stdin=b"The good FILM\n\nbad\xff bytes\nlast")
        self.assertEqual(result.returncode, 0)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()],
                         [[2, 13, 5, 11, 3], [2, 3], [2, 8, 1, 3], [2, 1, 3]])

    def test_a_line_depends_on_nothing_but_itself(self):
        lines = [b"the good film was great", b"", b"bad " * 100, b"dull plot", b"\xff\xfe", b"a fine film"]
        for kind in ("baseline", "quantization"):
            together = self.predict(kind, b"\n".join(lines))
            self.assertEqual(len(together), len(lines))
            self.assertEqual(self.predict(kind, b"\n".join(reversed(lines)))[::-1], together)
            for line, expected in zip(lines, together):
                self.assertEqual(self.predict(kind, line + b"\n"), [expected])
        batched = self.predict("quantization", b"\n".join(lines), "--batch-size", "4")
        self.assertEqual(batched, self.predict("quantization", b"\n".join(lines)))

    def test_predict_equals_what_the_run_predicted(self):
        text = {}
        for number, line in enumerate((self.root / "data" / "reviews.csv").read_text().splitlines()[1:]):
            text[str(number)] = line.split('"')[1]
        for kind in ("baseline", "quantization"):
            rows = [row.split(",") for row in (self.root / kind / "predictions.csv").read_text().splitlines()[1:]]
            lines = "\n".join(text[row[0]] for row in rows).encode()
            for row, line in zip(rows, self.predict(kind, lines, "--max-length", "16")):
                for a, b in zip(row[3:], json.loads(line)):
                    self.assertAlmostEqual(float(a), b, 5)

    def test_the_saved_model_keeps_the_side_of_truncation(self):
        job = self.job("baseline", "left")
        job["config"]["dataset"].update(truncationSide="left", maxLength=4)
        job["config"]["training"].update(dtype="auto", epochs=1)
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        self.assertIn(self.find(events, "training_time")["labels"]["dtype"], ("fp32", "bf16"))
        config = json.loads((self.root / "left" / "model" / "tokenizer_config.json").read_text())
        self.assertEqual(config, {"tokenizer_class": "BertTokenizer", "truncation_side": "left"})
        words = WORDS[:6]
        cut = self.predict("left", " ".join(words).encode() + b"\n", "--max-length", "4")
        self.assertEqual(cut, self.predict("left", " ".join(words[-2:]).encode() + b"\n"))
        self.assertNotEqual(cut, self.predict("left", " ".join(words[:2]).encode() + b"\n"))
        job = self.job("quantization", "left_quantized")
        job["config"]["dataset"].update(maxLength=4)
        job["inputs"][0]["folder"] = str(self.root / "left" / "model")
        code, events = self.run_job(job)
        self.assertEqual(code, 0, events[-1])
        saved = self.root / "left_quantized" / "model" / "tokenizer_config.json"
        self.assertEqual(json.loads(saved.read_text()), config)

    def test_predict_answers_before_the_input_ends(self):
        process = subprocess.Popen([RUNNER, "predict", "--model", str(self.root / "baseline" / "model"),
                                    "--batch-size", "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(b"a good film\n")
        process.stdin.flush()
        self.assertEqual(len(json.loads(process.stdout.readline())), 2)
        process.stdin.close()
        self.assertEqual(process.wait(timeout=60), 0)
        process.stdout.close()

    def test_the_device_is_tested_on_demand(self):
        self.assertEqual(self.run_command("self-test", "--device", "cpu").stdout, b"device cpu passed\n")
        self.assertIn(b"7  the device failed its self-test", self.run_command("--help").stdout)

    def test_info_is_what_a_worker_advertises(self):
        info = json.loads(self.run_command("info", "--json").stdout)
        self.assertEqual(info["version"], 1)
        self.assertIn("cpu", info["devices"])
        self.assertIn({"name": "dynamic_quantization", "version": 1}, info["methods"])
        self.assertTrue(info["fingerprint"])
        self.assertIn("runner_sha256", info["facts"])
        self.assertIs(info["facts"]["text_pairs"], True)
        self.assertIs(info["facts"]["truncation_side"], True)
        # Tests run where it was built: in a checkout, or in a copy without one.
        self.assertRegex(info["facts"]["source_commit"], r"^([0-9a-f]{40}( with local changes)?|unknown: .+)$")
        self.assertIn(b"granularity", self.run_command("info").stdout)

    def test_the_fingerprint_is_over_every_variable_that_libraries_choose_by(self):
        prints = set()
        for variable in ("", "OMP_THREAD_LIMIT=1", "OMP_THREAD_LIMIT=2", "MKL_DYNAMIC=0", "KMP_BLOCKTIME=0",
                         "GLIBC_TUNABLES=glibc.malloc.arena_max=1"):
            environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
            environment.update([variable.split("=", 1)] if variable else [])
            info = json.loads(self.run_command("info", "--json", env=environment).stdout)
            self.assertIn(variable, info["facts"]["kernel_variables"])
            self.assertLessEqual({"microcode", "smt", "governor"}, set(info["facts"]))
            prints.add(info["fingerprint"])
        self.assertEqual(len(prints), 6)

    def test_bench_prints_a_table_or_json(self):
        models = [str(self.root / kind / "model") for kind in ("baseline", "quantization")]
        options = ["--sequence-length", "12", "--min-samples", "8", "--min-duration", "0", "--batch-size", "2"]
        table = self.run_command("bench", *models, *options)
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertIn(b"speedup", table.stdout)
        result = json.loads(self.run_command("bench", *models, *options, "--json").stdout)
        self.assertEqual([m["model"] for m in result["results"][0]["models"]], models)
        several = self.run_command("bench", *models, *options, "--batch-size", "1", "--json")
        self.assertEqual([r["batch_size"] for r in json.loads(several.stdout)["results"]], [2, 1], several.stderr)
        wrong = self.run_command("bench", models[1], models[0])
        self.assertEqual(wrong.returncode, 3)
        self.assertIn(b"FP32", wrong.stderr)

    def test_exit_codes(self):
        self.assertEqual(self.run_command("--help").returncode, 0)
        for command in ("run", "tokenize", "predict", "bench", "info", "measure-memory"):
            shown = self.run_command(command, "--help")
            self.assertEqual(shown.returncode, 0)
            self.assertIn(b"Example", shown.stdout)
        self.assertEqual(self.run_command().returncode, 2)
        self.assertEqual(self.run_command("dance").returncode, 2)
        self.assertEqual(self.run_command("predict").returncode, 2)
        self.assertEqual(self.run_command("predict", "--model", "x", "--batch-size", "0").returncode, 2)
        missing = self.run_command("predict", "--model", "/nowhere")
        self.assertEqual(missing.returncode, 3)
        self.assertIn(b"/nowhere", missing.stderr)
        encoder = self.run_command("predict", "--model", str(self.root / "encoder"))
        self.assertEqual(encoder.returncode, 3)
        self.assertIn(b"classifier", encoder.stderr)


if __name__ == "__main__":
    unittest.main()
