#!/usr/bin/env python3
"""Holds runtimes to docs/en/runtime-protocol.md: good and wrong requests, one after another, and a check of every answer.

    protocol_test.py                                                    the example, and the runtimes that are installed
    protocol_test.py --program ./x-mine --model FOLDER --format folder  a program of one's own

The runtimes need the Python of .venv-runtimes (scripts/setup.sh --all) or of QUANTLAB_RUNTIMES_PYTHON, the model that they
load also that of .venv, and quant-export in QUANTLAB_BIN.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin"))
PYTHON = os.environ.get("QUANTLAB_RUNTIMES_PYTHON", str(ROOT / ".venv-runtimes/bin/python"))
TORCH_PYTHON = str(ROOT / ".venv/bin/python")
SERVER = ROOT / "runtimes/python/serve_runtime.py"
FORMATS = {"onnxruntime": "onnx", "openvino": "openvino", "pytorch": "transformers"}
MAX_LINE = 64 << 20
PATIENCE = 120  # seconds for one answer; the program is ended then
BATCH = [[3, 5, 6, 4], [3, 7, 4], [3, 4]]

# Writes a model with random weights to the folder of the second argument.
MAKE = """
import pathlib, sys
sys.path[:0] = [sys.argv[1] + "/client/python/src", sys.argv[1] + "/client/python/tests"]
import saved_models
print(saved_models.Folder(pathlib.Path(sys.argv[2]), "bert", [{"kind": "fp32"}]).write())
"""


class Program:
    """A runtime that is asked line by line."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.next_id = 0

    def send(self, line):
        """The answer to a line of bytes."""
        answer = self.exchange(line)
        if not answer.endswith(b"\n"):
            raise AssertionError(f"no whole line within {PATIENCE} s after {line[:200]!r}: {answer!r}")
        return json.loads(answer)

    def exchange(self, line):
        """What follows a line of bytes, whatever it is. A program that is late is killed."""
        late = threading.Timer(PATIENCE, self.process.kill)
        late.start()
        try:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        finally:
            late.cancel()

    def ask(self, **request):
        self.next_id += 7
        answer = self.send(json.dumps({"id": self.next_id, **request}).encode())
        if answer.get("id") != self.next_id:
            raise AssertionError(f"the answer to {request} has the id {answer.get('id')}")
        return answer

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def good_requests(folder, format_name):
    """(what, request, whether the answer is as the document says), in order. Two models are loaded."""
    load = {"do": "load", "folder": folder, "format": format_name, "threads": 1}

    def hello(answer):
        return (answer["protocol"] == 1 and isinstance(answer["title"], str) and answer["title"] and
                isinstance(answer["version"], str) and answer["version"] and
                all(isinstance(version, str) for version in answer["versions"].values()) and
                format_name in answer["formats"])

    def logits_of(texts):
        return lambda answer: (len(answer["logits"]) == texts and len({len(row) for row in answer["logits"]}) == 1 and
                               all(math.isfinite(value) for row in answer["logits"] for value in row))

    def times(passes):
        return lambda answer: len(answer["seconds"]) == passes and all(0 < value < 60 for value in answer["seconds"])

    yield "greeting", {"do": "hello", "protocol": 1}, hello
    yield "a second greeting", {"do": "hello", "protocol": 1}, hello
    yield "the first model", load, lambda answer: answer["model"] == 0
    yield "the same model again", load, lambda answer: answer["model"] == 1
    yield "a batch of several lengths", {"do": "run", "model": 0, "batch": BATCH}, logits_of(3)
    yield "one token", {"do": "run", "model": 0, "batch": [[3]]}, logits_of(1)
    yield "members that are not known", {"do": "run", "model": 0, "batch": [[3]], "later": [1]}, logits_of(1)
    yield "no pass of a warm-up", {"do": "warm_up", "model": 0, "batch": BATCH, "passes": 0}, lambda answer: True
    yield "a warm-up", {"do": "warm_up", "model": 0, "batch": BATCH[:1], "passes": 2}, lambda answer: True
    yield "one pass", {"do": "measure", "model": 0, "passes": 1}, times(1)
    yield "several passes", {"do": "measure", "model": 0, "passes": 5}, times(5)
    yield "another batch meanwhile", {"do": "run", "model": 0, "batch": BATCH}, logits_of(3)
    yield "passes after it", {"do": "measure", "model": 0, "passes": 2}, times(2)


