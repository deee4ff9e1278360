(function () {
  'use strict';
  var chinese = document.documentElement.lang.indexOf('zh') === 0;
  function say(english, other) { return chinese ? other : english; }
  function all(selector, within) { return Array.prototype.slice.call((within || document).querySelectorAll(selector)); }
  function make(name, text, parent) {
    var element = document.createElement(name);
    if (text) { element.textContent = text; }
    if (parent) { parent.appendChild(element); }
    return element;
  }

  // ---- sorting ----
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
    var match = /^(?:p [=<>] |[<>])?([-+−]?[\d,]*\.?\d+(?:e[-+]?\d+)?)\s*([A-Za-zµ]*)/.exec(text);
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
  function enhance(table, number) {
    var box = document.createElement('div');
    box.className = 'scroll';
    box.tabIndex = 0;
    box.setAttribute('role', 'region');
    box.setAttribute('aria-label', say('Table ', '表 ') + (number + 1));
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

  // ---- what the page knows of each variant: report/page.h ----
  var facts = JSON.parse(document.getElementById('facts').textContent);
  function nameIn(row) {
    return row.cells.length ? row.cells[0].textContent.replace('★', '').trim() : '';
  }
  // The variant that a row is about: by its label, which its name in brackets and the variant whose model it is may
  // follow.
  function factOf(row) {
    var name = nameIn(row).split(' = ')[0];
    for (var i = 0; i < facts.variants.length; ++i) {
      var one = facts.variants[i], label = one.label;
      if (name === label || name === label + ' (' + one.name + ')' || name === label + '（' + one.name + '）') {
        return one;
      }
    }
    return null;
  }
  function rowsOfVariants(tables) {
    var found = [];
    tables.forEach(function (table) {
      if (!table.tBodies.length) { return; }
      Array.prototype.slice.call(table.tBodies[0].rows).forEach(function (row) {
        var fact = factOf(row);
        if (fact) { found.push({ row: row, fact: fact }); }
      });
    });
    return found;
  }

  // ---- intervals, on hover and on focus ----
  function tell(cell, text) {
    if (!cell || !text || cell.textContent.trim() === '—') { return; }
    var span = document.createElement('span');
    span.className = 'tip';
    span.tabIndex = 0;
    span.setAttribute('data-tip', text);
    span.setAttribute('aria-label', cell.textContent.trim() + ', ' + text);
    span.setAttribute('role', 'note');
    while (cell.firstChild) { span.appendChild(cell.firstChild); }
    cell.appendChild(span);
  }
  function addIntervals(table) {
    rowsOfVariants([table]).forEach(function (found) {
      tell(found.row.cells[1], found.fact.accuracy);
      if (facts.speedColumn) { tell(found.row.cells[2], found.fact.speed); }
    });
  }

  // ---- choosing variants ----
  function addFilter(tables, before) {
    var rows = rowsOfVariants(tables);
    if (facts.variants.length < 3 || !rows.length) { return; }
    var box = document.createElement('fieldset');
    box.className = 'filter';
    make('legend', say('Variants shown', '显示的方案'), box);
    facts.variants.forEach(function (fact) {
      var label = make('label', '', box), input = make('input', '', label);
      input.type = 'checkbox';
      input.checked = true;
      label.appendChild(document.createTextNode(' ' + fact.label));
      input.addEventListener('change', function () {
        rows.forEach(function (one) { if (one.fact === fact) { one.row.hidden = !input.checked; } });
        page.hidden[fact.name] = !input.checked;
        charts.filter();
      });
    });
    before.parentNode.insertBefore(box, before);
  }

  // ---- uncorrected p ----
  // Of a variant against the baseline, or, in a table of pairs, against the variant in the second column.
  function uncorrectedP(found) {
    var against = found.row.cells.length > 1 ? found.row.cells[1].textContent.trim() : '';
    if (!facts.variants.some(function (one) { return one.label === against; })) { return found.fact.p; }
    for (var i = 0; i < facts.pairs.length; ++i) {
      var pair = facts.pairs[i];
      if (pair.variant === found.fact.label && pair.against === against) { return pair.p; }
    }
    return '';
  }
  function addUncorrected(tables) {
    var changes = [], places = [];
    tables.forEach(function (table) {
      if (!table.tHead) { return; }
      Array.prototype.slice.call(table.tHead.rows[0].cells).forEach(function (head, column) {
        if (head.textContent.trim() !== 'p') { return; }
        var before = changes.length;
        rowsOfVariants([table]).forEach(function (found) {
          var cell = found.row.cells[column], raw = uncorrectedP(found);
          if (raw && raw !== cell.textContent.trim()) {
            changes.push({ cell: cell, corrected: cell.textContent, raw: raw });
          }
        });
        if (changes.length > before) { places.push({ table: table, head: head.firstChild }); }
      });
    });
    var inputs = [];
    places.forEach(function (place) {
      var label = document.createElement('label'), input = make('input', '', label);
      label.className = 'switch';
      input.type = 'checkbox';
      inputs.push(input);
      label.appendChild(document.createTextNode(say(' Show p without correction', ' 显示未校正的 p')));
      place.table.parentNode.parentNode.insertBefore(label, place.table.parentNode);
      input.addEventListener('change', function () {
        inputs.forEach(function (other) { other.checked = input.checked; });
        charts.correct(input.checked);
        places.forEach(function (one) {
          one.head.textContent = input.checked ? say('p, uncorrected', 'p（未校正）') : 'p';
        });
        changes.forEach(function (change) {
          change.cell.textContent = input.checked ? change.raw : change.corrected;
          change.cell.classList.toggle('raw', input.checked);
        });
      });
    });
  }

  // ---- larger figures ----
  function enlarge(image) {
    var dialog = document.createElement('dialog');
    dialog.setAttribute('aria-label', image.alt);
    var close = make('button', say('Close', '关闭'), dialog), copy = image.cloneNode();
    close.type = 'button';
    dialog.appendChild(copy);
    close.addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('click', function (event) { if (event.target === dialog) { dialog.close(); } });
    dialog.addEventListener('close', function () { dialog.remove(); image.parentNode.focus(); });
    document.body.appendChild(dialog);
    dialog.showModal();
  }
  function addEnlarging(image) {
    var button = document.createElement('button');
    button.type = 'button';
    button.className = 'figure';
    button.setAttribute('aria-label', say('Enlarge: ', '放大：') + image.alt);
    image.parentNode.insertBefore(button, image);
    button.appendChild(image);
    button.addEventListener('click', function () { enlarge(image); });
  }

  // Also for quantlabCharts(): names of variants that are not shown.
  // Without a prototype: "constructor" is a name like any other.
  var page = { say: say, make: make, all: all, hidden: Object.create(null) };
  var charts = { filter: function () {}, correct: function () {} };

  var tables = all('main table');
  tables.forEach(enhance);
  if (tables.length) {
    addIntervals(tables[0]);
    addFilter(tables, tables[0].parentNode);
    addUncorrected(tables);
  }
  all('main img').forEach(addEnlarging);
  charts = quantlabCharts(page, facts.charts);
})();
