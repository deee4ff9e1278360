"""Holds the documents to what there is: links, anchors, commands and options, and both guides alike."""

import functools
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin"))
GUIDES = ("docs/en/user-guide.md", "docs/zh/使用说明.md")
# Each document in Chinese and in English.
OPERATIONS = ("docs/zh/运维指南.md", "docs/en/operations.md")
CITING = (("docs/zh/理论基础.md", "docs/en/theory.md"), ("docs/zh/实验设计.md", "docs/en/experimental-design.md"))
REFERENCES = ("docs/zh/参考文献.md", "docs/en/references.md")
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
    """Of headings as GitHub makes them (lower case, punctuation dropped, spaces to dashes), and those set by hand."""
    for title in re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    yield from re.findall(r'<a id="([^"]+)">', text)


def code_blocks(text, language="sh"):
    return re.findall(rf"^```(?:{language})\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


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


def commands_of(program, *words):
    """Subcommands as --help lists them."""
    text = help_of(program, *words)
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


def index_rows():
    """(Chinese links, English links) of each row of docs/README.md."""
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|([^|]*)\|$", (ROOT / "docs/README.md").read_text(encoding="utf-8"),
                      flags=re.MULTILINE)
    return [(LINK.findall(chinese), LINK.findall(english)) for chinese, english in rows if LINK.search(english)]


def language_pairs():
    """(Chinese, English) path of each document that exists in both languages."""
    yield ROOT / "README.zh-CN.md", ROOT / "README.md"
    for chinese, english in index_rows():
        if chinese:
            yield (ROOT / "docs" / chinese[0]).resolve(), (ROOT / "docs" / english[0]).resolve()


def heading_levels(path):
    return re.findall(r"^(#+) ", prose(path.read_text(encoding="utf-8")), flags=re.MULTILINE)


class IndexTest(unittest.TestCase):
    def test_every_document_is_listed_with_its_other_language(self):
        rows = index_rows()
        self.assertGreater(len(rows), 10)
        # The contributor's page and the decisions themselves are in English.
        alone = [english for chinese, english in rows if len(chinese) != 1]
        self.assertEqual(alone, [["../CONTRIBUTING.md"]])
        listed = {target for row in rows for targets in row for target in targets}
        there = {path.relative_to(ROOT / "docs").as_posix() for language in ("en", "zh")
                 for path in (ROOT / "docs" / language).rglob("*.md")}
        self.assertEqual(sorted(there - listed), [])


class GuideTest(unittest.TestCase):
    def test_both_languages_have_the_same_examples(self):
        for documents in (GUIDES, OPERATIONS):
            first, second = (
                [re.sub(r"\s*#.*", "", block) for block in code_blocks((ROOT / document).read_text(encoding="utf-8"),
                                                                       "sh|yaml|ini")] for document in documents)
            self.assertEqual(first, second)

    def test_both_languages_have_the_same_tables(self):
        for documents in (GUIDES, OPERATIONS):
            first, second = (re.findall(r"^\| (`[^|、,]*`|\d+) \|", (ROOT / document).read_text(encoding="utf-8"),
                                        flags=re.MULTILINE) for document in documents)
            self.assertEqual(first, second)

    def test_both_languages_have_the_same_sections(self):
        pairs = list(language_pairs())
        self.assertGreater(len(pairs), 15)
        for chinese, english in pairs:
            self.assertEqual(heading_levels(chinese), heading_levels(english), english.name)

    def test_both_languages_have_as_many_table_rows_and_list_items(self):
        for chinese, english in language_pairs():
            if english.name == "style.md":
                continue  # each lists the words of its own language
            texts = [prose(path.read_text(encoding="utf-8")) for path in (chinese, english)]
            for pattern in (r"^\|", r"^\s*(?:[-*]|\d+\.) "):
                first, second = (len(re.findall(pattern, text, flags=re.MULTILINE)) for text in texts)
                self.assertEqual(first, second, english.name)

    def test_datasets_of_the_design_are_in_the_catalogue(self):
        catalog = (ROOT / "configs/catalog.yaml").read_text(encoding="utf-8")
        for document in CITING[1]:
            names = re.findall(r"^\| `([a-z0-9]+)`[^|]*\[\[", (ROOT / document).read_text("utf-8"), flags=re.MULTILINE)
            self.assertGreater(len(names), 2, document)
            for name in names:
                self.assertRegex(catalog, rf"(?m)^  {name}:$")

    def test_sizes_of_the_quick_experiment_are_those_of_its_file(self):
        file = (ROOT / "configs/quick.yaml").read_text(encoding="utf-8")
        sizes = dict(re.findall(r"(train|validation|test)_size: (\d+)", file))
        train, validation, test = (f"{int(sizes[split]):,}" for split in ("train", "validation", "test"))
        for document in CITING[1]:
            text = re.sub(r"\s+", " ", (ROOT / document).read_text(encoding="utf-8"))
            self.assertRegex(text, rf"{train} for training, {validation} for validation, {test} for the test|"
                             rf"训练 {train} 条，验证 {validation} 条，测试 {test} 条", document)
        for guide in GUIDES:
            self.assertRegex((ROOT / guide).read_text(encoding="utf-8"), rf"on {train} reviews|在 {train} 条影评上")

    def test_experiment_files_that_are_named_exist(self):
        for path in documents():
            for name in re.findall(r"configs/[\w.-]+\.yaml", path.read_text(encoding="utf-8")):
                if name != "configs/my.yaml":
                    self.assertTrue((ROOT / name).exists(), f"{path.name}: {name}")


