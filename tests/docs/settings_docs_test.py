"""The tables of settings in the user guides are those that `quantctl settings` lists."""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import settings_docs
import world as worlds

# Options of quant-runner that stand for a setting, and what names a model that is not there.
OPTIONS = {
    "threads": ("bench", "--threads"),
    "evaluation.batch_size": ("predict", "--batch-size"),
    "evaluation.latency.batch_sizes": ("bench", "--batch-size"),
    "evaluation.latency.sequence_lengths": ("bench", "--sequence-length"),
    "evaluation.latency.min_samples": ("bench", "--min-samples"),
    "evaluation.latency.min_duration": ("bench", "--min-duration"),
}
FOLDER = {"bench": ["/nowhere"], "predict": ["--model", "/nowhere"]}


class SettingsDocsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = settings_docs.read_settings(worlds.BIN / "quantctl")

    def rewritten(self, language, text=None):
        text = text or settings_docs.GUIDES[language].read_text(encoding="utf-8")
        return settings_docs.rewrite(text, self.settings, language)

    def test_guides_have_the_tables_of_this_version(self):
        script = [sys.executable, settings_docs.__file__, "--check"]
        run = subprocess.run(script, env={"QUANTLAB_BIN": str(worlds.BIN)}, stdout=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 0, f"run scripts/settings_docs.py\n{run.stdout}")

    def test_a_setting_that_was_forgotten_or_changed_is_written(self):
        for language, path in settings_docs.GUIDES.items():
            text = path.read_text(encoding="utf-8")
            row = next(line for line in text.split("\n") if line.startswith("| `training.epochs` |"))
            self.assertEqual(self.rewritten(language, text.replace(row + "\n", "")), text)
            self.assertEqual(self.rewritten(language, text.replace(row, row.replace("1000", "999"))), text)

    def test_every_section_needs_its_table(self):
        with self.assertRaises(SystemExit):
            self.rewritten("en", "no tables\n")

    def test_options_of_the_runner_have_the_ranges_of_the_settings_that_they_stand_for(self):
        if not (worlds.BIN / "quant-runner").exists():
            self.skipTest("quant-runner is not built")
        settings = {setting["key"]: setting for setting in self.settings}
        for key, (command, option) in OPTIONS.items():
            low, high, step = settings[key]["min"], settings[key]["max"], 1 if settings[key]["type"] == "int" else 0.5
            for value, allowed in ((low - step, False), (low, True), (high, True), (high + step, False)):
                with self.subTest(option=option, value=value):
                    # An allowed one is refused later, for the folder that is not there.
                    run = subprocess.run([worlds.BIN / "quant-runner", command, *FOLDER[command], f"{option}={value}"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         text=True)
                    self.assertEqual("not in range" in run.stdout, not allowed, run.stdout)
                    self.assertNotEqual(run.returncode, 0)


if __name__ == "__main__":
    unittest.main()
