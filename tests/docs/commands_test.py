"""Runs what the documents tell people to type, as written, with the real programs on a tiny experiment.

A block is run by bash in a folder that looks like a source tree after scripts/run.sh: build/release/bin, configs/ with a
tiny quick.yaml, a model, reviews. What a block cannot have here stands in NOT_RUN and STANDS_FOR, with the reason.
The Chinese documents have the same blocks; docs_test.py holds them to that.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/en/user-guide.md", "docs/en/operations.md")

# First line of a block -> why it is not run here. An entry that no document has any longer is an error.
NOT_RUN = {
    "scripts/setup.sh": "installs packages as root",
    "scripts/setup.sh --tests": "installs packages as root; then runs this very test",
    "scripts/run.sh": "installs packages as root, builds everything, and runs the full experiment",
    "scripts/test.sh": "runs this very test",
    "python3 -m venv ~/runtimes": "installs runtimes of several hundred megabytes into the home folder",
}

# A word of the documents -> what stands for it here.
STANDS_FOR = {
    "quant-worker --data-dir /var/lib/quantlab/worker": "quant-worker --data-dir {folder}/var/joined",
    "/run/quantlab": "{folder}/run",
    "/var/lib/quantlab": "{folder}/var",
    "/backup": "{folder}/backup",
    "MODEL_DIR": "results/quick/dynamic_quant/model",
    # The other end of the tunnel: a coordinator of this machine, on a free port.
    "ssh -N -L 7070:127.0.0.1:7070 coordinator-host &": "true",
    "127.0.0.1:7070": "{tunnel}",
    # Other machines are this one.
    "/etc/quantlab": "{folder}/etc",
    "0.0.0.0:7420": "{remote}",
    "coordinator.example:7420": "{remote}",
    "--host coordinator.example": "--host 127.0.0.1",
    "sh join-gpu1": "sed 's#/var/lib/quantlab/worker#{folder}/var/joined#' join-gpu1 | sh",
}

SERVICE = re.compile(r"^(?:quant-coordinator (?!.*--restore)|quant-worker (?!fetch)|sleep )")
ONE_LANGUAGE = "report: {language: en}\n"  # setting a page takes longer than the tiny experiment
TINY_LATENCY = """\
  batch_size: 32
  latency: {batch_sizes: [1], sequence_lengths: [16], warmup_iterations: 1, min_samples: 10, min_duration: 0.1, processes: 2}
"""
QUICK = (worlds.EXPERIMENT.replace("name: tiny", "name: quick").replace("./model", "../my-model")
         .replace("./reviews.csv", "../tiny.csv") + ONE_LANGUAGE)
BERT_BASE = """\
name: imdb_bert_base
threads: 1
experiments:
  baseline: {enabled: true, model: bert-base-uncased, dataset: aclimdb}
  dynamic_quantization: {enabled: true, dtype: qint8}
  comparison: {enabled: true}
