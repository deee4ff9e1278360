"""Checks the dependencies of the modules: which module may include which, and which library each may see."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# Module -> modules whose headers its files may include, besides itself, base and (see below) platform.
ALLOWED = {
    "base": set(),
    "platform": set(),
    "security": set(),
    "logging": set(),
    "monitoring": set(),
    "yaml": set(),
    "catalog": {"yaml"},
    "proto": {"quantlab", "security"},  # quantlab/v1/*.pb.h is the generated contract
    "codec": set(),
    "model_folder": set(),
    "runtimes": set(),
    "export": {"model_folder", "runtimes", "worker/engine/families"},
    "storage/sql": {"codec"},
    "storage/sqlite": {"storage/sql"},
    "storage": {"storage/sql", "storage/sqlite"},
    "report/facts": set(),
    "report/tables": {"report/facts"},
    "report/figures": {"report/facts"},
    "report/text": {"report/facts"},
    "report": {"report/facts", "report/tables", "report/figures", "report/text"},
    "server/core": set(),
    "server/config": {"server/core", "catalog", "model_folder", "yaml"},
    "server/service": {"server/core", "server/config", "catalog", "logging", "monitoring", "proto", "quantlab", "security"},
    "server/service/testing": {"server/core", "server/config", "server/service", "catalog", "logging", "storage",
                               "proto", "quantlab"},
    "server/main": {"server/core", "server/config", "server/service", "catalog", "logging", "monitoring", "storage", "proto",
                    "quantlab", "security", "yaml"},
}

# Pure functions and state machines: they use nothing of the operating system.
WITHOUT_PLATFORM = {"base", "platform", "codec", "yaml", "server/core"} | {
    module for module in ALLOWED if module.startswith("report")}

# The engine is a ladder: each folder may include those before it in this list.
ENGINE = ["kernels", "text", "data", "families", "input_checks", "tensors", "gpu", "layers", "plan", "models", "tasks", "train", "calibration", "methods", "measure"]
for _index, _folder in enumerate(ENGINE):
    ALLOWED[f"worker/engine/{_folder}"] = {f"worker/engine/{below}" for below in ENGINE[:_index]}
# So is the client.
CLIENT = ["display", "connection", "hub", "inputs", "embedded", "results", "quantctl"]
for _index, _folder in enumerate(CLIENT):
    ALLOWED[f"client/{_folder}"] = {f"client/{below}" for below in CLIENT[:_index]} | {"proto", "quantlab", "security"}
# What a run would refuse about its inputs is known before it runs.
ALLOWED["client/hub"] |= {"model_folder"}
ALLOWED["client/inputs"] |= {"model_folder", "worker/engine/data", "worker/engine/input_checks"}
ALLOWED["client/results"] |= {"report", "report/facts", "yaml"}
ALLOWED["client/quantctl"] |= {"export", "report", "report/facts", "catalog", "model_folder", "yaml"}
# And the agent.
AGENT = ["connection", "events", "inputs", "attempt", "program"]
for _index, _folder in enumerate(AGENT):
    ALLOWED[f"worker/agent/{_folder}"] = (
        {f"worker/agent/{below}" for below in AGENT[:_index]} | {"logging", "proto", "quantlab", "security"})
ALLOWED["worker/agent/inputs"] |= {"catalog"}
ALLOWED["worker/agent/program"] |= {"catalog", "monitoring", "yaml"}
ALLOWED["worker/agent/program/testing"] = {"worker/agent/connection", "tests", "quantlab"}

ALLOWED["worker/engine/data"] |= {"model_folder"}
ALLOWED["worker/engine/tensors"] |= {"model_folder"}
ALLOWED["worker/engine/models"] |= {"model_folder"}
ALLOWED["worker/engine/input_checks"] |= {"model_folder"}
ALLOWED["worker/runner"] = {"codec", "model_folder", "runtimes"} | {f"worker/engine/{folder}" for folder in ENGINE}
for _module in set(ALLOWED) - WITHOUT_PLATFORM:
    ALLOWED[_module] |= {"platform"}

# What only tests include stands beside what it tests, and may use more.
TESTING = re.compile(r"_testing\.(h|cc)$|_conformance\.h$|/random_bert\.(h|cc)$")

TOP_LEVEL = {module.split("/")[0] for module in ALLOWED} | {"quantlab", "tests"}

# Library headers -> the only modules that may use them.
LIBRARIES = {
    re.compile(r"^(torch|ATen|c10)/"): {
        f"worker/engine/{folder}" for folder in ENGINE if folder not in ("kernels", "text", "data", "families", "input_checks")
    },
    re.compile(r"^(sqlite3\.h|SQLiteCpp/)"): {"storage/sqlite"},
    re.compile(r"^(grpc|grpcpp|google)/"): {"export", "proto", "server/service", "server/service/testing", "server/main"}
    | {f"client/{folder}" for folder in CLIENT} | {f"worker/agent/{folder}" for folder in AGENT},
    re.compile(r"^openssl/"): {"base", "security"},
    re.compile(r"^onnx/"): {"export"},
    re.compile(r"^spdlog/"): {"logging"},
    re.compile(r"^prometheus/"): {"monitoring", "server/service", "worker/agent/program"},
    re.compile(r"^civetweb\.h$"): {"monitoring"},
    re.compile(r"^zip\.h$"): {"client/results"},
    re.compile(r"^curl/"): {"client/hub"},
    re.compile(r"^yaml-cpp/"): {"yaml", "client/inputs", "client/results", "client/quantctl"},
}

# Calls of the operating system that have one place: platform/ (and tests of whole programs).
POSIX_CALLS = re.compile(
    r"\b(v?fork|execv[pe]*|execl[pe]?|posix_spawnp?|waitpid|waitid|pipe2?|pidfd_open|popen|system"
    r"|kill|killpg|flock|getpwuid(?:_r)?|getpwnam(?:_r)?|mkdtemp|mkstemp)\s*\(")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"')


def module_of(path):
    """The longest key of ALLOWED that is a prefix of a project-relative path, or None."""
    candidates = [module for module in ALLOWED if path == module or path.startswith(module + "/")]
    return max(candidates, key=len, default=None)


def sources():
    for module in ("base", "platform", "security", "logging", "monitoring", "yaml", "catalog", "codec", "model_folder", "runtimes", "export", "proto", "storage", "report",
                   "server", "client", "worker"):
        for path in sorted((ROOT / module).rglob("*")):
            if path.suffix in (".h", ".cc") and not path.name.endswith("_test.cc"):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


class ArchitectureTest(unittest.TestCase):
    def test_every_source_is_in_a_known_module(self):
        self.assertEqual([path for path, _ in sources() if module_of(path) is None], [])

    def test_modules_include_only_what_they_may(self):
        crossings = []
        for path, text in sources():
            module = module_of(path)
            for _, header in INCLUDE.findall(text):
                top = header.split("/")[0]
                if top not in TOP_LEVEL or not (ROOT / header).exists() and top != "quantlab":
                    continue  # a library's header
                if (module_of(header) or top) not in {module, "base"} | ALLOWED[module]:
                    crossings.append(f"{path} includes {header}")
        self.assertEqual(crossings, [])

    def test_libraries_are_seen_only_by_their_modules(self):
        crossings = []
        for path, text in sources():
            for _, header in INCLUDE.findall(text):
                for pattern, modules in LIBRARIES.items():
                    if pattern.match(header) and module_of(path) not in modules:
                        crossings.append(f"{path} includes {header}")
        self.assertEqual(crossings, [])

    def test_only_families_and_models_name_a_model_family(self):
        family = re.compile(r"bert|electra", re.IGNORECASE)
        named = []
        for path, text in sources():
            # Tokenizers do what BERT's or RoBERTa's do, and cite them.
            if path.startswith("worker/") and not path.startswith(("worker/engine/families/", "worker/engine/models/", "worker/engine/text/")):
                named += [f"{path}: {line.strip()}" for line in text.splitlines() if family.search(line)]
        self.assertEqual(named, [])

    def test_a_kind_of_device_is_named_in_one_place_for_each_concern(self):
        kinds = re.findall(r'\.name = "(\w+)"', (ROOT / "base/config/device.cc").read_text(encoding="utf-8"))
        self.assertGreater(len(kinds), 1)
        name = re.compile(rf'"(?:{"|".join(kinds)})[":]')
        named = {path for path, text in sources()
                 if "/testing/" not in path and not TESTING.search(path)
                 and any(name.search(re.sub(r"//.*", "", line)) for line in text.splitlines())}
        # run_config.h has the default, the CPU.
        self.assertEqual(named, {"base/config/device.cc", "base/config/methods.cc", "worker/engine/measure/devices.cc",
                                 "base/config/run_config.h"})

    def test_the_operating_system_has_one_door(self):
        calls = []
        for path, text in sources():
            if module_of(path) == "platform" or "/testing/" in path or TESTING.search(path):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if found := POSIX_CALLS.search(COMMENT_OR_STRING.sub("", line)):
                    calls.append(f"{path}:{number} calls {found[1]}; use platform/")
        self.assertEqual(calls, [])

    def test_the_test_itself_sees_files_and_crossings(self):
        self.assertGreater(len(list(sources())), 20)
        self.assertEqual(module_of("server/core/lease_table.h"), "server/core")
        self.assertIsNone(module_of("elsewhere/file.h"))


if __name__ == "__main__":
    unittest.main()