def wrong_requests(folder, format_name):
    """Requests with an id that must be answered with an error, once a model is loaded and another is not warmed up."""
    load = {"do": "load", "folder": folder, "format": format_name, "threads": 1}
    run, warm_up = {"do": "run", "model": 0, "batch": [[3, 4]]}, {"do": "warm_up", "model": 0, "batch": [[3]], "passes": 1}
    yield from ({}, {"do": None}, {"do": 1}, {"do": "fly"}, {"do": ""}, {"do": "hello"}, {"do": "hello", "protocol": 2})
    for key, values in {"folder": (None, 1, "", "relative", "/nowhere/at/all"), "format": (None, "tflite", ["onnx"]),
                        "threads": (None, 0, -1, 1025, 1.5, "1", True)}.items():
        yield from ({**load, key: value} for value in values)
    yield from ({name: value for name, value in request.items() if name != missing}
                for request in (load, run, warm_up) for missing in request if missing != "do")
    yield from ({**run, "model": value} for value in (-1, 2, 99, "0", 0.5, None, True))
    yield from ({**run, "batch": value} for value in ([], {}, "text", [[]], [3], [[3], []], [["3"]], [[3.5]], [[-1]], [[2**31]],
                                                      [[True]], [[3]] * 4097, [[3] * 8193], None))
    yield from ({**warm_up, "passes": value} for value in (-1, 10001, "1", None, 0.5))
    yield from ({**warm_up, "batch": value} for value in ([], [[]], [["3"]]))
    yield from ({"do": "measure", "model": 0, "passes": value} for value in (0, -1, 1001, "1", None))
    yield {"do": "measure", "model": 1, "passes": 1}  # not warmed up
    yield {"do": "measure", "passes": 1}


WRONG_LINES = (b"", b"x", b"[]", b"7", b"null", b'"hello"', b"{", b'{"id":1', b'{"do":"hello","protocol":1}',
               b'{"id":"1","do":"hello","protocol":1}', b'{"id":null,"do":"hello","protocol":1}',
               b'{"id":-1,"do":"hello","protocol":1}', b'{"id":1.5,"do":"hello","protocol":1}', b"\xff\xfe", b"[" * 100000)


