#!/usr/bin/env python3
"""Draws the architecture of the system, once in each language.

    python3 docs/images/architecture_svg.py      # writes architecture.svg and architecture.zh.svg beside itself

Text stays text: it can be selected and searched, and diffs of the picture can be read.
"""

import pathlib
from xml.sax.saxutils import escape

NAMES = ("architecture.svg", "architecture.zh.svg")
WIDTH, HEIGHT = 1060, 560
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#5f6b76"  # told apart by colour-blind people

# Text in English and in Chinese.
TITLE = ("Architecture of Quantlab", "Quantlab 的架构")
CLIENT = ("thin client, report", "轻客户端、报告")
CLIENT_LINES = (
    ("reads the experiment file", "读取实验文件"),
    ("uploads models and data", "上传模型和数据"),
    ("follows the runs", "跟踪各个运行"),
    ("writes results/ and the report", "写出 results/ 和报告"),
)
COORDINATOR = ("keeps all durable state", "保存全部持久状态")
SERVICE = ("service/: gRPC, health, metrics", "service/：gRPC、健康检查、指标")
CONFIG = ("config/: experiment files to runs", "config/：解析实验文件")
CORE = ("core/: states, leases, queue", "core/：状态、租约、队列")
DATABASE = ("SQLite: experiments, runs,", "SQLite：实验、运行、")
DATABASE_2 = ("attempts, events", "尝试、事件")
ARTIFACTS = ("artifacts, named", "制品，以 SHA-256")
ARTIFACTS_2 = ("by SHA-256", "命名")
WORKER = ("one per machine: CPU or GPU", "每台机器一个：CPU 或 GPU")
WORKER_LINES = (
    ("lease loop, heartbeats", "租约循环、心跳"),
    ("spool during outages", "断线时暂存，不丢数据"),
    ("supervision, artifact cache", "监督、制品缓存"),
)
RUNNER = ("one process per attempt; LibTorch", "每次尝试一个进程；LibTorch")
ENGINE = ("text/", "data/", "models/", "train/", "methods/", "measure/")
ENGINE_NOTE = ("tokens · splits · encoders · AdamW · quantization · timing", "分词 · 划分 · 编码器 · AdamW · 量化方法 · 测量")
SUBMIT = ("submit, watch", "提交、跟踪")
SYNC = ("Sync, events,", "同步、事件、")
SYNC_2 = ("artifacts", "制品")
SPAWN = ("spawns; passes job.json,", "启动；传入 job.json，")
SPAWN_2 = ("reads events from a pipe", "从管道读取事件")
SCRAPE = ("scrapes /metrics", "采集 /metrics")
OPTIONAL = ("optional", "可选")
OWN = (
    "quantctl run FILE without a configured coordinator starts all three programs on this machine, on a Unix socket.",
    "没有配置协调器时，quantctl run FILE 在本机通过 Unix 套接字启动全部三个程序。",
)


