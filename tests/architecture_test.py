"""Holds the arrows of the design: which room may include which, and which library each may see."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# Room -> rooms whose headers its files may include, besides itself and base.
ALLOWED = {
    "base": set(),
    "proto": {"quantlab"},  # quantlab/v1/*.pb.h is the generated contract
    "codec": set(),
    "storage": {"codec"},
    "report/facts": set(),
    "report/tables": {"report/facts"},
    "report/figures": {"report/facts"},
    "report/text": {"report/facts"},
    "report": {"report/facts", "report/tables", "report/figures", "report/text"},
    "server/core": set(),
    "server/config": {"server/core"},
    "server/service": {"server/core", "server/config", "proto", "quantlab"},
    "server/main": {"server/core", "server/config", "server/service", "storage", "proto", "quantlab"},
    "worker/agent": {"proto", "quantlab"},
}

# The engine is a ladder: each folder may include those before it in this list.
ENGINE = ["kernels", "text", "data", "tensors", "layers", "models", "train", "calibration", "methods", "measure"]
for _index, _folder in enumerate(ENGINE):
    ALLOWED[f"worker/engine/{_folder}"] = {f"worker/engine/{below}" for below in ENGINE[:_index]}
# So is the client.
CLIENT = ["display", "connection", "inputs", "embedded", "results", "quantctl"]
for _index, _folder in enumerate(CLIENT):
    ALLOWED[f"client/{_folder}"] = {f"client/{below}" for below in CLIENT[:_index]} | {"proto", "quantlab"}
ALLOWED["client/results"] |= {"report", "report/facts"}
ALLOWED["client/quantctl"] |= {"report", "report/facts"}

ALLOWED["worker/runner"] = {"codec"} | {f"worker/engine/{folder}" for folder in ENGINE}

# What only tests include stands beside what it tests, and may see more.
TESTING = re.compile(r"_testing\.(h|cc)$|/random_bert\.(h|cc)$")

TOP_LEVEL = {room.split("/")[0] for room in ALLOWED} | {"quantlab", "tests"}

# Library headers -> the only rooms that may see them.
LIBRARIES = {
    re.compile(r"^(torch|ATen|c10)/"): {
        f"worker/engine/{folder}" for folder in ENGINE if folder not in ("kernels", "text", "data")
    },
    re.compile(r"^(sqlite3\.h|SQLiteCpp/)"): {"storage"},
    re.compile(r"^(grpc|grpcpp|google)/"): {"proto", "server/service", "server/main", "worker/agent"}
    | {f"client/{folder}" for folder in CLIENT},
    re.compile(r"^spdlog/"): {"server/service", "server/main", "worker/agent"},
    re.compile(r"^prometheus/"): {"server/service", "server/main"},
    re.compile(r"^yaml-cpp/"): {"server/config", "worker/agent", "client/inputs", "client/results", "client/quantctl"},
}


def room_of(path):
    """The longest key of ALLOWED that is a prefix of a project-relative path, or None."""
    candidates = [room for room in ALLOWED if path == room or path.startswith(room + "/")]
    return max(candidates, key=len, default=None)


def sources():
    for room in ("base", "codec", "proto", "storage", "report", "server", "client", "worker"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".h", ".cc") and not path.name.endswith("_test.cc"):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


class ArchitectureTest(unittest.TestCase):
    def test_every_source_stands_in_a_known_room(self):
        self.assertEqual([path for path, _ in sources() if room_of(path) is None], [])

    def test_rooms_include_only_along_the_arrows(self):
        crossings = []
        for path, text in sources():
            room = room_of(path)
            for _, header in INCLUDE.findall(text):
                top = header.split("/")[0]
                if top not in TOP_LEVEL or not (ROOT / header).exists() and top != "quantlab":
                    continue  # a library's header
                if (room_of(header) or top) not in {room, "base"} | ALLOWED[room]:
                    crossings.append(f"{path} includes {header}")
        self.assertEqual(crossings, [])

    def test_libraries_are_seen_only_by_their_rooms(self):
        crossings = []
        for path, text in sources():
            for _, header in INCLUDE.findall(text):
                for pattern, rooms in LIBRARIES.items():
                    if pattern.match(header) and room_of(path) not in rooms:
                        crossings.append(f"{path} includes {header}")
        self.assertEqual(crossings, [])

    def test_the_test_itself_sees_files_and_crossings(self):
        self.assertGreater(len(list(sources())), 20)
        self.assertEqual(room_of("server/core/lease_table.h"), "server/core")
        self.assertIsNone(room_of("elsewhere/file.h"))


if __name__ == "__main__":
    unittest.main()