class PictureTest(unittest.TestCase):
    def test_the_architecture_is_as_its_script_draws_it(self):
        path = ROOT / "docs/images/architecture_svg.py"
        spec = importlib.util.spec_from_file_location("architecture_svg", path)
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        for language, name in enumerate(script.NAMES):
            self.assertEqual(script.draw(language), (path.parent / name).read_text(encoding="utf-8"), name)


class ReferenceTest(unittest.TestCase):
    def entries(self, document):
        text = (ROOT / document).read_text(encoding="utf-8")
        return re.findall(r'^(\d+)\. <a id="ref-(\d+)"></a>(.+)$', text, flags=re.MULTILINE)

    def test_both_languages_list_the_same_works_in_order(self):
        chinese, english = (self.entries(document) for document in REFERENCES)
        self.assertEqual(chinese, english)
        self.assertGreater(len(english), 30)
        self.assertEqual([(int(n), int(anchor)) for n, anchor, _ in english],
                         [(n, n) for n in range(1, len(english) + 1)])

    def test_every_work_is_cited_and_every_citation_is_a_work(self):
        for references, *documents in zip(REFERENCES, *CITING):
            cited = set()
            for document in documents:
                text = (ROOT / document).read_text(encoding="utf-8")
                for number, page, anchor in re.findall(r"\[(\d+)\]\(([^)#]+)#ref-(\d+)\)", text):
                    self.assertEqual((number, page), (anchor, pathlib.Path(references).name), document)
                    cited.add(number)
            self.assertEqual(cited, {number for number, _, _ in self.entries(references)}, references)

    def test_works_that_reports_cite_are_listed(self):
        code = (ROOT / "report/text/references.cc").read_text(encoding="utf-8")
        listed = (ROOT / REFERENCES[1]).read_text(encoding="utf-8")
        cited = set(re.findall(r"arXiv:\d{4}\.\d{5}", code))
        self.assertGreater(len(cited), 5)
        self.assertEqual([work for work in sorted(cited) if work not in listed], [])


