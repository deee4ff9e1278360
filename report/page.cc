#include "report/page.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

constexpr char kScreenStyle[] = R"css(
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1c1c; --quiet: #5b5b5b; --line: #d9d9d9;
        --shade: #f5f5f5; --link: #0058a3; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #e6e6e6; --quiet: #a4a8ad; --line: #3a3e44; --shade: #202328; --link: #7db9f0; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.65; overflow-wrap: break-word;
       font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC",
                    "Microsoft YaHei", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1.title { line-height: 1.25; font-size: 1.9rem; margin: 1rem 0; border: 0; }
h1 { margin-top: 2.6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); font-size: 1.4rem; }
h2 { margin-top: 1.9rem; font-size: 1.12rem; }
a { color: var(--link); }
code { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "Noto Sans Mono", "Noto Sans Mono CJK SC", monospace;
       font-size: .88em; background: var(--shade); padding: .08em .3em; border-radius: .25em; overflow-wrap: anywhere; }
nav { background: var(--shade); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem; }
nav ul { margin: .3rem 0; padding-left: 1.2rem; }
nav summary { cursor: pointer; font-weight: 600; }
img { display: block; max-width: 100%; height: auto; margin: 1.2rem auto .4rem; background: #ffffff; border-radius: .5rem;
      padding: .4rem; border: 1px solid var(--line); }
/* Without the script below a table scrolls by itself. */
main > table { display: block; overflow-x: auto; }
.scroll { overflow-x: auto; margin: .4rem 0 1.6rem; }
.scroll > table { margin: 0; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .65rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--shade); white-space: nowrap; position: sticky; top: 0; }
td { max-width: 26rem; }
td[style*="right"] { white-space: nowrap; }
td code { background: none; padding: 0; overflow-wrap: normal; white-space: nowrap; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--link); }
th button::after { content: " ⇅"; color: var(--quiet); font-size: .8em; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
@media (max-width: 40rem) { main { padding: 1rem .9rem 3rem; } h1.title { font-size: 1.5rem; } h1 { font-size: 1.2rem; } }
@media print { nav, th button::after { display: none; } .scroll { overflow: visible; } }
)css";