dataset: {max_length: 24}
training: {epochs: 1, batch_size: 8, learning_rate: 0.002}
evaluation:
""" + TINY_LATENCY + ONE_LANGUAGE


def blocks(document, language):
    text = (worlds.ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def write_acl_imdb(folder, rows):
    for row, line in enumerate(rows):
        text, label = line.rsplit(",", 1)
        part = "test" if row % 4 == 0 else "train"
        path = folder / part / ("pos" if label == "1" else "neg") / f"{row}_5.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class SourceTree(worlds.World):
    """What a user has before them after scripts/run.sh, and the services that were started in it."""

    def __init__(self):
        super().__init__()
        self.services = []
        self.tunnel, self.remote = (f"127.0.0.1:{worlds.free_port()}" for _ in range(2))
        worlds.make_model(self.folder / "my-model", positions=256)
        self.experiment.unlink()
        rows = (self.folder / "reviews.csv").read_text().splitlines()[1:]
        self.write("tiny.csv", "text,label\n" + "\n".join(rows) + "\n")
        self.write("reviews.csv", "review,sentiment\n" + "".join(
            f"{line[:-1]}{'positive' if line[-1] == '1' else 'negative'}\n" for line in rows))
        self.write("lines.txt", "good great film\nbad\n")
        self.write("pairs.txt", "good film\tgreat film\n")
        write_acl_imdb(self.folder / "aclImdb", rows)
        (self.folder / "models").mkdir()
        shutil.copytree(self.folder / "my-model", self.folder / "models/bert-base-uncased")
        shutil.copytree(worlds.ROOT / "configs", self.folder / "configs")
        self.write("configs/quick.yaml", QUICK)
        self.write("configs/imdb_bert_base.yaml", BERT_BASE)
        self.write("my.yaml", blocks("README.md", "yaml")[0] + "evaluation:\n" + TINY_LATENCY + ONE_LANGUAGE)
        (self.folder / "build/release").mkdir(parents=True)
        (self.folder / "build/release/bin").symlink_to(worlds.BIN.resolve())
        for name in ("run", "var", "backup"):
            (self.folder / name).mkdir()

    def provide(self, role, place):
        """Puts a model or a dataset where an example names one."""
        if place.exists():
            return
        if role == "model":
            shutil.copytree(self.folder / "my-model", place)
        else:
            shutil.copy(self.folder / "reviews.csv", place)

    def environment(self):
        environment = super().environment()
        environment["PATH"] = f"{worlds.BIN.resolve()}:{environment['PATH']}"
        if "QUANTLAB_PYTHON" in os.environ:
            environment["QUANTLAB_PYTHON"] = os.environ["QUANTLAB_PYTHON"]
        return environment

    def localise(self, command):
        for theirs, ours in STANDS_FOR.items():
            command = command.replace(theirs, ours.format(folder=self.folder, tunnel=self.tunnel, remote=self.remote))
        return command

    def serve(self, command):
        """Starts what does not end by itself, and waits until it serves."""
        log = self.folder / f"service-{len(self.services)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment(),
                                       stdout=output, stderr=subprocess.STDOUT)
        self.services.append(process)
        ready = "ready " if command.startswith("quant-coordinator") else "worker"
        deadline = time.monotonic() + 60
        while ready not in log.read_text() and time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"{command} ended with {process.returncode}:\n{log.read_text()}")
            time.sleep(0.02)

    def bash(self, script, timeout=400):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)

    def run_block(self, block):
        """The lines before a service together, then the service in the background, and so on."""
        lines, failure = [], None
        for line in [*self.localise(block).splitlines(), "sleep "]:
            if not SERVICE.match(line):
                lines.append(line)
                continue
            done = self.bash("\n".join(lines))
            # `decide` ends with 4 where none qualifies, as on a machine whose timings are unreliable.
            expected = (0, 4) if lines and lines[-1].startswith("quantctl decide") else (0,)
            if done.returncode not in expected:
                failure = failure or f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
            lines = []
            if line != "sleep ":
                self.serve(line)
        return failure

    def stop_services(self):
        for process in reversed(self.services):
            process.terminate()
        for process in self.services:
            process.wait(timeout=60)
        self.services = []

    def close(self):
        self.stop_services()
        super().close()


def has_gpu():
    run = subprocess.run([worlds.BIN / "quant-runner", "info"], capture_output=True, text=True, timeout=120)
    return '"cuda"' in run.stdout


class BlockTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = SourceTree()
        cls.addClassCleanup(cls.tree.close)
        done = cls.tree.quantctl("run", "configs/quick.yaml", timeout=400)
        assert done.returncode == 0, done.stderr

    def reason_not_to_run(self, block):
        first = block.splitlines()[0]
        for start, reason in NOT_RUN.items():
            if re.match(rf"{re.escape(start)}(\s|$)", first):
                return reason
        if "--devices cuda" in block and not has_gpu():
            return "needs a GPU"
        if first.startswith("quant-worker fetch"):
            assets = os.environ.get("QUANTLAB_ASSETS", pathlib.Path.home() / ".cache/quantlab/assets")
            if not pathlib.Path(assets).is_dir():
                return "needs the network, since nothing has been fetched yet"
        return None

    def run_document(self, document):
        self.addCleanup(self.tree.stop_services)
        text = (worlds.ROOT / document).read_text(encoding="utf-8")
        if "coordinator-host" in text:
            self.tree.serve(f"quant-coordinator --data-dir {self.tree.folder}/tunnel --listen {self.tree.tunnel} "
                            "--catalog configs/catalog.yaml --metrics-listen off")
        for block in blocks(document, "sh"):
            with self.subTest(document=document, block=block):
                reason = self.reason_not_to_run(block)
                if reason is not None:
                    continue
                if block.startswith("quant-worker fetch"):
                    block = f"export QUANTLAB_ASSETS={self.real_assets()}\n{block}"
                self.assertIsNone(self.tree.run_block(block))

    @staticmethod
    def real_assets():
        return os.environ.get("QUANTLAB_ASSETS", pathlib.Path.home() / ".cache/quantlab/assets")

    def test_blocks_of_the_readme(self):
        self.run_document("README.md")

    def test_blocks_for_contributors(self):
        self.run_document("CONTRIBUTING.md")

    def test_blocks_of_the_users_guide(self):
        self.run_document("docs/en/user-guide.md")

    def test_blocks_for_operators(self):
        self.run_document("docs/en/operations.md")

    def test_reasons_not_to_run_are_still_needed(self):
        firsts = [block.splitlines()[0] for document in DOCUMENTS for block in blocks(document, "sh")]
        for start in NOT_RUN:
            self.assertTrue(any(first.startswith(start) for first in firsts), start)
        everything = "".join(block for document in DOCUMENTS for block in blocks(document, "sh"))
        for word in STANDS_FOR:
            self.assertIn(word, everything)


class ExampleFileTest(unittest.TestCase):
    def test_experiment_files_of_the_documents_are_valid(self):
        with SourceTree() as tree:
            examples = [block for document in DOCUMENTS for block in blocks(document, "yaml")
                        if re.search(r"^(experiments|include):", block, flags=re.MULTILINE)]
            self.assertGreater(len(examples), 3)
            for number, example in enumerate(examples):
                with self.subTest(example=example):
                    folder = "configs" if "include:" in example else "."
                    path = tree.write(f"{folder}/example{number}.yaml", example)
                    for role, name in re.findall(r"(model|dataset): (\./[^,}\s]+)", example):
                        tree.provide(role, tree.folder / folder / name)
                    done = tree.quantctl("validate", path)
                    self.assertEqual(done.returncode, 0, done.stderr)


class TableTest(unittest.TestCase):
    """Each row of the guide's table of commands, with an experiment to act on."""

    # Command -> what must have been done before it, so that there is something for it to act on.
    BEFORE = {
        "cancel": ["submit configs/quick.yaml --no-reuse"],
        "retry": ["submit configs/quick.yaml --no-reuse", "cancel latest"],
        "stop": ["submit configs/quick.yaml"],
        "watch": ["submit configs/quick.yaml"],
        "compare": ["run configs/quick.yaml"],
        "delete": ["run configs/quick.yaml"],
    }
    # What ends only with Ctrl-C, or asks -> the option with which it ends by itself.
    ENDING = {"serve": ["--until-eof"], "delete": ["--yes"]}
    PLACES = {"EXPERIMENT EXPERIMENT…": "TWO", "EXPERIMENT/RUN": "latest/baseline", "EXPERIMENT": "latest", "FILE": "configs/quick.yaml",
              "METHOD": "dynamic_quantization", "KEY": "training.epochs", "TOPIC": "exit-codes", "SHELL": "bash", "ARTIFACT…": "baseline/predictions.csv"}

    def command_lines(self):
        """Each command without and with what is optional."""
        text = (worlds.ROOT / DOCUMENTS[2]).read_text(encoding="utf-8")
        for row in re.findall(r"^\| `quantctl ([^`]+)` \|", text, flags=re.MULTILINE):
            short = re.sub(r"\[[^\[\]]*(\[[^\]]*\])?\]", "", row)
            whole = re.sub(r"[\[\]]", "", row)
            for words in dict.fromkeys((short, whole)):
                for place, value in self.PLACES.items():
                    words = words.replace(place, value)
                yield words.split()

    @staticmethod
    def two_experiments(tree):
        listed = json.loads(tree.quantctl("list", "-o", "json").stdout)
        return [experiment["id"] for experiment in listed["experiments"][:2]]

    def test_every_command_of_the_table_works(self):
        with SourceTree() as tree:
            done = tree.quantctl("run", "configs/quick.yaml", "--keep", timeout=400)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = sorted(self.command_lines(), key=lambda words: (words[0] == "stop", words[0] in self.BEFORE))
            self.assertGreater(len(lines), 25)
            for words in lines:
                with self.subTest(command=words):
                    for before in self.BEFORE.get(words[0], []):
                        self.assertEqual(tree.quantctl(*before.split(), timeout=400).returncode, 0, before)
                    if "TWO" in words:
                        words = [words[0], *self.two_experiments(tree)]
                    done = tree.quantctl(*words, *self.ENDING.get(words[0], []), timeout=400, stdin=subprocess.DEVNULL)
                    # 4: none qualifies, as on a machine whose timings are unreliable.
                    expected = {"cancel": (0, 6), "decide": (0, 4)}.get(words[0], (0,))
                    self.assertIn(done.returncode, expected, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