class FormulaTest(unittest.TestCase):
    """What GitHub needs to recognise a formula between dollars."""

    def test_formulas_within_lines_are_closed_and_stand_apart(self):
        for document in (*CITING[0], *CITING[1]):
            for paragraph in prose((ROOT / document).read_text(encoding="utf-8")).split("\n\n"):
                self.assertEqual(paragraph.count("$") % 2, 0, f"{document}: {paragraph[:60]}")
                for formula in re.finditer(r"(.?)\$([^$]+)\$(.?)", paragraph):
                    self.assertIsNone(re.search(r"\w", formula[1] + formula[3]), f"{document}: {formula[0]}")
                    self.assertIsNone(re.search(r"\\[^A-Za-z]|^ | $", formula[2]), f"{document}: {formula[0]}")

    def test_both_languages_have_the_same_displayed_formulas(self):
        for documents in CITING:
            chinese, english = (re.findall(r"^```math\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"),
                                           flags=re.MULTILINE | re.DOTALL) for document in documents)
            self.assertEqual(chinese, english)


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
                        nested = words.split(first, 1)[1].split()[:1]
                        if nested and nested[0] in commands_of(program, first):
                            known |= options_of(help_of(program, first, *nested))
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

    def test_environment_variables_are_documented_and_no_others(self):
        if not (BIN / "quantctl").exists():
            self.skipTest("quantctl is not built")
        known = set(re.findall(r"QUANTLAB_[A-Z]+(?:_[A-Z]+)*", help_of("quantctl")))
        for folder in ("catalog", "client", "server", "worker"):
            for path in (ROOT / folder).rglob("*.cc"):
                if not path.name.endswith("_test.cc") and "testing" not in path.parts:
                    known |= set(re.findall(r'ironment(?:Variable)?\("(QUANTLAB_[A-Z_]+)"\)', path.read_text(encoding="utf-8")))
        known |= set(re.findall(r'"(QUANTLAB_[A-Z_]+)"', (ROOT / "runtimes/runtime_commands.h").read_text(encoding="utf-8")))
        self.assertGreater(len(known), 6)
        for guide in GUIDES:
            text = (ROOT / guide).read_text(encoding="utf-8")
            self.assertEqual(set(re.findall(r"QUANTLAB_[A-Z]+(?:_[A-Z]+)*", text)), known, guide)

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
        if words[0] in ("validate", "list", "workers", "methods", "catalog", "version", "help", "completion", "man"):
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

    def test_documents_of_a_service_are_as_documented(self):
        text = (ROOT / "docs/en/json.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `quantctl ([^`]+)` \| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE)
        fields = {}
        for _, schema, cell in rows:
            fields.setdefault(schema, set(re.findall(r"`(\w+)`", cell)))
        service = subprocess.Popen([BIN / "quantctl", "serve", "--no-worker", "-o", "json"], cwd=ROOT, text=True,
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(service.stdout.close)
        self.addCleanup(service.wait, 60)
        self.addCleanup(service.terminate)
        lines = []
        for line in service.stdout:
            lines.append(line)
            if line == "}\n":
                break
        documents = {"serve": json.loads("".join(lines))}
        for words in (["admin", "add-user", "alice"], ["admin", "add-worker", "gpu1"], ["admin", "list"],
                      ["admin", "revoke", "alice"], ["methods"], ["catalog"], ["du"], ["gc"], ["stop"]):
            run = self.quantctl(*words, "-o", "json")
            self.assertEqual(run.returncode, 0, run.stderr)
            documents[" ".join(words)] = json.loads(run.stdout)
        schemas = {command: schema for command, schema, _ in rows}
        for command, document in documents.items():
            with self.subTest(command=command):
                self.assertEqual((document.pop("schema"), document.pop("version")), (f"quantlab/{schemas[command]}", 2))
                self.assertEqual(set(document), fields[schemas[command]])

    def test_keys_of_the_settings_file_are_documented_and_no_others(self):
        settings = pathlib.Path(self.folder) / "settings.yaml"
        settings.write_text("zzz: 1\n", encoding="utf-8")
        self.environment["QUANTLAB_CONFIG"] = str(settings)
        run = self.quantctl("list")
        self.assertEqual(run.returncode, 3, run.stderr)
        allowed = re.search(r"allowed: (.+)", run.stderr).group(1).split(", ")
        for guide in GUIDES:
            text = (ROOT / guide).read_text(encoding="utf-8")
            table = re.findall(r"^\| `([a-z_]+)` \| `QUANTLAB_", text, flags=re.MULTILINE)
            self.assertEqual(table, allowed, guide)

    def plan(self, name):
        """The configurations of a file's runs."""
        run = self.quantctl("validate", f"configs/{name}", "-o", "json")
        self.assertEqual(run.returncode, 0, run.stderr)
        return [{**entry["config"], "needs": entry.get("needs")} for entry in json.loads(run.stdout)["experiment"]["runs"]]

    def test_every_experiment_file_is_valid_or_included_by_one_that_is(self):
        names = {path.name for path in (ROOT / "configs").glob("*.yaml")} - {"catalog.yaml"}
        included = set()
        for name in names:
            text = (ROOT / "configs" / name).read_text(encoding="utf-8")
            for files in re.findall(r"^include: \[(.*)\]$", text, flags=re.MULTILINE):
                included |= {file.strip() for file in files.split(",")}
        self.assertLessEqual(included, names)
        for name in sorted(names - included | {"quick.yaml"}):
            with self.subTest(file=name):
                self.assertGreater(len(self.plan(name)), 2)

    def test_the_divided_experiment_is_the_quick_one(self):
        self.assertEqual(self.plan("experiment_config.yaml"), self.plan("quick.yaml"))


if __name__ == "__main__":
    unittest.main()