constexpr char kPaperStyle[] = R"css(
@page { size: A4; margin: 18mm 16mm 20mm;
        @bottom-center { content: counter(page) " / " counter(pages); font-size: 8pt; color: #666666; } }
body { color: #111111; font-size: 10pt; line-height: 1.5;
       font-family: "Noto Sans CJK SC", "Noto Sans SC", "Noto Sans", sans-serif; }
h1.title { font-size: 18pt; line-height: 1.25; margin: 0 0 4mm; border: 0; }
h1 { font-size: 13.5pt; margin: 8mm 0 2mm; border-bottom: .3mm solid #cccccc; }
h2 { font-size: 11pt; margin: 5mm 0 1.5mm; }
h1, h2 { break-after: avoid; }
p { margin: 0 0 2.4mm; orphans: 2; widows: 2; }
code { font-family: "Noto Sans Mono CJK SC", "Noto Sans Mono", monospace; font-size: .88em; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; max-height: 200mm; margin: 2mm auto; break-inside: avoid; break-after: avoid; }
table { border-collapse: collapse; width: 100%; font-size: 7pt; line-height: 1.3; margin: 1mm 0 5mm; }
th, td { border-bottom: .2mm solid #cccccc; padding: .7mm 1mm; text-align: left; vertical-align: top; }
th { background: #f2f2f2; }
tr { break-inside: avoid; }
nav { font-size: 9pt; columns: 2; }
nav strong { column-span: all; }
nav ul { list-style: none; padding-left: 4mm; margin: 0; }
nav a { color: #111111; text-decoration: none; }
nav a::after { content: leader(".") target-counter(attr(href), page); }
)css";

// Sorting by a click on a column's head: numbers by their value in base units, texts by their letters.
constexpr char kScript[] = R"js(
(function () {
  'use strict';
  var UNITS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, 'µs': 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600 };
  // "3 min 20 s" is one number.
  function duration(text) {
    var sign = text.charAt(0) === '-' ? -1 : 1, parts = text.replace(/^-/, '').split(' '), total = 0;
    if (parts.length < 4 || parts.length % 2) { return null; }
    for (var i = 0; i < parts.length; i += 2) {
      var number = Number(parts[i].replace(/,/g, ''));
      if (isNaN(number) || ['h', 'min', 's'].indexOf(parts[i + 1]) < 0) { return null; }
      total += number * UNITS[parts[i + 1]];
    }
    return sign * total;
  }
  function value(text) {
    var time = duration(text);
    if (time !== null) { return time; }
    var match = /^(?:p [=<>] )?([-+−]?[\d,]*\.?\d+(?:e[-+]?\d+)?)\s*([A-Za-zµ]*)/.exec(text);
    if (!match) { return null; }
    var number = parseFloat(match[1].replace(/,/g, '').replace('−', '-'));
    return number * (UNITS[match[2]] || 1);
  }
  function compare(a, b) {
    var x = value(a), y = value(b);
    if (x !== null && y !== null) { return x - y; }
    if (x !== null || y !== null) { return x !== null ? -1 : 1; }
    return a.localeCompare(b, document.documentElement.lang);
  }
  function sort(table, column, ascending) {
    var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
    var text = function (row) { return row.cells[column].textContent.trim(); };
    rows.sort(function (a, b) {
      // What was not measured stays at the end.
      var first = text(a), second = text(b), empty = function (t) { return t === '' || t === '—'; };
      if (empty(first) || empty(second)) { return (empty(first) ? 1 : 0) - (empty(second) ? 1 : 0); }
      return ascending ? compare(first, second) : compare(second, first);
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }
  function enhance(table) {
    var box = document.createElement('div');
    box.className = 'scroll';
    box.tabIndex = 0;
    table.parentNode.insertBefore(box, table);
    box.appendChild(table);
    if (!table.tHead || !table.tBodies.length) { return; }
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = document.createElement('button');
      button.type = 'button';
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener('click', function () {
        var ascending = head.getAttribute('aria-sort') !== 'ascending';
        heads.forEach(function (other) { other.removeAttribute('aria-sort'); });
        head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
        sort(table, column, ascending);
      });
    });
  }
  Array.prototype.slice.call(document.querySelectorAll('main table')).forEach(enhance);
})();
)js";

// As text of HTML inside a pandoc template, where a dollar begins a variable.
std::string EscapeTitle(absl::string_view title) {
  return absl::StrReplaceAll(OneLine(title),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"$", "$$"}});
}

std::string Contents(Language language, Medium medium) {
  const char* const title = Say(language, "Contents", "目录");
  if (medium == Medium::kPaper)
    return absl::StrCat("<nav>\n<strong>", title, "</strong>\n$table-of-contents$\n</nav>\n");
  return absl::StrCat("<nav><details><summary>", title,
                      "</summary>\n$table-of-contents$\n</details></nav>\n");
}

}  // namespace

std::string PageTemplate(Language language, Medium medium, absl::string_view title) {
  const bool screen = medium == Medium::kScreen;
  // Style and script hold no dollar.
  return absl::StrCat("<!DOCTYPE html>\n<html lang=\"", Say(language, "en", "zh-CN"), "\">\n<head>\n",
                      "<meta charset=\"utf-8\">\n",
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n", "<title>",
                      EscapeTitle(title), "</title>\n<style>", screen ? kScreenStyle : kPaperStyle,
                      "</style>\n</head>\n<body>\n<main>\n<h1 class=\"title\">$title$</h1>\n",
                      "$if(table-of-contents)$\n", Contents(language, medium), "$endif$\n$body$\n</main>\n",
                      screen ? absl::StrCat("<script>", kScript, "</script>\n") : "", "</body>\n</html>\n");
}

}  // namespace quantlab::report
