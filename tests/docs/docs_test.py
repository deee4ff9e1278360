"""Holds the documents to what there is: links, anchors, commands and options, and both guides alike."""

import functools
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin"))
GUIDES = ("docs/guide.md", "docs/guide.zh-CN.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAMS = ("quantctl", "quant-coordinator", "quant-worker", "quant-runner")


def documents():
    """The project's Markdown but for golden files and what is built or installed."""
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts
        if parts[0] not in ("build", ".venv", ".venv-tests", "results") and parts[:2] != ("tests", "golden"):
            yield path


def prose(text):
    """Without code blocks, in which brackets are no links."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """As GitHub makes them: lower case, punctuation dropped, spaces to dashes."""
    for title in re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def code_blocks(text):
    return re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def command_lines(program):
    """(document, command line) of each use of a program in a code block or in a table's first column."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        lines = [line for block in code_blocks(text) for line in block.splitlines()]
        lines += re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
        for line in lines:
            line = line.split("#")[0].strip()
            match = re.search(rf"(?:^|[ (/]){re.escape(program)}( .*|$)", line)
            if match:
                yield path.relative_to(ROOT).as_posix(), match.group(1)


@functools.lru_cache(maxsize=None)
def help_of(program, *words):
    run = subprocess.run([BIN / program, *words, "--help"], capture_output=True, text=True, timeout=60)
    return run.stdout + run.stderr


def commands_of(program):
    """Subcommands as --help lists them."""
    text = help_of(program)
    section = re.search(r"^(?:Subcommands|SUBCOMMANDS):\n((?:[ \t]+.*\n?)+)", text, flags=re.MULTILINE)
    return set(re.findall(r"^  (\w[\w-]*)", section.group(1), flags=re.MULTILINE)) if section else set()


def options_of(text):
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", text))


class LinkTest(unittest.TestCase):
    def test_links_and_anchors_resolve(self):
        broken = []
        for path in documents():
            for target in LINK.findall(prose(path.read_text(encoding="utf-8"))):
                if re.match(r"[a-z]+:", target):
                    continue
                file, _, anchor = target.partition("#")
                there = (path.parent / file).resolve() if file else path
                if not there.exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
                elif anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
                    broken.append(f"{path.relative_to(ROOT)}: {target} (no such heading)")
        self.assertEqual(broken, [])

    def test_there_are_documents_with_links(self):
        self.assertGreater(len(list(documents())), 10)


class GuideTest(unittest.TestCase):
    def test_both_languages_have_the_same_examples(self):
        english, chinese = (
            [re.sub(r"\s*#.*", "", block) for block in code_blocks((ROOT / guide).read_text(encoding="utf-8"))]
            for guide in GUIDES
        )
        self.assertEqual(english, chinese)

    def test_both_languages_have_the_same_tables(self):
        first_cells = [
            [cell for cell in re.findall(r"^\| (`[^|]*`|\d+) \|", (ROOT / guide).read_text(encoding="utf-8"),
                                         flags=re.MULTILINE) if not re.search(r"[\u4e00-\u9fff]| says ", cell)]
            for guide in GUIDES
        ]
        self.assertEqual(first_cells[0], first_cells[1])

    def test_experiment_files_that_are_named_exist(self):
        for path in documents():
            for name in re.findall(r"configs/[\w.-]+\.yaml", path.read_text(encoding="utf-8")):
                if name != "configs/my.yaml":
                    self.assertTrue((ROOT / name).exists(), f"{path.name}: {name}")


class OperationsTest(unittest.TestCase):
    def test_metrics_of_the_coordinator_are_documented_and_no_others(self):
        code = ROOT / "server/service/metrics.cc"
        if not code.exists():
            self.skipTest("there is no coordinator yet")
        served = set(re.findall(r'"(quantlab_[a-z_]+)"', code.read_text(encoding="utf-8")))
        text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"^\| `(quantlab_[a-z_]+)`", text, flags=re.MULTILINE)), served)


