"""quantlab.torch against quant-runner, over every family and every kind of layer.

Runs with the Python of .venv, whose torch is the one that quant-runner is built with. Layer by layer, with one thread
and widths that are multiples of 32, their logits are the same to the last bit; otherwise activation functions may
differ in the last bit, which can move an input of an INT8 or FP8 layer by one step. So can the runner's fused steps.
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCES))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests"))

import saved_models  # noqa: E402
import torch  # noqa: E402
import world  # noqa: E402
from saved_models import VARIANTS, Folder, title, write_safetensors  # noqa: E402

import quantlab.torch  # noqa: E402

RUNNER = world.BIN / "quant-runner"
FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra")
TEXTS = ["a good film", "the plot was poor and dull , with bad music and a great actor", "", "it is the end",
         "film film film film", "scene of a story", "the unknownword"]
BATCH = 3

# The largest difference that is allowed, as a share of the largest logit.
EQUAL = 0.0
SUMS = 2e-6    # float32 sums in another order
BF16 = 0.02    # one result rounded to BF16 otherwise: 2^-8, through the layers that follow
STEPS = 0.05   # inputs one step of INT8 or FP8 away, through the layers that follow


def run(command, folder, *arguments, check=True):
    with tempfile.TemporaryFile("w+") as lines:
        lines.write("".join(text + "\n" for text in TEXTS))
        lines.seek(0)
        done = subprocess.run([RUNNER, command, "--model", folder, *map(str, arguments)], stdin=lines, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if not check:
        return done
    if done.returncode:
        raise AssertionError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


_TOKENS = []


def tokens(folder):
    """Ids of TEXTS. Every folder of this test has the same tokenizer."""
    if not _TOKENS:
        _TOKENS.extend(run("tokenize", folder))
    return _TOKENS


def padded(rows):
    ids = torch.ones(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, :len(row)], mask[index, :len(row)] = torch.tensor(row), 1
    return ids, mask


def ours(model, ids):
    return torch.cat([model(*padded(ids[begin:begin + BATCH])) for begin in range(0, len(ids), BATCH)])


class TemporaryFolder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())
                                   if hasattr(self, "enterContext") else self._folder())

    def _folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name


@unittest.skipUnless(RUNNER.exists(), "quant-runner is not built")
class AgreementTest(TemporaryFolder):
    @classmethod
    def setUpClass(cls):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        cls.addClassCleanup(torch.set_num_threads, threads)

    def compare(self, path, tolerance):
        ids = tokens(path)
        found = ours(quantlab.torch.load(path), ids)
        self.assertEqual(found.shape, (len(TEXTS), 3))
        for allowed, arguments in ((tolerance, ["--layer-by-layer"]), (max(tolerance, STEPS), [])):
            theirs = torch.tensor(run("predict", path, "--batch-size", BATCH, "--threads", 1, *arguments))
            difference = ((found - theirs).abs().max() / theirs.abs().max()).item()
            self.assertLessEqual(difference, allowed, arguments)
        # Models whose answers do not depend on the text would agree whatever is computed.
        self.assertGreater(theirs.std(0).max().item(), 0.05)

    def test_each_kind_gives_the_runners_logits(self):
        for index, variant in enumerate(VARIANTS):
            with self.subTest(title(variant)):
                path = Folder(self.folder / str(index), "bert", [variant], seed=index).write()
                in_bf16 = variant["kind"] in ("bf16", "int8_weight_only", "int4_weight_only")
                self.compare(path, BF16 if in_bf16 else EQUAL)

    def test_each_family_gives_the_runners_logits_with_every_kind_in_one_model(self):
        for index, family in enumerate(FAMILIES):
            with self.subTest(family):
                variants = VARIANTS[index:] + VARIANTS[:index]
                path = Folder(self.folder / family, family, variants, seed=20 + index).write()
                self.compare(path, STEPS)

    def test_widths_that_fill_no_vector_agree_within_the_schemes_tolerance(self):
        for index, variant in enumerate(VARIANTS):
            with self.subTest(title(variant)):
                path = Folder(self.folder / str(index), "distilbert", [variant], hidden=40, inner=72,
                              seed=40 + index).write()
                kind = variant["kind"]
                rounds_inputs = kind in ("int8_dynamic", "int8_static", "fp8")
                self.compare(path, STEPS if rounds_inputs else BF16 if kind in ("bf16", "int8_weight_only",
                                                                                "int4_weight_only") else SUMS)

    def test_half_precision_between_layers_and_other_tables(self):
        cases = [("bf16", "bf16", [{"kind": "bf16"}]), ("fp16", "fp16", [{"kind": "fp16"}]),
                 ("bf16", "int8_rows", VARIANTS), ("fp16", "fp32", VARIANTS[7:9])]
        for index, (activations, tables, variants) in enumerate(cases):
            with self.subTest(f"{activations} {tables}"):
                path = Folder(self.folder / str(index), "electra", variants, tables=tables, activations=activations,
                              seed=60 + index).write()
                self.compare(path, STEPS)

    def test_a_model_without_a_plan_is_fp32(self):
        path = Folder(self.folder / "model", "camembert", [{"kind": "fp32"}]).write()
        (path / "plan.json").unlink()
        self.compare(path, EQUAL)

    def test_the_runner_refuses_what_the_loader_refuses(self):
        path = Folder(self.folder / "model", "bert", VARIANTS).write()
        plan = json.loads((path / "plan.json").read_text())
        for key, change in broken_plans().items():
            with self.subTest(key):
                broken = copy.deepcopy(plan)
                change(broken)
                (path / "plan.json").write_text(json.dumps(broken))
                with self.assertRaisesRegex(quantlab.torch.InvalidModel, key):
                    quantlab.torch.load(path)
                self.assertNotEqual(run("predict", path, check=False).returncode, 0)


def broken_plans():
    """By the word that the error must contain: what is done to a plan."""
    def layer(index, **members):
        return lambda plan: plan["layers"][index].update(members)

    def without(index, key):
        return lambda plan: plan["layers"][index].pop(key)

    static = next(i for i, v in enumerate(VARIANTS) if v["kind"] == "int8_static")
    four = next(i for i, v in enumerate(VARIANTS) if v["kind"] == "int4_weight_only") % 14
    return {
        "version": lambda plan: plan.update(version=3),
        "model_family": lambda plan: plan.update(model_family="mamba"),
        "activation_dtype": lambda plan: plan.update(activation_dtype="fp8"),
        "method": lambda plan: plan.pop("method"),
        "embeddings": lambda plan: plan.pop("embeddings"),
        "kind": layer(0, kind="int3"),
        "in_features": layer(0, in_features=65),
        "weight_granularity": without(3, "weight_granularity"),
        "reduce_range": layer(3, reduce_range=1),
        "weight_bits": layer(static, weight_bits=9),
        "group_size": layer(four, group_size=48),
        "input_scale": lambda plan: plan["layers"][static]["tensors"].pop("input_scale"),
        "twice": lambda plan: plan["layers"].append(dict(plan["layers"][0])),
        "no tensor": lambda plan: plan["layers"][1]["tensors"].update(weight="nowhere"),
        "not in it": lambda plan: plan["layers"].pop(),
        "belongs to no part": lambda plan: plan["layers"][1]["tensors"].pop("bias"),
    }


class ModuleTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.path = Folder(self.folder / "model", "bert", VARIANTS, tables="int8_rows").write()
        self.model = quantlab.torch.load(self.path)

    def test_state_dict_has_the_tensors_of_the_file(self):
        written = Folder(self.folder / "again", "bert", VARIANTS, tables="int8_rows")
        written.write()
        state = self.model.state_dict()
        self.assertEqual(set(state), set(written.tensors))
        for name, tensor in written.tensors.items():
            self.assertEqual(state[name].dtype, tensor.dtype, name)
            self.assertTrue(torch.equal(state[name].view(torch.uint8), tensor.view(torch.uint8)), name)

    def test_a_texts_logits_do_not_depend_on_its_batch(self):
        independent = [v for v in VARIANTS if v.get("granularity") != "per_tensor"]
        model = quantlab.torch.load(Folder(self.folder / "alone", "roberta", independent).write())
        rows = [[2, 9, 10, 3], [2, 20, 3], [2, 12, 13, 14, 15, 3], [2, 20, 3]]
        together = model(*padded(rows))
        for index, row in enumerate(rows):
            # Sums of float32 products depend on the number of rows in the last bit.
            difference = (model(torch.tensor([row]))[0] - together[index]).abs().max()
            self.assertLess(difference, STEPS * together.abs().max(), index)

    def test_copies_compute_alike_and_hold_no_gradients(self):
        ids = torch.tensor([[2, 9, 10, 3]])
        logits = self.model(ids)
        self.assertFalse(logits.requires_grad)
        self.assertTrue(torch.equal(copy.deepcopy(self.model)(ids), logits))

    def test_dtypes_are_kept(self):
        with self.assertRaisesRegex(TypeError, "dtypes"):
            self.model.half()

    def test_wrong_inputs_are_named(self):
        good = torch.tensor([[2, 9, 3]])
        cases = [((torch.tensor([[2, 99, 3]]),), "input_ids"), ((torch.tensor([2, 3]),), "input_ids"),
                 ((good.float(),), "input_ids"), ((good, torch.tensor([[0, 1, 1]])), "first token"),
                 ((good, torch.ones(1, 4, dtype=torch.long)), "attention_mask"),
                 ((good, None, torch.tensor([[0, 7, 0]])), "token_type_ids"),
                 ((torch.full((1, 41), 5),), "max_position_embeddings")]
        for arguments, word in cases:
            with self.subTest(word), self.assertRaisesRegex(ValueError, word):
                self.model(*arguments)

    def test_a_value_that_is_not_finite_gives_nan_in_its_text_alone(self):
        tensors = Folder(self.folder / "nan", "bert", [VARIANTS[3], VARIANTS[7]])
        path = tensors.write()
        tensors.tensors["bert.embeddings.word_embeddings.weight"][9] = float("inf")
        write_safetensors(path / "model.safetensors", tensors.tensors)
        logits = quantlab.torch.load(path)(torch.tensor([[2, 9, 3], [2, 10, 3]]))
        self.assertTrue(logits[0].isnan().all())
        self.assertTrue(logits[1].isfinite().all())


class DamagedFilesTest(TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.path = Folder(self.folder / "model", "bert", VARIANTS).write()

    def refused(self, pattern):
        with self.assertRaisesRegex(quantlab.torch.InvalidModel, pattern):
            quantlab.torch.load(self.path)

    def test_cut_off_weights(self):
        weights = self.path / "model.safetensors"
        whole = weights.read_bytes()
        for size in (0, 5, 100, len(whole) - 1):
            with self.subTest(size):
                weights.write_bytes(whole[:size])
                self.refused("model.safetensors")

    def test_a_header_that_does_not_fit_its_tensors(self):
        weights = self.path / "model.safetensors"
        data = weights.read_bytes()
        size = int.from_bytes(data[:8], "little")
        name = "bert.pooler.dense.bias"
        for change in ({"dtype": "F99"}, {"shape": [-1]}, {"shape": [1 << 50]}, {"data_offsets": [0, 1 << 39]},
                       {"data_offsets": [True, 256]}, {"shape": "wide"}):
            with self.subTest(str(change)):
                header = json.loads(data[8:8 + size])
                header[name].update(change)
                text = json.dumps(header).encode()
                weights.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
                self.refused(name)

    def test_wrong_settings(self):
        path = self.path / "config.json"
        config = json.loads(path.read_text())
        for key, value in (("model_type", "gpt2"), ("hidden_size", 0), ("hidden_size", "wide"), ("vocab_size", True),
                           ("num_attention_heads", 7), ("hidden_act", "prelu"), ("layer_norm_eps", "small"),
                           ("position_embedding_type", "relative_key"), ("id2label", {"1": "bad"})):
            with self.subTest(f"{key} {value}"):
                path.write_text(json.dumps({**config, key: value}))
                self.refused("attention heads" if key == "num_attention_heads" else
                             "activation" if key == "hidden_act" else "0 is missing" if key == "id2label" else key)

    def test_files_that_are_no_json(self):
        for name in ("config.json", "plan.json"):
            text = (self.path / name).read_text()
            for broken in (text[:20], "[]", "\udc80", "[" * 100_000):
                with self.subTest(f"{name} {broken[:5]!r}"):
                    (self.path / name).write_bytes(broken.encode(errors="surrogateescape"))
                    self.refused(name)
            (self.path / name).write_text(text)

    def test_missing_files(self):
        (self.path / "model.safetensors").unlink()
        self.refused("model.safetensors: no such file")
        (self.path / "config.json").unlink()
        self.refused("config.json: no such file")


class ImportTest(unittest.TestCase):
    def python(self, program):
        return subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SOURCES)!r}); {program}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)

    def test_the_client_is_imported_without_torch_and_torch_without_the_client(self):
        for program in ("sys.modules['torch'] = None; import quantlab; dir(quantlab)",
                        "sys.modules['grpc'] = sys.modules['pandas'] = None; import quantlab.torch"):
            self.assertEqual(self.python(program).returncode, 0)

    def test_without_torch_the_error_says_how_to_get_it(self):
        done = self.python("sys.modules['torch'] = None; import quantlab.torch")
        self.assertIn("pip install torch", done.stderr)


if __name__ == "__main__":
    unittest.main()
