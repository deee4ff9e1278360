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