class Picture:
    def __init__(self, language):
        self.language = language
        self.parts = []

    def say(self, text):
        return text if isinstance(text, str) else text[self.language]

    def box(self, x, y, width, height, colour, fill="#ffffff", dashed=False):
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" '
                          f'stroke="{colour}" stroke-width="1.6"{dash}/>')

    def text(self, x, y, text, size=13, colour="#1f2933", weight=400, anchor="start", mono=False):
        family = "mono" if mono else "sans"
        self.parts.append(f'<text x="{x}" y="{y}" class="{family}" font-size="{size}" fill="{colour}" '
                          f'font-weight="{weight}" text-anchor="{anchor}">{escape(self.say(text))}</text>')

    def arrow(self, x1, y1, x2, y2, both=True, colour=GREY, dashed=False):
        start = ' marker-start="url(#tip)"' if both else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.8" '
                          f'marker-end="url(#tip)"{start}{dash}/>')

    def program(self, x, y, width, height, name, note, colour):
        self.box(x, y, width, height, colour, fill="#fbfcfd")
        self.text(x + 14, y + 27, name, size=17, colour=colour, weight=700, mono=True)
        self.text(x + 14, y + 47, note, size=12.5, colour=GREY)

    def render(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                f'aria-label="{escape(self.say(TITLE))}">\n<title>{escape(self.say(TITLE))}</title>\n'
                "<style>.sans{font-family:'Noto Sans','Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',"
                "'PingFang SC',Helvetica,Arial,sans-serif}.mono{font-family:'Noto Sans Mono','DejaVu Sans Mono',"
                "Consolas,Menlo,monospace}</style>\n"
                '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
                f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{GREY}"/></marker></defs>\n'
                f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>\n')
        return head + "\n".join(self.parts) + "\n</svg>\n"


def client(picture):
    picture.program(24, 60, 242, 172, "quantctl", CLIENT, BLUE)
    for line, text in enumerate(CLIENT_LINES):
        picture.text(38, 136 + 24 * line, text)


def coordinator(picture):
    x, y = 398, 36
    picture.program(x, y, 310, 330, "quant-coordinator", COORDINATOR, ORANGE)
    for row, text in enumerate((SERVICE, CONFIG, CORE)):
        picture.box(x + 16, y + 64 + 54 * row, 278, 40, "#b8c2cc")
        picture.text(x + 155, y + 89 + 54 * row, text, anchor="middle")
    picture.arrow(x + 155, y + 212, x + 155, y + 240, both=False)
    picture.box(x + 16, y + 244, 158, 66, "#b8c2cc")
    picture.text(x + 95, y + 272, DATABASE, size=12, anchor="middle")
    picture.text(x + 95, y + 291, DATABASE_2, size=12, anchor="middle")
    picture.box(x + 184, y + 244, 110, 66, "#b8c2cc")
    picture.text(x + 239, y + 272, ARTIFACTS, size=12, anchor="middle")
    picture.text(x + 239, y + 291, ARTIFACTS_2, size=12, anchor="middle")


def worker(picture):
    x, y = 836, 60
    for offset in (12, 6):  # there may be several
        picture.box(x + offset, y - offset, 200, 172, "#b8c2cc")
    picture.program(x, y, 200, 172, "quant-worker", WORKER, GREEN)
    for line, text in enumerate(WORKER_LINES):
        picture.text(x + 14, y + 80 + 26 * line, text)


def runner(picture):
    x, y = 560, 420
    picture.program(x, y, 476, 112, "quant-runner", RUNNER, GREEN)
    for column, folder in enumerate(ENGINE):
        picture.box(x + 14 + 75.5 * column, y + 58, 70, 24, "#b8c2cc")
        picture.text(x + 49 + 75.5 * column, y + 74.5, folder, size=11.5, anchor="middle", mono=True)
    picture.text(x + 238, y + 102, ENGINE_NOTE, size=11.5, colour=GREY, anchor="middle")


def prometheus(picture):
    picture.box(24, 300, 242, 66, "#b8c2cc", dashed=True)
    picture.text(38, 329, "Prometheus → Grafana", size=15, colour=GREY, weight=700)
    picture.text(38, 350, OPTIONAL, size=12.5, colour=GREY)


def links(picture):
    picture.arrow(266, 140, 398, 140)
    picture.text(332, 116, "gRPC", size=14, weight=700, anchor="middle")
    picture.text(332, 160, SUBMIT, size=12.5, colour=GREY, anchor="middle")
    picture.arrow(836, 140, 708, 140)
    picture.text(772, 116, "gRPC", size=14, weight=700, anchor="middle")
    picture.text(772, 160, SYNC, size=12.5, colour=GREY, anchor="middle")
    picture.text(772, 177, SYNC_2, size=12.5, colour=GREY, anchor="middle")
    picture.arrow(936, 232, 936, 420)
    picture.text(924, 320, SPAWN, size=12.5, colour=GREY, anchor="end")
    picture.text(924, 337, SPAWN_2, size=12.5, colour=GREY, anchor="end")
    picture.arrow(266, 333, 398, 333, both=False, dashed=True)
    picture.text(332, 322, SCRAPE, size=12.5, colour=GREY, anchor="middle")


def note(picture):
    text = picture.say(OWN)
    lines, line = [], ""
    for word in text.split(" "):
        limit = 58 if picture.language == 0 else 32
        if line and len(line) + len(word) + 1 > limit:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    for row, content in enumerate(lines + [line]):
        picture.text(24, 446 + 20 * row, content, size=13, colour=GREY)


def draw(language):
    picture = Picture(language)
    for part in (client, coordinator, worker, runner, prometheus, links, note):
        part(picture)
    return picture.render()


def main():
    for language, name in enumerate(NAMES):
        (pathlib.Path(__file__).parent / name).write_text(draw(language), encoding="utf-8")


if __name__ == "__main__":
    main()
