// The charts that take the place of pictures on a screen: report/page_charts.h says what the page knows of them.
// Readers switch between the views of a chart, sort its rows, enlarge it, and see a point's interval by mouse or by
// the arrow keys. Drawn by Chart.js.
function quantlabCharts(page, specs) {
  'use strict';
  var say = page.say, make = page.make, charts = [], uncorrected = false;

  // ---- colours: those of the page, light or dark ----
  function ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  // The baseline is black, which the dark page has as its paper.
  function colorOf(series) { return series.color === '#000000' ? ink('--ink') : series.color; }

  // ---- what a point says ----
  function linesOf(point) {
    var lines = point.text.slice();
    if (point.p) {
      lines.push(uncorrected ? say('uncorrected ', '未校正的 ') + point.rawP : say('corrected ', '校正后的 ') + point.p);
    }
    return lines;
  }

  // ---- intervals ----
  var whiskers = {
    id: 'whiskers',
    afterDatasetsDraw: function (chart) {
      var context = chart.ctx, x = chart.scales.x, y = chart.scales.y;
      context.save();
      context.lineWidth = 1.5;
      chart.data.datasets.forEach(function (set, index) {
        context.strokeStyle = set.series.color === '#000000' || set.bars ? ink('--ink') : set.borderColor;
        chart.getDatasetMeta(index).data.forEach(function (element, i) {
          var point = set.data[i];
          if (point.xl !== undefined) { line(context, x.getPixelForValue(point.xl), element.y, x.getPixelForValue(point.xh), element.y); }
          if (point.yl !== undefined) { line(context, element.x, y.getPixelForValue(point.yl), element.x, y.getPixelForValue(point.yh)); }
        });
      });
      context.restore();
    }
  };
  // With a short bar across each end.
  function line(context, x1, y1, x2, y2) {
    var end = 4, across = x1 === x2;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    [[x1, y1], [x2, y2]].forEach(function (at) {
      context.moveTo(at[0] - (across ? end : 0), at[1] - (across ? 0 : end));
      context.lineTo(at[0] + (across ? end : 0), at[1] + (across ? 0 : end));
    });
    context.stroke();
  }
  // Dotted lines at the values that the others are compared with.
  function reference(view) {
    return {
      id: 'reference',
      beforeDatasetsDraw: function (chart) {
        var context = chart.ctx, area = chart.chartArea;
        context.save();
        context.strokeStyle = ink('--quiet');
        context.lineWidth = 1.5;
        context.setLineDash([2, 4]);
        context.beginPath();
        if (view.reference !== undefined) {
          var x = chart.scales.x.getPixelForValue(view.reference);
          if (x >= area.left && x <= area.right) { context.moveTo(x, area.top); context.lineTo(x, area.bottom); }
        }
        if (view.level !== undefined) {
          var y = chart.scales.y.getPixelForValue(view.level);
          if (y >= area.top && y <= area.bottom) { context.moveTo(area.left, y); context.lineTo(area.right, y); }
        }
        context.stroke();
        context.restore();
      }
    };
  }

  // ---- from a view to what Chart.js draws ----
  function hasRows(view) { return view.kind === 'rows' || view.kind === 'bars'; }
  function dataset(view, series, names) {
    var bars = view.kind === 'bars', lines = view.kind === 'lines', color = colorOf(series);
    // Variants of one method have one colour: their lines differ in their dashes.
    var same = names.filter(function (one) { return one === series.color; }).length;
    names.push(series.color);
    return {
      series: series, bars: bars, label: series.label, type: bars ? 'bar' : 'scatter', showLine: lines, grouped: false,
      data: series.points.map(function (point) {
        return Object.assign({}, point, hasRows(view) ? { y: series.label } : {});
      }),
      backgroundColor: color, borderColor: lines ? color : ink('--ink'), borderWidth: lines ? 2 : 1,
      borderDash: same ? [2 + 3 * same, 3] : [], maxBarThickness: 26,
      pointBackgroundColor: color,
      pointStyle: ['circle', 'rectRot', 'triangle', 'rect'][same % 4],
      pointBorderWidth: function (context) { return context.raw && context.raw.ring ? 3 : 1; },
      pointRadius: function (context) {
        if (lines) { return 0; }
        return context.raw && context.raw.size ? Math.max(5, 20 * Math.sqrt(context.raw.size)) : 6;
      },
      pointHoverRadius: function (context) {
        return lines ? 5 : context.raw && context.raw.size ? Math.max(6, 21 * Math.sqrt(context.raw.size)) : 8;
      },
      pointHitRadius: lines ? 6 : 4
    };
  }
  // A long name is cut into two lines on a narrow screen.
  function wrapped(text) {
    if (text.length <= 14 || window.innerWidth > 700) { return text; }
    var middle = text.length / 2, best = -1;
    for (var i = 1; i < text.length; ++i) {
      if (/[ （(]/.test(text.charAt(i)) && Math.abs(i - middle) < Math.abs(best - middle)) { best = i; }
    }
    return best < 0 ? text : [text.slice(0, best), text.slice(best).trim()];
  }
  function axis(view, name) {
    var scale = {
      type: 'linear', title: { display: !!view[name], text: view[name], color: ink('--ink') },
      ticks: { color: ink('--ink') }, grid: { color: ink('--line'), borderColor: ink('--quiet') }, grace: '6%'
    };
    if (name === 'x' && view.kind === 'bars') { scale.beginAtZero = true; }
    if (name === 'x' && view.kind === 'lines') { scale.grace = 0; }
    if (name === 'x' && view.ticks) {
      scale.ticks.stepSize = 1;
      scale.ticks.autoSkip = true;
      scale.ticks.maxRotation = 90;
      scale.ticks.callback = function (value) { return view.ticks[value] || ''; };
    }
    if (name === 'y' && hasRows(view)) {
      Object.assign(scale, {
        type: 'category', offset: true, labels: view.series.map(function (one) { return one.label; }), title: { display: false },
        grid: { color: ink('--line'), offset: false }
      });
      scale.ticks.autoSkip = false;
      scale.ticks.callback = function (value) { return wrapped(this.getLabelForValue(value)); };
      delete scale.grace;
    }
    return scale;
  }
  // The ends of the intervals are inside.
  function limits(view, scale, name) {
    var low = Infinity, high = -Infinity;
    view.series.forEach(function (series) {
      series.points.forEach(function (point) {
        [point[name], point[name + 'l'], point[name + 'h']].forEach(function (value) {
          if (typeof value === 'number') { low = Math.min(low, value); high = Math.max(high, value); }
        });
      });
    });
    if (high >= low) { scale.suggestedMin = low; scale.suggestedMax = high; }
  }
  function options(view) {
    var x = axis(view, 'x'), y = axis(view, 'y');
    limits(view, x, 'x');
    if (!hasRows(view)) { limits(view, y, 'y'); }
    return {
      animation: false, responsive: true, maintainAspectRatio: false, indexAxis: hasRows(view) ? 'y' : 'x',
      interaction: { mode: 'nearest', intersect: view.kind !== 'lines' },
      scales: { x: x, y: y },
      layout: { padding: { right: 12, top: 8 } },
      plugins: {
        legend: {
          display: !hasRows(view) && view.series.length > 1, position: 'bottom', onClick: function () {},
          labels: { color: ink('--ink'), usePointStyle: true, pointStyleWidth: 18, boxHeight: 8 }
        },
        tooltip: {
          displayColors: false, callbacks: {
            title: function (items) { return items.length ? items[0].dataset.label : ''; },
            label: function (item) { return linesOf(item.raw); }
          }
        }
      }
    };
  }

  // ---- one chart ----
  function height(view) { return hasRows(view) ? 74 + 38 * view.series.length : window.innerWidth > 700 ? 430 : 400; }
  function Holder(image, spec) {
    var self = this, number = charts.length + 1;
    this.spec = spec;
    this.view = spec.views[0];
    this.picture = image.parentNode;
    this.box = make('div');
    this.box.className = 'chart';
    var tools = make('div', '', this.box);
    tools.className = 'tools';
    this.views = this.addChoice(tools, say('Shown', '显示'), 'chart-view-' + number, spec.views.map(function (view) { return view.name; })
      .concat(say('picture, as printed', '图片（打印版）')));
    this.orders = this.addChoice(tools, say('Order', '排序'), 'chart-order-' + number,
                                 [say('as in the report', '同报告'), say('lowest first', '由小到大'), say('highest first', '由大到小')]);
    this.enlargeButton = make('button', say('Enlarge', '放大'), tools);
    this.enlargeButton.type = 'button';
    this.enlargeButton.setAttribute('aria-label', say('Enlarge: ', '放大：') + spec.figure);
    this.frame = make('div', '', this.box);
    this.frame.className = 'canvas';
    this.canvas = make('canvas', '', this.frame);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-label', spec.figure + say('. Arrow keys show the values.', '。按方向键查看数值。'));
    this.told = make('p', '', this.box);
    this.told.className = 'told';
    this.told.setAttribute('aria-live', 'polite');
    this.picture.parentNode.insertBefore(this.box, this.picture);
    this.views.addEventListener('change', function () { self.show(); });
    this.orders.addEventListener('change', function () { self.show(); });
    this.enlargeButton.addEventListener('click', function () { self.enlarge(); });
    this.canvas.addEventListener('keydown', function (event) { self.key(event); });
    this.canvas.addEventListener('blur', function () { self.point(null); });
    this.show();
  }
  Holder.prototype.addChoice = function (parent, label, id, names) {
    var box = make('label', label + ' ', parent), select = make('select', '', box);
    select.id = id;
    names.forEach(function (name) { make('option', name, select); });
    return select;
  };
  // The view that is chosen, or the picture.
  Holder.prototype.show = function () {
    var view = this.spec.views[this.views.selectedIndex];
    var picture = !view;
    this.picture.hidden = !picture;
    this.frame.hidden = this.enlargeButton.hidden = picture;
    this.orders.parentNode.hidden = picture || !hasRows(view);
    this.told.textContent = '';
    if (picture) { return; }
    this.view = this.sorted(view);
    this.frame.style.height = height(this.view) + 'px';
    if (this.chart) { this.chart.destroy(); }
    var colors = [], view_ = this.view;
    this.datasets = view_.series.map(function (series) { return dataset(view_, series, colors); });
    this.chart = new Chart(this.canvas, {
      type: 'scatter', plugins: [reference(view_), whiskers], options: options(view_), data: { datasets: this.shownSets() }
    });
    this.label();
  };
  Holder.prototype.sorted = function (view) {
    var order = this.orders.selectedIndex, series = view.series.slice();
    if (hasRows(view) && order > 0) {
      series.sort(function (a, b) { return (order === 1 ? 1 : -1) * (a.points[0].x - b.points[0].x); });
    }
    return Object.assign({}, view, { series: series });
  };
  // Series of variants that are not shown are left out: only hidden, they would keep their rows.
  Holder.prototype.shownSets = function () {
    return this.datasets.filter(function (set) { return !page.hidden[set.series.variant]; });
  };
  Holder.prototype.label = function () {
    if (hasRows(this.view)) { this.chart.options.scales.y.labels = this.shownSets().map(function (set) { return set.label; }); }
    this.chart.update('none');
  };
  Holder.prototype.filter = function () {
    if (!this.chart) { return; }
    this.point(null);
    this.chart.data.datasets = this.shownSets();
    this.label();
  };
  // What the arrow keys go through: the points of a series, and from series to series.
  Holder.prototype.key = function (event) {
    var keys = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (event.key === 'Escape' && this.at) { this.point(null); event.preventDefault(); event.stopPropagation(); return; }
    if (!keys[event.key] || !this.chart) { return; }
    event.preventDefault();
    var sets = this.chart.data.datasets, step = keys[event.key];
    if (!sets.length) { return; }
    if (!this.at) { this.point({ set: 0, index: 0 }); return; }
    var count = sets[this.at.set].data.length, index = this.at.index + step[1], place = this.at.set + step[0];
    // Past the end of a series the next one begins.
    if (index < 0) { --place; } else if (index >= count) { ++place; }
    place = (place + sets.length) % sets.length;
    var size = sets[place].data.length;
    if (index >= count && step[1]) { index = 0; } else if (index < 0) { index = size - 1; }
    this.point({ set: place, index: Math.min(index, size - 1) });
  };
  Holder.prototype.point = function (at) {
    this.at = at;
    if (!this.chart) { return; }
    if (!at) {
      this.chart.setActiveElements([]);
      this.chart.tooltip.setActiveElements([], { x: 0, y: 0 });
      this.told.textContent = '';
    } else {
      var active = [{ datasetIndex: at.set, index: at.index }], set = this.chart.data.datasets[at.set];
      var element = this.chart.getDatasetMeta(at.set).data[at.index];
      this.chart.setActiveElements(active);
      this.chart.tooltip.setActiveElements(active, { x: element.x, y: element.y });
      this.told.textContent = set.label + say(': ', '：') + linesOf(set.data[at.index]).join(say('; ', '；'));
    }
    this.chart.update('none');
  };
  // The same chart in a dialog as large as the window.
  Holder.prototype.enlarge = function () {
    var self = this, dialog = make('dialog', '', document.body);
    dialog.className = 'large';
    dialog.setAttribute('aria-label', this.spec.figure);
    var close = make('button', say('Close', '关闭'), dialog);
    close.type = 'button';
    close.addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('close', function () {
      self.box.insertBefore(self.frame, self.told);
      self.frame.style.height = height(self.view) + 'px';
      dialog.remove();
      self.chart.resize();
      self.enlargeButton.focus();
    });
    dialog.appendChild(this.frame);
    this.frame.style.height = 'calc(92vh - 5rem)';
    dialog.showModal();
    this.chart.resize();
    this.canvas.focus();
  };

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 13;
  specs.forEach(function (spec) {
    page.all('main img').forEach(function (image) {
      if (image.alt === spec.figure) { charts.push(new Holder(image, spec)); }
    });
  });
  function redraw() { charts.forEach(function (one) { if (one.spec.views[one.views.selectedIndex]) { one.show(); } }); }
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  return {
    // After page.hidden, the names of variants that are not shown, has changed.
    filter: function () { charts.forEach(function (one) { one.filter(); }); },
    correct: function (raw) { uncorrected = raw; }
  };
}
