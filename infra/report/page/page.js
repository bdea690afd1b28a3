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
    return {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { stroke: colour('--line'), width: 1, size: 4 },
      font: '12px system-ui, sans-serif',
      values,
      ...extra,
    };
  }

  const lines = (value) =>
    data.names.map((name, index) => ({
      label: name,
      stroke: colour(`--case-${data.cases[index] % 4}`),
      width: 2,
      points: { show: false },
      value: (_, y) => value(y),
    }));

  // Logarithmic ticks: only those at 1, 2 and 5 get a text, or they would run into each other.
  const sparse = (_, splits) =>
    splits.map((value) => {
      if (value == null) return '';
      const first = Number(value.toExponential(2).split('e')[0]);
      return first === 1 || first === 2 || first === 5 ? tick(value) : '';
    });

  function spectrum(width) {
    return {
      width,
      height: width < 560 ? 280 : 360,
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [
        axis((_, splits) => splits.map(percentile), {
          splits: (_, __, ___, most) => Array.from({ length: Math.floor(most) + 1 }, (_, nine) => nine),
        }),
        axis(sparse, { size: 64 }),
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
      scales: { x: { time: false, distr: 3 }, y: { range: [0, 100] } },
      axes: [axis(sparse), axis((_, splits) => splits.map((value) => `${value} %`), { size: 64 })],
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
