"""The report's pages under axe-core: no accessibility problem at phone, laptop and desktop width, light and dark.

    QUANTLAB_BIN=build/no-torch/bin python3 tests/report/accessibility_test.py

axe-core is an npm package; scripts/setup.sh --all installs it into .axe.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from pages_test import BIN, FRAME, GOLDEN, ROOT, WIDTHS, run

AXE = pathlib.Path(os.environ.get("QUANTLAB_AXE", ROOT / ".axe/node_modules/axe-core/axe.min.js"))
TOOLS = ("gnuplot", "pandoc", "chromium")
SCHEMES = {"light": 1, "dark": 0}

# Opens what is folded, so that it is checked too; what axe found goes to the page around it.
PROBE = """<script>%s</script><script>
addEventListener('load', () => {
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  axe.run(document, {resultTypes: ['violations']}).then(found => parent.postMessage(JSON.stringify({
    passes: found.passes.length, dark: matchMedia('(prefers-color-scheme: dark)').matches, width: innerWidth,
    violations: found.violations.map(v => [v.id, v.impact, v.help, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))])
  }), '*'));
});
</script>"""


def check(page, width, scheme):
    """What axe found on a page, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = page.read_text(encoding="utf-8").replace("</body>", PROBE % AXE.read_text(encoding="utf-8") + "</body>")
        (folder / "page.html").write_text(text, encoding="utf-8")
        (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
        done = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
                   "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                   f"--user-data-dir={folder / 'profile'}", "--allow-file-access-from-files",
                   f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--window-size={max(width, 600)},1000",
                   "--virtual-time-budget=60000", "--dump-dom", f"file://{folder / 'frame.html'}")
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout.decode("utf-8", "replace"), flags=re.DOTALL)
    if not found:
        raise AssertionError(f"axe reported nothing: {done.stderr[-2000:]!r}")
    return json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@unittest.skipUnless(AXE.is_file() and all(shutil.which(tool) for tool in TOOLS),
                     f"scripts/setup.sh --all installs what is missing: {AXE}, {', '.join(TOOLS)}")
class AccessibilityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(os.environ.get("QUANTLAB_PAGES", cls.holder.name))
        if "QUANTLAB_PAGES" in os.environ:
            return
        done = run(BIN / "render_report", GOLDEN / "complete.json", cls.folder, "both", "--no-pdf", timeout=900)
        if done.returncode != 0:
            raise AssertionError(f"not rendered: {done.stderr.decode()}")

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def test_no_violation_at_any_width_in_light_and_dark(self):
        for language in ("zh", "en"):
            for name, width in WIDTHS.items():
                for scheme in SCHEMES:
                    with self.subTest(language=language, width=name, scheme=scheme):
                        found = check(self.folder / f"report.{language}.html", width, scheme)
                        self.assertEqual((found["width"], found["dark"]), (width, scheme == "dark"))
                        self.assertGreater(found["passes"], 10, "axe ran its rules")
                        self.assertEqual(found["violations"], [])


if __name__ == "__main__":
    unittest.main()