class CommandTest(unittest.TestCase):
    def test_every_command_and_option_of_the_documents_exists(self):
        for program in PROGRAMS:
            if not (BIN / program).exists():
                continue
            commands = commands_of(program)
            self.assertTrue(commands or program == "quant-coordinator", f"{program} --help lists no commands")
            general = options_of(help_of(program))
            for document, words in command_lines(program):
                with self.subTest(program=program, document=document, words=words):
                    first = next((w for w in words.split() if re.fullmatch(r"[a-z][a-z-]*", w)), "")
                    known = set(general)
                    if first in commands:
                        known |= options_of(help_of(program, first))
                    elif not words.split() or not words.split()[0].startswith("-"):
                        self.assertTrue(first == "" or first in commands or not commands, f"no command {first}")
                    self.assertEqual(sorted(options_of(words.split(" | ")[0]) - known), [])

    def test_every_command_of_quantctl_is_in_both_guides(self):
        if not (BIN / "quantctl").exists():
            self.skipTest("quantctl is not built")
        commands = commands_of("quantctl")
        self.assertGreater(len(commands), 10)
        for guide in GUIDES:
            text = (ROOT / guide).read_text(encoding="utf-8")
            missing = [command for command in commands if f"`quantctl {command}" not in text]
            self.assertEqual(missing, [], guide)

    def test_exit_codes_are_those_of_quantctl(self):
        if not (BIN / "quantctl").exists():
            self.skipTest("quantctl is not built")
        run = subprocess.run([BIN / "quantctl", "help", "exit-codes"], capture_output=True, text=True, timeout=60)
        codes = set(re.findall(r"^ +(\d+)  ", run.stdout, flags=re.MULTILINE))
        self.assertGreater(len(codes), 5)
        for guide in GUIDES:
            documented = set(re.findall(r"^\| (\d+) \|", (ROOT / guide).read_text(encoding="utf-8"), re.MULTILINE))
            self.assertEqual(documented, codes, guide)


def runnable_commands():
    """Commands of the guide's table that need no experiment, with their placeholders filled in."""
    text = (ROOT / GUIDES[0]).read_text(encoding="utf-8")
    for line in re.findall(r"^\| `quantctl ([^`]+)` \|", text, flags=re.MULTILINE):
        words = re.sub(r"\[[^\[\]]*(\[[^\]]*\])?\]", "", line).replace("FILE", "configs/quick.yaml").split()
        if words[0] in ("validate", "list", "workers", "methods", "catalog", "version", "help", "completion"):
            yield words
    yield ["metrics", "--list"]
    yield ["help", "exit-codes"]
    yield ["validate", "configs/imdb_minilm.yaml", "-o", "json"]


@unittest.skipUnless(all((BIN / name).exists() for name in PROGRAMS), "the programs are not built")
class RunTest(unittest.TestCase):
    """Without a worker and without LibTorch: the service of one's own that quantctl starts."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ql-docs-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.environment = {**os.environ, "HOME": self.folder, "QUANTLAB_DATA_DIR": f"{self.folder}/data"}
        for name in ("QUANTLAB_COORDINATOR", "QUANTLAB_CONFIG", "QUANTLAB_CATALOG", "XDG_CONFIG_HOME"):
            self.environment.pop(name, None)

    def quantctl(self, *words):
        return subprocess.run([BIN / "quantctl", *words], cwd=ROOT, env=self.environment, capture_output=True,
                              text=True, timeout=120)

    def test_commands_that_need_no_experiment_work_as_written(self):
        commands = list(runnable_commands())
        self.assertGreater(len(commands), 8)
        for words in commands:
            with self.subTest(command=words):
                run = self.quantctl(*words)
                self.assertEqual(run.returncode, 0, run.stderr)
                if words[0] not in ("list", "workers"):
                    self.assertNotEqual(run.stdout, "")

    def test_errors_have_the_exit_codes_of_the_guide(self):
        bad = pathlib.Path(self.folder) / "bad.yaml"
        bad.write_text("experiments: {baseline: {}}\nlerning_rate: 1\n", encoding="utf-8")
        for code, words in ((2, ["no-such-command"]), (3, ["validate", str(bad)]), (4, ["get", "latest"]),
                            (4, ["validate", f"{self.folder}/none.yaml"]),
                            (5, ["--coordinator", f"unix:{self.folder}/nobody.sock", "list"])):
            with self.subTest(command=words):
                run = self.quantctl(*words)
                self.assertEqual(run.returncode, code, run.stderr)
                self.assertNotEqual(run.stderr, "")

    def test_the_small_file_of_the_guide_is_valid(self):
        text = (ROOT / GUIDES[0]).read_text(encoding="utf-8")
        small = re.search(r"^```yaml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL).group(1)
        path = pathlib.Path(self.folder) / "small.yaml"
        path.write_text(small, encoding="utf-8")
        run = self.quantctl("validate", str(path))
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    unittest.main()
