"""Reports as people see them: HTML in a browser at desktop and phone width, every figure, and the PDF page by page.

    QUANTLAB_BIN=build/no-torch/bin python3 tests/report/pages_test.py

With QUANTLAB_KEEP_PAGES=DIR the rendered reports stay there, to be looked at.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("QUANTLAB_BIN", ROOT / "build/release/bin"))
GOLDEN = ROOT / "tests/golden/report"
TOOLS = ("gnuplot", "pandoc", "weasyprint", "chromium", "pdfinfo", "pdffonts", "pdftoppm", "pdftotext")
WIDTHS = {"phone": 390, "laptop": 1366, "wide": 1920}

# Runs in a copy of the page: what a reader would meet, told to the page around it.
PROBE = """<script>
function look(image) {
  // Figures are white to the edge unless something is cut off, and not white everywhere.
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff'; context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const dark = (x, y) => { const i = 4*(y*canvas.width + x); return data[i] + data[i+1] + data[i+2] < 700; };
  let inked = 0, edge = 0;
  for (let y = 0; y < canvas.height; ++y)
    for (let x = 0; x < canvas.width; ++x)
      if (dark(x, y)) { ++inked; if (x < 2 || y < 2 || x >= canvas.width - 2 || y >= canvas.height - 2) ++edge; }
  return {alt: image.alt, width: image.naturalWidth, inked: inked/(canvas.width*canvas.height), edge: edge};
}
function column(table, i) { return Array.from(table.tBodies[0].rows).map(r => r.cells[i].textContent.trim()); }
function sorts() {
  const table = document.querySelector('main table');
  if (!table) return null;
  const button = i => table.tHead.rows[0].cells[i].querySelector('button');
  const before = column(table, 1);
  button(1).click(); const up = column(table, 1);
  button(1).click(); const down = column(table, 1);
  button(0).click(); const names = column(table, 0);
  return {before: before, up: up, down: down, names: names};
}
// What the page offers beside reading: intervals, variants to hide, uncorrected p, larger figures.
function offers() {
  const box = document.querySelector('.filter input'), raw = document.querySelector('.switch input');
  const figure = document.querySelector('button.figure'), told = {tips: document.querySelectorAll('.tip').length};
  if (box) {
    box.click(); told.hidden = document.querySelectorAll('tr[hidden]').length;
    box.click(); told.shown = document.querySelectorAll('tr[hidden]').length;
  }
  if (raw) {
    raw.click(); told.raw = document.querySelectorAll('td.raw').length;
    raw.click(); told.corrected = document.querySelectorAll('td.raw').length;
  }
  if (figure) {
    figure.click(); told.open = document.querySelectorAll('dialog[open]').length;
    document.querySelector('dialog').close();
  }
  return told;
}
// What the charts offer: views, the picture, an order, the keyboard, a larger one; and that they follow the filter.
function charts() {
  const boxes = Array.from(document.querySelectorAll('.chart'));
  if (!boxes.length || typeof Chart === 'undefined') return null;
  const of = box => Chart.getChart(box.querySelector('canvas')), choose = (select, i) => {
    select.selectedIndex = i; select.dispatchEvent(new Event('change')); };
  const found = {figures: boxes.map(box => box.querySelector('.tools button').getAttribute('aria-label').replace(/^.*?[:：] ?/, '')),
    drawn: boxes.map(box => { const c = box.querySelector('canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      let inked = 0; for (let i = 3; i < d.length; i += 4) if (d[i] > 60) ++inked; return inked/(d.length/4); })};
  const rows = boxes.find(box => !box.querySelectorAll('.tools label')[1].hidden);
  if (rows) {
    const [view, order] = rows.querySelectorAll('select'), labels = () => of(rows).options.scales.y.labels.slice();
    found.asInReport = labels(); choose(order, 1);
    found.lowest = of(rows).data.datasets.map(set => set.data[0].x); found.sorted = labels(); choose(order, 0);
    const filter = document.querySelector('.filter input');
    if (filter) { filter.click(); found.filtered = labels(); filter.click(); }
    choose(view, view.length - 1); found.picture = rows.nextElementSibling.offsetHeight > 50 && rows.querySelector('canvas').offsetHeight === 0;
    choose(view, 0); found.chart = rows.nextElementSibling.offsetHeight === 0 && rows.querySelector('canvas').offsetHeight > 50;
  }
  const canvas = boxes[0].querySelector('canvas'), told = boxes[0].querySelector('.told');
  const press = key => canvas.dispatchEvent(new KeyboardEvent('keydown', {key: key, bubbles: true, cancelable: true}));
  press('ArrowRight'); found.first = told.textContent;
  press('ArrowRight'); found.second = told.textContent;
  press('ArrowLeft'); found.back = told.textContent;
  press('Escape'); found.silent = told.textContent;
  boxes[0].querySelector('.tools button').click();
  found.large = document.querySelectorAll('dialog[open] canvas').length;
  document.querySelector('dialog').close();
  return found;
}
window.addEventListener('load', () => setTimeout(() => {
  const page = document.documentElement;
  parent.postMessage(JSON.stringify({
    offers: offers(), charts: charts(), width: page.clientWidth, overflow: page.scrollWidth - page.clientWidth, sorts: sorts(),
    figures: Array.from(document.querySelectorAll('main img')).map(look), remote: performance.getEntriesByType('resource')
      .map(e => e.name).filter(n => !n.startsWith('data:'))}), '*');
}, 100));
</script>"""

FRAME = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<pre id="found"></pre><iframe src="page.html" width="{width}" height="900" style="border:0"></iframe>
<script>addEventListener('message', e => {{ document.getElementById('found').textContent = e.data; }});</script>"""


def run(*argv, timeout=240, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, timeout=timeout, **more)


def browse(page, width):
    """What the probe found on a page at a width, and what the browser's console said."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>")
        (folder / "page.html").write_text(text, encoding="utf-8")
        (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
        done = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
                   "--allow-file-access-from-files", f"--window-size={max(width, 600)},1000",
                   "--virtual-time-budget=20000", "--dump-dom", f"file://{folder / 'frame.html'}")
    dom = done.stdout.decode("utf-8", "replace")
    console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, flags=re.DOTALL)
    if not found or not found.group(1):
        raise AssertionError(f"the page told nothing: {dom[:500]} {done.stderr[-2000:]!r}")
    plain = found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(plain), console


# How the first characters of the methods' Chinese titles are read. Chinese sorts by pinyin, before Latin letters.
PINYIN = {"动": "dong", "混": "hun", "仅": "jin", "静": "jing", "量": "liang"}


def pinyin_order(name):
    return (1, name.lower()) if name[0].isascii() else (0, PINYIN[name[0]])


@unittest.skipUnless(all(shutil.which(tool) for tool in TOOLS),
                     "scripts/setup.sh --tests installs what is missing: "
                     + ", ".join(tool for tool in TOOLS if not shutil.which(tool)))
class PagesTest(unittest.TestCase):
    """One rendering for all tests: it takes longer than they do."""

    situation = "complete"
    options = ()

    @classmethod
    def setUpClass(cls):
        keep = os.environ.get("QUANTLAB_KEEP_PAGES")
        cls.holder = None if keep else tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(keep or cls.holder.name) / cls.situation
        done = run(BIN / "render_report", GOLDEN / f"{cls.situation}.json", cls.folder, "both", *cls.options, timeout=900)
        if done.returncode != 0:
            raise AssertionError(f"not rendered: {done.stderr.decode()}")

    @classmethod
    def tearDownClass(cls):
        if cls.holder:
            cls.holder.cleanup()

    def test_pages_fit_and_work_at_both_widths(self):
        for language in ("zh", "en"):
            for name, width in WIDTHS.items():
                with self.subTest(language=language, width=name):
                    found, console = browse(self.folder / f"report.{language}.html", width)
                    self.assertEqual(console, [], "the console says nothing")
                    self.assertLessEqual(found["overflow"], 0, "the page is no wider than the screen")
                    self.assertEqual(found["remote"], [], "nothing is fetched")
                    self.check_figures(found["figures"], language)
                    self.check_sorting(found["sorts"], language)
                    self.check_offers(found["offers"])
                    self.check_charts(found["charts"], found["figures"])

    def check_figures(self, figures, language):
        text = self.markdown(language).read_text(encoding="utf-8")
        wanted = re.findall(r"^!\[(.*)\]\(figures/.*\.svg\)$", text, flags=re.MULTILINE)
        self.assertEqual([figure["alt"] for figure in figures], wanted, "every figure is on the page")
        for figure in figures:
            self.assertGreater(figure["width"], 100, f"loaded: {figure}")
            self.assertGreater(figure["inked"], 0.004, f"not empty: {figure}")
            self.assertEqual(figure["edge"], 0, f"nothing cut off: {figure}")

    def check_sorting(self, sorts, language):
        def numbers(texts):
            return [float(text.split("%")[0]) for text in texts if text != "—"]
        self.assertEqual(sorted(sorts["before"]), sorted(sorts["up"]), "no row is lost")
        self.assertEqual(numbers(sorts["up"]), sorted(numbers(sorts["before"])))
        self.assertEqual(numbers(sorts["down"]), sorted(numbers(sorts["before"]), reverse=True))
        order = pinyin_order if language == "zh" else str.lower
        self.assertEqual(sorts["names"], sorted(sorts["names"], key=order))

    def check_offers(self, offers):
        self.assertGreater(offers["tips"], 5, "intervals are told on hover and focus")
        self.assertGreater(offers["hidden"], 1, "a variant disappears from every table")
        self.assertEqual(offers["shown"], 0)
        self.assertGreater(offers["raw"], 1, "p without correction can be shown")
        self.assertEqual(offers["corrected"], 0)
        self.assertEqual(offers["open"], 1, "a figure is enlarged")

    def test_pages_have_charts(self):
        page = (self.folder / "report.en.html").read_text(encoding="utf-8")
        self.assertIn("Chart.js Contributors", page)

    def check_charts(self, charts, figures):
        names = [figure["alt"] for figure in figures]
        self.assertGreaterEqual(len(charts["figures"]), 7, "most figures have a chart")
        for figure in charts["figures"]:
            self.assertIn(figure, names)
        for inked in charts["drawn"]:
            self.assertGreater(inked, 0.002, "a chart is not empty")
        self.assertEqual(charts["lowest"], sorted(charts["lowest"]), "rows are sorted by value")
        self.assertEqual(sorted(charts["sorted"]), sorted(charts["asInReport"]), "no row is lost")
        self.assertEqual(charts["filtered"], charts["asInReport"][1:], "a variant that is not shown has no row")
        self.assertTrue(charts["picture"] and charts["chart"], "the picture is shown where it is chosen")
        self.assertRegex(charts["first"], r".+[:：].+", "the arrow keys say the values")
        self.assertNotEqual(charts["second"], charts["first"])
        self.assertEqual(charts["back"], charts["first"])
        self.assertEqual(charts["silent"], "")
        self.assertEqual(charts["large"], 1, "a chart is enlarged")

    def markdown(self, language):
        return self.folder / ("report.en.md" if language == "en" else "课程设计报告.md")

    def test_links_and_figures_of_the_markdown_resolve(self):
        for language in ("zh", "en"):
            text = self.markdown(language).read_text(encoding="utf-8")
            targets = re.findall(r"(?<!\\)\]\(([^)\s]+)\)", text)
            self.assertGreater(len(targets), 4)
            page = (self.folder / f"report.{language}.html").read_text(encoding="utf-8")
            for target in targets:
                if target.startswith("#"):
                    self.assertIn(f'id="{target[1:]}"', page)
                    continue
                self.assertTrue((self.folder / target).is_file(), target)
                if target.endswith(".svg"):
                    self.assertTrue((self.folder / target).with_suffix(".png").is_file(), target)

    def test_every_figure_is_there_in_both_languages_and_formats_with_its_data(self):
        for script in (self.folder / "figures").glob("*/*.gp"):
            self.assertTrue(script.with_suffix(".csv").is_file(), script)
            for suffix in (".zh.svg", ".zh.png", ".en.svg", ".en.png"):
                self.assertTrue(script.with_suffix(suffix).is_file(), f"{script}{suffix}")

    def test_one_command_redraws_them_without_a_word(self):
        drawn = self.folder / "figures/architecture/system.en.svg"
        before = drawn.read_bytes()
        drawn.unlink()
        done = run("sh", self.folder / "figures/redraw.sh")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assertEqual(drawn.read_bytes(), before)

    def test_papers_have_fonts_and_no_blank_page(self):
        for language, name in (("zh", "课程设计报告.pdf"), ("en", "report.en.pdf")):
            with self.subTest(language=language):
                paper = self.folder / name
                pages = int(re.search(r"Pages:\s+(\d+)", run("pdfinfo", paper).stdout.decode()).group(1))
                fonts = run("pdffonts", paper).stdout.decode().splitlines()[2:]
                self.assertTrue(fonts)
                for font in fonts:
                    self.assertRegex(font, r"\s(yes)\s+(yes|no)\s+(yes|no)\s+\d+\s+\d+$", "embedded")
                text = run("pdftotext", paper, "-").stdout.decode()
                self.assertIn("参考文献" if language == "zh" else "References", text)
                # Each takes seconds: one regular and one bold, and only for Chinese.
                self.assertEqual(sum("CJK" in font for font in fonts), 2 if language == "zh" else 0, fonts)
                self.check_pages(paper, pages)

    def check_pages(self, paper, pages):
        with tempfile.TemporaryDirectory() as folder:
            run("pdftoppm", "-r", "30", "-gray", paper, pathlib.Path(folder) / "page")
            rendered = sorted(pathlib.Path(folder).glob("*.pgm"))
            self.assertEqual(len(rendered), pages)
            for page in rendered:
                width, height, data = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s(.*)", page.read_bytes(), re.DOTALL).groups()
                inked = sum(1 for value in data if value < 200) / len(data)
                self.assertGreater(inked, 0.002, f"{paper.name}: {page.name} is blank")
                width, height = int(width), int(height)
                # Above the page number.
                rows = [row for row in range(int(height * 0.92)) if min(data[row * width:(row + 1) * width]) < 200]
                if page != rendered[-1]:
                    self.assertGreater(rows[-1] / height, 0.5, f"{paper.name}: the lower half of {page.name} is blank")


class FailedRunsTest(PagesTest):
    """The baseline failed: still a report, which says so."""

    situation = "failed_baseline"
    options = ("--no-pdf",)
    check_offers = lambda self, offers: None  # noqa: E731: there may be nothing to offer
    check_charts = lambda self, charts, figures: None  # noqa: E731: nor a chart
    test_papers_have_fonts_and_no_blank_page = None

    def check_sorting(self, sorts, language):
        self.assertEqual(sorted(sorts["before"]), sorted(sorts["up"]))

    def test_says_what_failed(self):
        text = self.markdown("en").read_text(encoding="utf-8")
        self.assertIn("has no result: it failed", text)
        self.assertNotIn("figures/results/accuracy.en.svg", text)


class HostileNamesTest(PagesTest):
    """Names that would be markup or commands, numbers that are none."""

    situation = "hostile"
    options = ("--no-pdf",)
    check_offers = lambda self, offers: None  # noqa: E731: there may be nothing to offer
    check_charts = lambda self, charts, figures: None  # noqa: E731: nor a chart
    test_papers_have_fonts_and_no_blank_page = None

    def check_sorting(self, sorts, language):
        self.assertEqual(sorted(sorts["before"]), sorted(sorts["up"]))

    def test_names_stay_text(self):
        page = (self.folder / "report.en.html").read_text(encoding="utf-8")
        self.assertNotIn("<img src=x", page)
        self.assertEqual(page.count("<script"), 3)


if __name__ == "__main__":
    unittest.main()
