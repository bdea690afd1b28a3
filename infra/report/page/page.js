// Runs in the page, with uPlot before it. Draws the plots, again whenever the colours, the width or the choice change.
(() => {
  const {
    charts,
    groups,
    overTime,
    heats = [],
    heatRange,
  } = JSON.parse(document.getElementById('data').textContent);
  const place = (id) => document.getElementById(id);
  let chosen = groups.length - 1;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => String(Number(value.toPrecision(3)));
  const millis = (value) => {
    if (value == null) return '–';
    if (value >= 1000) return `${short(value / 1000)} s`;
    return `${value >= 100 ? Math.round(value) : value.toPrecision(value < 0.1 ? 2 : 3)} ms`;
  };
  const bytes = (value) =>
    value >= 1e6 ? `${short(value / 1e6)} MB` : value >= 1000 ? `${short(value / 1000)} kB` : `${value} B`;
  const show = ({ unit }) => {
    if (unit === 'ms') return millis;
    if (unit === 'B') return (value) => (value == null ? '–' : bytes(value));
    return (value) => (value == null ? '–' : `${short(value)}${unit === '' ? '' : ` ${unit}`}`);
  };
  const tickOf = (axis) => (value) => {
    if (value == null) return '';
    if (axis.unit !== 'ms') return show(axis)(value);
    return value >= 1000 ? `${short(value / 1000)} s` : `${short(value)} ms`;
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

  // Lines of a logarithmic axis at 1, 2 and 5, or where that is too narrow for their texts, at 1.
  const logSplits = (needed) => (plot, at, least, most) => {
    const { width, height } = plot.bbox;
    const pixels = (at === 0 ? width : height) / devicePixelRatio;
    const decade = pixels / Math.log10(most / least);
    const steps = decade > 4 * needed ? [1, 2, 5] : [1];
    const every = Math.max(1, Math.ceil(needed / decade));
    const splits = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power++) {
      for (const step of power % every === 0 ? steps : []) {
        const value = step * 10 ** power;
        if (value >= least && value <= most) splits.push(value);
      }
    }
    return splits;
  };
  function logAxis(tick, extra, needed) {
    return axis((_, splits) => splits.map(tick), {
      splits: logSplits(needed),
      filter: (_, splits) => splits,
      ...extra,
    });
  }
  const exactly = (_, least, most) => [least, most];
  const roomy = (_, least, most) => [least * 0.8, most * 1.25];
  // On a touch screen there is no pointer to read values under.
  const legend = {
    live: matchMedia('(hover: hover)').matches,
    markers: { width: 0, fill: (plot, index) => plot.series[index].stroke(plot, index) },
  };
  const base = (width, height) => ({
    width,
    height: width < 560 ? Math.round(height * 0.8) : height,
    cursor: { drag: { x: false, y: false } },
    legend,
  });

  const titled = (text) => ({
    label: text,
    labelFont: '12px system-ui, sans-serif',
    labelSize: 20,
    labelGap: 0,
    size: 36,
  });

  // Runs that are compared keep the colour of their way.
  const dashes = [undefined, [7, 4], [2, 3], [10, 3, 2, 3]];

  function chart(width, data) {
    const { x, y, lines, events } = data;
    const xTick = tickOf(x);
    const yTick = tickOf(y);
    const stroke = (line) => (line.kind === 'model' ? colour('--quiet') : colour(`--way-${line.colour}`));
    const top = (most) => most * (events.length > 0 ? 1.12 : 1.06);
    const highest = Math.max(...lines.flatMap(({ intervals }) => intervals.map(([, , high]) => high)));
    return {
      ...base(width, 380),
      scales: {
        x: {
          time: false,
          distr: x.log ? 3 : 1,
          range: (_, least, most) =>
            x.log ? [least / 1.15, most * 1.15] : [least, most + (most - least) * 0.02],
        },
        y: {
          distr: y.log ? 3 : 1,
          range: (_, least, most) =>
            y.log ? [least * 0.8, Math.max(most, highest) * 1.25] : [0, top(Math.max(most, highest, 0)) || 1],
        },
      },
      axes: [
        x.log ? logAxis(xTick, titled(x.title), 55) : axis((_, splits) => splits.map(xTick), titled(x.title)),
        y.log ? logAxis(yTick, { size: 64 }, 22) : axis((_, splits) => splits.map(yTick), { size: 64 }),
      ],
      series: [
        { label: x.title, value: (_, value) => show(x)(value) },
        ...lines.map((line) => ({
          label: line.name,
          stroke: stroke(line),
          width: line.kind === 'model' ? 1.5 : 2,
          dash: line.kind === 'model' ? [6, 5] : dashes[line.run % dashes.length],
          paths: line.kind === 'steps' ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { show: line.kind === 'measured', size: 7, fill: colour('--paper') },
          spanGaps: true,
          value: (_, value) => show(y)(value),
        })),
      ],
      hooks: { draw: [(plot) => intervals(plot, lines, stroke), (plot) => marks(plot, events)] },
    };
  }

  function intervals(plot, lines, stroke) {
    const { ctx } = plot;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const line of lines) {
      ctx.strokeStyle = stroke(line);
      for (const [x, low, high] of line.intervals) {
        const at = plot.valToPos(x, 'x', true);
        const [bottom, top] = [low, high].map((value) => plot.valToPos(value, 'y', true));
        const half = 4 * devicePixelRatio;
        ctx.beginPath();
        ctx.moveTo(at, bottom);
        ctx.lineTo(at, top);
        for (const end of [bottom, top]) {
          ctx.moveTo(at - half, end);
          ctx.lineTo(at + half, end);
        }
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  // A label that would leave the plot stands to the left of its line.
  function marks(plot, events) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = 'top';
    ctx.fillStyle = ctx.strokeStyle = colour('--ink');
    const rows = [0, 0, 0, 0];
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const { x, label } of events) {
      const at = plot.valToPos(x, 'x', true);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
      const gap = 5 * devicePixelRatio;
      const wide = ctx.measureText(label).width;
      const left = at + gap + wide < bbox.left + bbox.width ? at + gap : at - gap - wide;
      // One below the other where they would cover each other, as far as there is room.
      const row = rows.findIndex((end) => left > end);
      if (row < 0) continue;
      rows[row] = left + wide + gap;
      ctx.textAlign = 'left';
      ctx.fillText(label, left, bbox.top + gap + row * 14 * devicePixelRatio);
    }
    ctx.restore();
  }

  const curves = (group, value) =>
    group.names.map((name, index) => ({
      label: name,
      stroke: colour(`--way-${group.colours[index]}`),
      width: 2,
      points: { show: false },
      value: (_, y) => value(y),
    }));
  const milliTick = tickOf({ unit: 'ms' });

  // A logarithmic axis over less than a decade has too few lines to read it by.
  const wide = (columns) => {
    const values = columns.flat().filter((value) => value > 0);
    return Math.max(...values) > 8 * Math.min(...values);
  };
  const plainAxis = (extra) => axis((_, splits) => splits.map(milliTick), extra);

  function spectrum(width, group) {
    const log = wide(group.spectrum.slice(1));
    return {
      ...base(width, 360),
      scales: {
        x: { time: false, range: exactly },
        y: log ? { distr: 3, range: roomy } : { range: (_, __, most) => [0, most * 1.1] },
      },
      axes: [
        axis((_, splits) => splits.map(percentile), {
          splits: (_, __, ___, most) => Array.from({ length: Math.floor(most) + 1 }, (_, nine) => nine),
        }),
        log ? logAxis(milliTick, { size: 64 }, 22) : plainAxis({ size: 64 }),
      ],
      series: [
        { label: 'percentile', value: (_, x) => (x == null ? '–' : percentile(x)) },
        ...curves(group, millis),
      ],
    };
  }

  function distribution(width, group) {
    const log = wide([group.distribution[0]]);
    const percent = (value) => (value == null ? '–' : `${value.toFixed(1)} %`);
    return {
      ...base(width, 320),
      scales: { x: { time: false, distr: log ? 3 : 1, range: exactly }, y: { range: [0, 100] } },
      axes: [
        log ? logAxis(milliTick, {}, 55) : plainAxis({ space: 70 }),
        axis((_, splits) => splits.map((value) => `${value} %`), { size: 64 }),
      ],
      series: [{ label: 'at most', value: (_, x) => millis(x) }, ...curves(group, percent)],
    };
  }

  // A column a round or second, a row for each step of duration; all heat maps of a page have the same axes.
  function heat({ colour: number, columns }, index) {
    const canvas = place(`heat-${index}`);
    if (!canvas) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    const ctx = canvas.getContext('2d');
    ctx.scale(devicePixelRatio, devicePixelRatio);
    const [left, bottom] = [64, 20];
    const high = height - bottom;
    const ends = heats.flatMap((each) => each.columns.map(([x, wide]) => [x, x + wide]));
    const [from, until] = [Math.min(...ends.map(([x]) => x)), Math.max(...ends.map(([, x]) => x))];
    const [least, most] = [heatRange.least - 1, Math.max(heatRange.most + 2, heatRange.least + 18)];
    const across = (x) => left + ((width - left) * (x - from)) / (until - from || 1);
    const up = (bucket) => high - (high * (bucket - least)) / (most - least);
    ctx.font = '12px system-ui, sans-serif';
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    for (const [millis, bucket] of heatRange.marks) {
      if (bucket <= least || bucket >= most) continue;
      ctx.fillStyle = colour('--line');
      ctx.fillRect(left, up(bucket), width - left, 1);
      ctx.fillStyle = colour('--quiet');
      ctx.fillText(tickOf({ unit: 'ms' })(millis), left - 8, Math.max(7, up(bucket)));
    }
    ctx.fillStyle = colour(`--way-${number}`);
    const step = high / (most - least);
    for (const [x, wide, cells] of columns) {
      const top = Math.max(...cells.filter((_, at) => at % 2 === 1));
      for (let at = 0; at < cells.length; at += 2) {
        ctx.globalAlpha = 0.15 + 0.85 * Math.sqrt(cells[at + 1] / top);
        ctx.fillRect(
          across(x),
          up(cells[at]) - step,
          Math.max(2, across(x + wide) - across(x)),
          Math.ceil(step),
        );
      }
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour('--quiet');
    ctx.textAlign = 'left';
    ctx.fillText(`${short(from)} s`, left, height - 7);
    ctx.textAlign = 'right';
    ctx.fillText(`${short(until)} s`, width, height - 7);
  }

  let drawn = [];
  function draw() {
    for (const plot of drawn) plot.destroy();
    drawn = charts.map((data, index) => {
      const at = place(`chart-${index}`);
      return new uPlot(chart(at.clientWidth, data), data.columns, at);
    });
    const overAt = place('over-time');
    if (overAt && overTime)
      drawn.push(new uPlot(chart(overAt.clientWidth, overTime), overTime.columns, overAt));
    heats.forEach(heat);
    const group = groups[chosen];
    for (const [id, options] of Object.entries({ spectrum, distribution })) {
      const at = place(id);
      if (at && group) drawn.push(new uPlot(options(at.clientWidth, group), group[id], at));
    }
  }

  for (const button of document.querySelectorAll('button[data-group]')) {
    button.addEventListener('click', () => {
      chosen = Number(button.dataset.group);
      for (const each of document.querySelectorAll('button[data-group]'))
        each.setAttribute('aria-pressed', String(Number(each.dataset.group) === chosen));
      for (const each of document.querySelectorAll('.group'))
        each.hidden = Number(each.dataset.group) !== chosen;
      draw();
    });
  }

  const main = document.querySelector('main');
  let width = 0;
  new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    draw();
  }).observe(main);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
})();
