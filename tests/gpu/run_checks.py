#!/usr/bin/env python3
"""Runs what scripts/gpu_check.sh has built, prints one table and writes OUTPUT/gpu_check.json.

Tests of the engine run side by side, as shards of their binaries; then device_check; then, on a GPU, the
benchmark, alone. Each step has a time limit, and a step that fails does not stop the others. The exit status
is 0 only where everything passed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Binary -> what of it to run on a GPU; the tests that only touch the CPU are of no interest there.
ENGINE_TESTS = {"gpu_ops_test": "*", "method_conformance_test": "*_on_cuda*", "layers_test": "*", "models_test": "*",
                "train_test": "*"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the built programs")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--build-seconds", type=float, default=0)
    parser.add_argument("--shards", type=int, default=max(1, min(12, (os.cpu_count() or 2) - 2)))
    parser.add_argument("--steps", type=int, default=60, help="training steps that are compared (default 60)")
    parser.add_argument("--filter", default="", help="gtest filter for every engine test, instead of all")
    parser.add_argument("--test-seconds", type=float, default=0, help="time limit of the engine's tests")
    parser.add_argument("--no-benchmark", action="store_true")
    parser.add_argument("--benchmark-options", default="", help="handed on to benchmarks/gpu/benchmark.py")
    return parser.parse_args()


def run(command, seconds, log, environment=None):
    """(exit status, seconds it took); a step that outlasts its limit has status 124."""
    start = time.monotonic()
    with open(log, "w", encoding="utf-8") as file:
        try:
            status = subprocess.run([str(part) for part in command], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
                                    env={**os.environ, **(environment or {})}, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            status = 124
        except OSError as error:  # not built
            file.write(str(error))
            status = 127
    return status, time.monotonic() - start


def engine_test(options, binary, shard, seconds):
    """One shard of one binary; the names of its failed tests."""
    log = options.output / f"{binary}.{shard}.log"
    chosen = options.filter or (ENGINE_TESTS[binary] if options.device == "cuda" else "*")
    shards = options.shards if binary == "method_conformance_test" else 1
    environment = {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard), "OMP_NUM_THREADS": "1",
                   "OMP_WAIT_POLICY": "passive"}
    status, took = run([options.bin / binary, f"--gtest_filter={chosen}"], seconds, log, environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (\S+?),? ", text, re.MULTILINE)))
    passed = len(re.findall(r"^\[       OK \]", text, re.MULTILINE))
    skipped = len(set(re.findall(r"^\[  SKIPPED \] (\S+)", text, re.MULTILINE)))
    return {"binary": binary, "status": status, "passed": passed, "skipped": skipped, "failed": failed,
            "seconds": took}


def engine_tests(options):
    seconds = options.test_seconds or (120 if options.device == "cuda" else 3600)
    jobs = [(binary, shard) for binary in ENGINE_TESTS
            for shard in range(options.shards if binary == "method_conformance_test" else 1)]
    with concurrent.futures.ThreadPoolExecutor(options.shards) as pool:
        results = list(pool.map(lambda job: engine_test(options, *job, seconds), jobs))
    checks = []
    for binary in ENGINE_TESTS:
        parts = [part for part in results if part["binary"] == binary]
        failed = [name for part in parts for name in part["failed"]]
        passed = sum(part["passed"] for part in parts)
        broken = sum(part["status"] not in (0, 1) for part in parts)
        notes = failed[:4] + ([f"and {len(failed) - 4} more"] if len(failed) > 4 else [])
        notes += [f"{broken} shards ended with {sorted({part['status'] for part in parts} - {0, 1})}"] * bool(broken)
        skipped = sum(part["skipped"] for part in parts)
        notes += [f"{skipped} skipped"] * bool(skipped)
        checks.append({"name": f"tests/{binary}", "value": passed, "limit": 1, "limit_is": "least",
                       "unit": "tests passed", "note": "; ".join(notes), "failed": failed,
                       "seconds": max(part["seconds"] for part in parts),
                       "passed": passed > 0 and all(part["status"] == 0 for part in parts)})
    return checks


def device_check(options):
    report = options.output / "device_check.json"
    report.unlink(missing_ok=True)
    command = [options.bin / "device_check", "--device", options.device, "--output", report, "--steps", options.steps]
    encoder = pathlib.Path(os.environ.get("QUANTLAB_ASSETS", "/nowhere")) / "minilm"
    if encoder.is_dir():
        command += ["--encoder", encoder]
    status, took = run(command, 150 if options.device == "cuda" else 3600, options.output / "device_check.log")
    if not report.exists():
        log = (options.output / "device_check.log").read_text(encoding="utf-8", errors="replace")
        return [{"name": "device_check", "passed": False, "note": f"ended with {status}: {log[-300:].strip()}"}], {}
    found = json.loads(report.read_text(encoding="utf-8"))
    return found.pop("checks"), {**found, "seconds": took}


def benchmark(options):
    report = options.output / "benchmark.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, ROOT / "benchmarks/gpu/benchmark.py", "--engine", options.bin / "gpu_engine",
               "--output", report, *options.benchmark_options.split()]
    status, took = run(command, 240, options.output / "benchmark.log")
    text = (options.output / "benchmark.log").read_text(encoding="utf-8", errors="replace")
    check = {"name": "benchmark", "passed": status == 0 and report.exists(), "seconds": took,
             "note": "" if status == 0 else f"ended with {status}: {text[-300:].strip()}"}
    return check, json.loads(report.read_text(encoding="utf-8")) if report.exists() else None, text


def number(value):
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""


def print_table(checks):
    rows = [("", "check", "measured", "allowed", "unit", "note")]
    for check in checks:
        sign = ">= " if check.get("limit_is") == "least" else "<= "
        limit = check.get("limit")
        rows.append(("ok" if check["passed"] else "FAILED", check["name"], number(check.get("value")),
                     sign + number(limit) if limit is not None else "", check.get("unit", ""), check.get("note", "")))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)), row[5], sep="  ")


def main():
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    report = {"schema": 1, "device": options.device, "build_seconds": options.build_seconds}
    checks = engine_tests(options)
    more, report["device_check"] = device_check(options)
    checks += more
    text = ""
    if options.device == "cuda" and not options.no_benchmark:
        check, report["benchmark"], text = benchmark(options)
        checks.append(check)
    report["seconds"] = time.monotonic() - start
    report["checks"] = checks
    report["passed"] = all(check["passed"] for check in checks)
    commit = ROOT / "COMMIT"
    report["commit"] = commit.read_text().strip() if commit.exists() else ""
    (options.output / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(text)
    print_table(checks)
    failed = sum(not check["passed"] for check in checks)
    print(f"\nbuild {options.build_seconds:.0f} s, checks {report['seconds']:.0f} s, {len(checks)} checks, "
          f"{failed} failed; {options.output / 'gpu_check.json'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