class ProtocolTest(unittest.TestCase):
    """Of the program COMMAND with the exported model FOLDER in FORMAT."""

    COMMAND = FOLDER = FORMAT = None

    def setUp(self):
        if self.COMMAND is None:
            self.skipTest("no program")
        self.program = Program(self.COMMAND)
        self.addCleanup(self.program.close)

    def prepare(self):
        for what, request, as_documented in good_requests(self.FOLDER, self.FORMAT):
            with self.subTest(what=what):
                answer = self.program.ask(**request)
                self.assertNotIn("error", answer)
                self.assertTrue(as_documented(answer), answer)

    def assert_refused(self, answer):
        self.assertIsInstance(answer.get("error"), str, answer)
        self.assertTrue(answer["error"])

    def test_good_requests_are_answered_as_documented(self):
        self.prepare()

    def test_wrong_requests_are_refused_and_the_program_goes_on(self):
        self.prepare()
        count = 0
        for request in wrong_requests(self.FOLDER, self.FORMAT):
            with self.subTest(request=str(request)[:120]):
                self.assert_refused(self.program.ask(**request))
            count += 1
        self.assertGreater(count, 60)
        self.assertNotIn("error", self.program.ask(do="measure", model=0, passes=1))

    def test_lines_that_are_no_requests_are_refused(self):
        for line in WRONG_LINES:
            with self.subTest(line=line[:40]):
                answer = self.program.send(line)
                self.assert_refused(answer)
                self.assertIsNone(answer["id"])
        self.assertNotIn("error", self.program.ask(do="hello", protocol=1))

    def test_nothing_is_computed_before_a_model_is_loaded(self):
        self.assertNotIn("error", self.program.ask(do="hello", protocol=1))
        for request in ({"do": "run", "batch": [[3]]}, {"do": "warm_up", "batch": [[3]], "passes": 1},
                        {"do": "measure", "passes": 1}):
            self.assert_refused(self.program.ask(model=0, **request))

    def test_logits_depend_neither_on_padding_nor_on_order_nor_on_what_was_computed_before(self):
        self.prepare()

        def logits(batch):
            return self.program.ask(do="run", model=0, batch=batch)["logits"]

        together, alone = logits(BATCH), [logits([text])[0] for text in BATCH]
        backwards = logits(BATCH[::-1])[::-1]
        self.assertEqual(together, logits(BATCH))
        for rows in zip(together, alone, backwards):
            for values in zip(*rows):
                self.assertLess(max(values) - min(values), 1e-4)

    def test_it_ends_when_it_is_asked_to(self):
        self.assertEqual(self.program.ask(do="quit"), {"id": self.program.next_id})
        self.assertEqual(self.program.process.wait(60), 0)
        self.assertEqual(self.program.process.stdout.read(), b"", "nothing follows the last answer")

    def test_the_end_of_its_input_ends_it(self):
        self.program.ask(do="hello", protocol=1)
        self.program.process.stdin.close()
        self.assertEqual(self.program.process.wait(60), 0)

    def test_a_line_beyond_the_limit_is_no_request(self):
        # It may end, or refuse the line and go on; it must not carry it out.
        try:
            answer = self.program.exchange(b'{"id":1,"do":"hello","protocol":1,"x":"' + b"x" * MAX_LINE + b'"}')
        except BrokenPipeError:
            return
        if answer:
            self.assert_refused(json.loads(answer))


def suite_of(name, command, folder, format_name):
    case = type(f"ProtocolTest_{name}", (ProtocolTest,), {"COMMAND": command, "FOLDER": str(folder), "FORMAT": format_name})
    return unittest.defaultTestLoader.loadTestsFromTestCase(case)


def has(runtime):
    server = Program([PYTHON, SERVER, runtime])
    try:
        return "error" not in server.ask(do="hello", protocol=1)
    except (AssertionError, OSError, ValueError):
        return False
    finally:
        server.close()


def installed_runtimes(root):
    """A suite for each runtime that the Python has, with a model exported for it."""
    if not pathlib.Path(PYTHON).exists() or not pathlib.Path(TORCH_PYTHON).exists():
        print("only the example is tested: there is no .venv-runtimes; run scripts/setup.sh --all")
        return
    model = subprocess.run([TORCH_PYTHON, "-W", "ignore", "-c", MAKE, ROOT, root / "model"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.strip()
    for name, format_name in FORMATS.items():
        if not has(name):
            print(f"{name} is not tested: {PYTHON} does not have it")
            continue
        folder = root / name
        subprocess.run([BIN / "quant-export", model, "--to", format_name, "--out", folder], check=True)
        yield suite_of(name, [PYTHON, SERVER, name], folder, format_name)


def example(root):
    folder = root / "example"
    folder.mkdir()
    (folder / "config.json").write_text('{"num_labels": 3, "pad_token_id": 0}')
    return suite_of("example", [sys.executable, ROOT / "tests/runtimes/fake_runtime.py"], folder, "folder")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, help="folder of an exported model")
    parser.add_argument("--format", default="folder")
    options = parser.parse_args()
    if options.program and not options.model:
        parser.error("--program needs --model FOLDER, a model that quant-export wrote in --format")
    root = pathlib.Path(tempfile.mkdtemp(prefix="quantlab-protocol-"))
    try:
        if options.program:
            suites = [suite_of("own", [options.program.resolve()], options.model.resolve(), options.format)]
        else:
            suites = [example(root), *installed_runtimes(root)]
        result = unittest.TextTestRunner(verbosity=1).run(unittest.TestSuite(suites))
        return 0 if result.wasSuccessful() else 1
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    sys.exit(main())
