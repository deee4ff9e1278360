"""Runs the notebooks from top to bottom against the real programs, in one data folder, and looks at what they show.

QUANTLAB_NOTEBOOK_SIZE=full runs them at real sizes.
"""

import os
import pathlib
import re
import sys
import tempfile
import unittest
from unittest import mock

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "notebooks")]
import lab  # noqa: E402
import world as worlds  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# How many figures each shows, and texts that one of its outputs must have.
SHOWN = {
    "01_explore_data": (1, ["imdb", "split seed"]),
    "02_train_baseline": (1, ["SUCCEEDED", "accuracy", "f1_score"]),
    "03_quantization_experiments": (1, ["dynamic_quantization", "per_tensor", "model_size", "speedup"]),
    "04_analyse_results": (2, ["mcnemar_p_value", "int8_dynamic", "metrics.parquet", "timings are"]),
}
PROGRAMS = ("quantctl", "quant-coordinator", "quant-worker", "quant-runner")


class FormTest(unittest.TestCase):
    def test_there_are_four_and_each_is_valid_and_stripped(self):
        self.assertEqual([path.stem for path in NOTEBOOKS], list(SHOWN))
        for path in NOTEBOOKS:
            with self.subTest(path.name):
                notebook = nbformat.read(path, as_version=4)
                nbformat.validate(notebook)
                code = [cell for cell in notebook.cells if cell.cell_type == "code"]
                self.assertEqual([cell.outputs for cell in code], [[]] * len(code))
                self.assertEqual([cell.execution_count for cell in code], [None] * len(code))

    def test_every_section_has_a_sentence_in_chinese(self):
        for path in NOTEBOOKS:
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type == "markdown":
                    self.assertRegex(cell.source, r"\*\*中文：.*[\u4e00-\u9fff].*\*\*", path.name)


class ConnectTest(unittest.TestCase):
    def test_the_settings_file_names_the_coordinator(self):
        with tempfile.TemporaryDirectory() as folder:
            settings = pathlib.Path(folder, "config.yaml")
            settings.write_text("coordinator: unix:/run/quantlab.sock\n")
            with mock.patch.dict(os.environ, {"QUANTLAB_CONFIG": str(settings), "QUANTLAB_COORDINATOR": ""}):
                with lab.connect() as client:
                    self.assertEqual(client.address, "unix:/run/quantlab.sock")


@unittest.skipUnless(all((worlds.BIN / name).exists() for name in PROGRAMS), "the programs are not built")
class RunTest(unittest.TestCase):
    def setUp(self):
        self.world = worlds.World()
        self.addCleanup(self.world.close)
        folder = self.world.folder
        changed = {
            # Fetched already by scripts/test.sh; the home of this test has none.
            "QUANTLAB_ASSETS": os.environ.get("QUANTLAB_ASSETS", os.path.expanduser("~/.cache/quantlab/assets")),
            "QUANTLAB_DATA_DIR": str(self.world.data), "QUANTLAB_CONFIG": str(self.world.write("empty.yaml", "")),
            "PATH": f"{worlds.BIN}{os.pathsep}{os.environ['PATH']}", "IPYTHONDIR": str(folder / "ipython"),
            "MPLCONFIGDIR": str(folder / "matplotlib"), "JUPYTER_RUNTIME_DIR": str(folder / "jupyter"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.pop("QUANTLAB_COORDINATOR", None)
        os.environ.update(changed)

    def outputs(self, path):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=3600, kernel_name="python3",
                       resources={"metadata": {"path": str(path.parent)}}).execute()
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    def test_they_run_from_top_to_bottom_one_after_the_other(self):
        for path in NOTEBOOKS:
            with self.subTest(path.name):
                outputs = self.outputs(path)
                figures, texts = SHOWN[path.stem]
                shown = [output for output in outputs if "image/png" in output.get("data", {})]
                self.assertEqual(len(shown), figures)
                said = "".join(output.get("text", "") + str(output.get("data", {}).get("text/html", ""))
                               for output in outputs)
                for text in texts:
                    self.assertIn(text, said)
                warned = [output.text for output in outputs if output.get("name") == "stderr"]
                self.assertEqual([text for text in warned if re.search("Warning", text)], [])
        self.assertEqual(self.world.processes("quant-coordinator"), [], "each notebook ends its service")


if __name__ == "__main__":
    unittest.main()
