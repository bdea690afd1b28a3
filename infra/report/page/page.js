// Runs in the report's page, with uPlot before it. Draws the two plots, again whenever the colours or the width change.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const places = ['spectrum', 'distribution'].map((id) => document.getElementById(id));
  if (places.includes(null)) return;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const millis = (value) => {
    if (value == null) return '–';
    if (value >= 1000) return `${(value / 1000).toPrecision(3)} s`;
    return `${value >= 100 ? Math.round(value) : value.toPrecision(value < 0.1 ? 2 : 3)} ms`;
  };
  const tick = (value) => {
    if (value == null) return '';
    return value >= 1000 ? `${value / 1000} s` : `${Number(value.toPrecision(3))} ms`;
  };
  // 1 is p90, 2 is p99, 3 is p99.9, and so on.
  const percentile = (nines) => {
    const digits = Math.max(0, Math.ceil(nines) - 2);
    return `${Number((100 * (1 - 10 ** -nines)).toFixed(digits + 1))} %`;
  };

  function axis(values, extra) {
    const lines = { stroke: colour('--line'), width: 1 };
    return {
      stroke: colour('--quiet'),
      grid: lines,
      ticks: { ...lines, size: 4 },
      font: '12px system-ui, sans-serif',
      values,
      ...extra,
    };
  }

  // A logarithmic axis keeps its lines at 1, 2 and 5; the others would only grey the paper, and their texts collide.
  const round = (value) => value != null && /^[125](\.0+)?e/.test(value.toExponential(3));
  const sparse = (_, splits) => splits.map((value) => (round(value) ? value : null));
  function logAxis(extra) {
    const plain = axis((_, splits) => splits.map(tick), extra);
    return {
      ...plain,
      filter: sparse,
      grid: { ...plain.grid, filter: sparse },
      ticks: { ...plain.ticks, filter: sparse },
    };
  }
  const exactly = (_, least, most) => [least, most];
  // On a touch screen there is no pointer to read values under.
  const legend = {
    live: matchMedia('(hover: hover)').matches,
    markers: { width: 0, fill: (plot, index) => plot.series[index].stroke(plot, index) },
  };

  const lines = (value) =>
    data.names.map((name, index) => ({
      label: name,
      stroke: colour(`--case-${data.cases[index] % 4}`),
      width: 2,
      points: { show: false },
      value: (_, y) => value(y),
    }));

  function spectrum(width) {
    return {
      width,
      height: width < 560 ? 280 : 360,
      cursor: { drag: { x: false, y: false } },
      legend,
      scales: {
        x: { time: false, range: exactly },
        y: { distr: 3, range: (_, least, most) => [least * 0.8, most * 1.2] },
      },
      axes: [
        axis((_, splits) => splits.map(percentile), {
          splits: (_, __, ___, most) => Array.from({ length: Math.floor(most) + 1 }, (_, nine) => nine),
        }),
        logAxis({ size: 64 }),
      ],
      series: [{ label: 'percentile', value: (_, x) => (x == null ? '–' : percentile(x)) }, ...lines(millis)],
    };
  }

  function distribution(width) {
    const percent = (value) => (value == null ? '–' : `${value.toFixed(1)} %`);
    return {
      width,
      height: width < 560 ? 260 : 320,
      cursor: { drag: { x: false, y: false } },
      legend,
      scales: { x: { time: false, distr: 3, range: exactly }, y: { range: [0, 100] } },
      axes: [logAxis({ space: 70 }), axis((_, splits) => splits.map((value) => `${value} %`), { size: 64 })],
      series: [{ label: 'at most', value: (_, x) => millis(x) }, ...lines(percent)],
    };
  }

  let drawn = [];
  function draw() {
    for (const plot of drawn) plot.destroy();
    drawn = [
      new uPlot(spectrum(places[0].clientWidth), data.spectrum, places[0]),
      new uPlot(distribution(places[1].clientWidth), data.distribution, places[1]),
    ];
  }

  let width = 0;
  new ResizeObserver(() => {
    if (places[0].clientWidth === width) return;
    width = places[0].clientWidth;
    draw();
  }).observe(places[0]);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
})();
