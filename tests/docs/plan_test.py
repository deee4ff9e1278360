"""plan.json as documented: the schema accepts what the documents show and refuses what is malformed, the worked example
computes what it prints, and schema, documents and loader know the same kinds. tests/cases/saved_models_test.py validates
what the engine writes."""

import ast
import contextlib
import copy
import io
import json
import pathlib
import re
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/plan.schema.json").read_text(encoding="utf-8"))
DOCUMENTS = ("docs/en/plan.md", "docs/zh/模型文件格式.md")


def example(document):
    """Code and expected output of the worked example."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.search(r"plan_test\.py -->\n```python\n(.*?)```\n\n```text\n(.*?)```", text, flags=re.DOTALL).groups()


def run(code):
    """Printed text and variables."""
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "example", "exec"), names)
    return printed.getvalue(), names


def is_valid(plan):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(plan)


LAYERS = {
    "fp32": {"tensors": {"weight": "w", "bias": "b"}},
    "bf16": {"tensors": {"weight": "w"}},
    "fp16": {"tensors": {"weight": "w", "bias": "b"}},
    "int8_dynamic": {"granularity": "per_token", "weight_granularity": "per_channel", "reduce_range": False,
                     "tensors": {"weight_int8": "w", "weight_scale": "s", "bias": "b"}},
    "int8_static": {"weight_bits": 4, "weight_granularity": "per_tensor",
                    "tensors": {"weight_int4": "w", "weight_scale": "s", "input_scale": "i", "input_zero_point": "z",
                                "input_smoothing": "f"}},
    "int8_weight_only": {"tensors": {"weight_int8": "w", "weight_scale": "s"}},
    "int4_weight_only": {"group_size": 64, "symmetric": False,
                         "tensors": {"weight_int4": "w", "weight_scale": "s", "weight_zero_point": "z"}},
    "fp8": {"granularity": "per_tensor", "weight_granularity": "per_tensor",
            "tensors": {"weight_fp8": "w", "weight_scale": "s"}},
}


def plan_of_every_kind():
    layers = [{"name": f"layer.{kind}", "kind": kind, "in_features": 8, "out_features": 4, **copy.deepcopy(members)}
              for kind, members in LAYERS.items()]
    tables = [{"name": "word", "kind": "int8_rows", "tensors": {"weight_int8": "w", "weight_scale": "s"}},
              {"name": "position", "kind": "bf16", "tensors": {"weight": "w"}}]
    return {"version": 2, "model_family": "bert", "activation_dtype": "fp32",
            "method": {"name": "m", "version": 1, "params": {"bits": 8, "mode": "x", "on": True, "share": 0.5}},
            "embeddings": tables, "layers": layers}


class SchemaTest(unittest.TestCase):
    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_every_kind_is_accepted(self):
        jsonschema.validate(plan_of_every_kind(), SCHEMA)

    def test_every_member_is_needed_and_no_other_is_allowed(self):
        plan = plan_of_every_kind()
        for path in ([], ["method"], *(["layers", i] for i in range(len(LAYERS))), ["embeddings", 0],
                     *(["layers", i, "tensors"] for i in range(len(LAYERS))), ["embeddings", 1, "tensors"]):
            for key in self.at(plan, path):
                if key in ("bias", "input_smoothing"):
                    continue
                with self.subTest(f"{path} without {key}"):
                    broken = copy.deepcopy(plan)
                    del self.at(broken, path)[key]
                    self.assertFalse(is_valid(broken))
            with self.subTest(f"{path} with another member"):
                broken = copy.deepcopy(plan)
                self.at(broken, path)["another"] = "x"
                self.assertFalse(is_valid(broken))

    def test_wrong_values_are_refused(self):
        static, int4 = list(LAYERS).index("int8_static"), list(LAYERS).index("int4_weight_only")
        for path, key, value in [
                ([], "version", 1), ([], "version", "2"), ([], "model_family", "gpt2"), ([], "layers", []),
                ([], "activation_dtype", "int8"), (["method"], "version", 0), (["method", "params"], "list", [1]),
                (["layers", 0], "kind", "int3"), (["layers", 0], "in_features", 0),
                (["layers", 0], "out_features", 1 << 25), (["layers", 0], "in_features", 2.5),
                (["layers", 0], "requested", "int8_static"), (["layers", 0], "reason", "why"),
                (["layers", 3], "granularity", "per_row"), (["layers", 3], "reduce_range", 0),
                (["layers", 0], "weight_bits", 8), (["layers", static], "weight_bits", 9),
                (["layers", static], "weight_bits", 8), (["layers", int4], "group_size", 48),
                (["layers", int4], "symmetric", True), (["layers", 0, "tensors"], "weight", 7),
                (["layers", 0, "tensors"], "weight", ""), (["embeddings", 0], "kind", "int4_rows"),
                (["embeddings", 0], "kind", "fp32")]:
            with self.subTest(f"{path} {key} {value}"):
                plan = plan_of_every_kind()
                self.at(plan, path)[key] = value
                self.assertFalse(is_valid(plan))

    def test_only_an_fp32_layer_needs_its_bias(self):
        for kind in LAYERS:
            with self.subTest(kind):
                plan = plan_of_every_kind()
                layer = plan["layers"][list(LAYERS).index(kind)]
                layer["tensors"].pop("bias", None)
                self.assertEqual(is_valid(plan), kind != "fp32")

    def test_a_layer_of_another_kind_than_requested(self):
        plan = plan_of_every_kind()
        plan["layers"][0].update(requested="int8_static", reason="a user pinned it",
                                 coded_reason={"code": "x", "arguments": {}})
        jsonschema.validate(plan, SCHEMA)

    @staticmethod
    def at(value, path):
        for step in path:
            value = value[step]
        return value


class SameKindsTest(unittest.TestCase):
    def test_engine_schema_loader_and_documents_have_the_same_kinds(self):
        kinds = set(SCHEMA["$defs"]["layer"]["properties"]["kind"]["enum"])
        self.assertEqual(kinds, set(LAYERS))
        headers = "".join(path.read_text() for path in (ROOT / "worker/engine/layers").glob("*_linear.h"))
        headers += (ROOT / "worker/engine/layers/linear.h").read_text()
        self.assertEqual(kinds, set(re.findall(r'constexpr char k(?:Kind|Bf16|Fp16)\[\] = "(\w+)"', headers)))
        loader = ast.parse((ROOT / "client/python/src/quantlab/torch/plan.py").read_text())
        table = next(node.value for node in loader.body if isinstance(node, ast.Assign)
                     and node.targets[0].id == "KINDS")
        self.assertEqual(kinds, {key.value for key in table.keys})
        for document in DOCUMENTS:
            text = (ROOT / document).read_text(encoding="utf-8")
            self.assertEqual([kind for kind in kinds if f"`{kind}`" not in text], [], document)

    def test_families_are_those_of_the_engine(self):
        families = "".join(path.read_text() for path in (ROOT / "worker/engine/families").glob("*.cc"))
        names = re.findall(r'family\.name = "([\w-]+)"|RobertaLike\("([\w-]+)"', families)
        self.assertEqual({a or b for a, b in names}, set(SCHEMA["properties"]["model_family"]["enum"]))

    def test_every_member_of_the_schema_is_documented(self):
        def members(value):
            if isinstance(value, dict):
                properties = value.get("properties", {})
                yield from (key for key in properties)
                for key, each in value.items():
                    yield from members(each)
            if isinstance(value, list):
                for each in value:
                    yield from members(each)
        for document in DOCUMENTS:
            text = (ROOT / document).read_text(encoding="utf-8")
            for name in set(members({k: v for k, v in SCHEMA.items()})):
                self.assertRegex(text, rf"\b{name}\b", f"{document}: {name}")


class ExampleTest(unittest.TestCase):
    def test_the_worked_example_prints_what_the_document_says(self):
        for document in DOCUMENTS:
            code, expected = example(document)
            printed, names = run(code)
            self.assertEqual(printed, expected, document)
            jsonschema.validate(names["plan"], SCHEMA)
            self.assertEqual(set(names["tensors"]), set(names["layer"]["tensors"].values()))

    def test_both_languages_have_the_same_example(self):
        self.assertEqual(*(example(document) for document in DOCUMENTS))


if __name__ == "__main__":
    unittest.main()
