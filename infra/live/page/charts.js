// The lines over time.
import uPlot from './uPlot.js';
import { clock, colour, placeOf } from './words.js';

const font = '12px system-ui, sans-serif';
const short = (value) => String(Number(value.toPrecision(3)));
const milliTick = (value) => (value >= 1000 ? `${short(value / 1000)} s` : `${short(value)} ms`);

function axis(extra) {
  return {
    stroke: () => colour('--quiet'),
    grid: { stroke: () => colour('--line'), width: 1 },
    ticks: { show: false },
    font,
    ...extra,
  };
}

/** 1, 2 and 5 of each power of ten; only 1 where that is too narrow. */
function logSplits(_, __, least, most) {
  const steps = Math.log10(most / least) > 2.5 ? [1] : [1, 2, 5];
  const splits = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power++)
    for (const step of steps) {
      const value = step * 10 ** power;
      if (value >= least && value <= most) splits.push(value);
    }
  return splits;
}

/** Never less than a factor of ten: a quiet line is to look quiet. */
function logRange(_, least, most) {
  if (!(most > 0)) return [0.1, 10];
  const [low, high] = [least / 1.4, most * 1.5];
  const lacking = Math.max(1, Math.sqrt(10 / (high / low)));
  return [low / lacking, high * lacking];
}

const marking = ['switched', 'killed', 'changed', 'head'];

/** Lines where something happened, with a word on them as far as there is room. */
function marks(plot, events) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  const least = plot.scales.x.min * 1000;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  ctx.textAlign = 'left';
  const rows = [0, 0, 0];
  for (const { at, kind, text: whole } of events) {
    if (at < least || !marking.includes(kind)) continue;
    const x = plot.valToPos(at / 1000, 'x', true);
    ctx.strokeStyle = ctx.fillStyle = colour(kind === 'killed' ? '--bad' : '--quiet');
    ctx.setLineDash([2 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = whole.replace(/^visits go by /, '');
    const width = ctx.measureText(text).width;
    const gap = 4 * scale;
    const left = x + gap + width < bbox.left + bbox.width ? x + gap : x - gap - width;
    const row = rows.findIndex((end) => left > end);
    if (row < 0) continue;
    rows[row] = left + width + 2 * gap;
    ctx.fillText(text, left, bbox.top + (2 + 13 * row) * scale);
  }
  ctx.restore();
}

export class TimeChart {
  #place;
  #options;
  #plot;
  #shape = '';

  /** `seriesOf(history)`: a list of { label, colour, width, dash, alpha, points, list }. */
  constructor(place, options) {
    this.#place = place;
    this.#options = options;
  }

  draw(history, span) {
    const { seriesOf, log = false, tick = (value) => short(value), height, marked = false } = this.#options;
    const series = seriesOf(history);
    const from = history.since(span);
    const data = [history.times.slice(from), ...series.map(({ list }) => list.slice(from))];
    const width = this.#place.clientWidth;
    if (width === 0) return;
    const shape = `${width} ${series.map(({ label }) => label).join()} ${colour('--ink')}`;
    const last = history.times.at(-1) ?? 0;
    this.span = [last - span, last];
    this.events = history.events;
    if (shape === this.#shape) {
      this.#plot.setData(data);
      return;
    }
    this.#shape = shape;
    this.#plot?.destroy();
    this.#plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { range: () => this.span },
          y: log ? { distr: 3, range: logRange } : { range: (_, __, most) => [0, (most || 1) * 1.15] },
        },
        axes: [
          axis({
            values: (_, splits) => splits.map((at) => clock(at * 1000).slice(0, width < 500 ? 5 : 8)),
            space: 70,
            size: 26,
          }),
          axis({
            values: (_, splits) => splits.map(tick),
            size: 56,
            ...(log ? { splits: logSplits, filter: (_, splits) => splits } : { space: 34 }),
          }),
        ],
        series: [
          {},
          ...series.map(({ label, place, width: line = 2, dash, alpha = 1, gaps = true, dots = false }) => ({
            label,
            stroke: () => colour(place),
            width: line,
            dash,
            alpha,
            spanGaps: gaps,
            points: { show: dots, size: 5 },
          })),
        ],
        hooks: marked ? { draw: [(plot) => marks(plot, this.events)] } : {},
      },
      data,
      this.#place,
    );
  }
}

const lines = {
  p50: { width: 2.25 },
  p90: { width: 1.5, dash: [5, 4] },
  p99: { width: 1, alpha: 0.75 },
};

/** `shown()`: which of p50, p90 and p99. */
export const latencyChart = (place, shown) =>
  new TimeChart(place, {
    height: 300,
    log: true,
    marked: true,
    tick: milliTick,
    seriesOf: ({ ways }) =>
      [...ways].flatMap(([way, lists]) =>
        shown().map((figure) => ({
          ...lines[figure],
          label: `${way} ${figure}`,
          place: `--way-${placeOf(way)}`,
          // Ways that take turns have every other second; one that has no visits for longer has no line.
          list: bridged(lists[figure]),
          gaps: false,
        })),
      ),
  });

export const visitsChart = (place) =>
  new TimeChart(place, {
    height: 190,
    seriesOf: ({ ways }) =>
      [...ways].flatMap(([way, { done, failed }]) => [
        { label: way, place: `--way-${placeOf(way)}`, list: done, gaps: false },
        {
          label: `${way} failed`,
          place: '--bad',
          width: 1.5,
          list: failed.map((number) => number || null),
          dots: true,
          gaps: false,
        },
      ]),
  });

export const cpuChart = (place) =>
  new TimeChart(place, {
    height: 190,
    tick: (value) => (value >= 10_000 ? milliTick(value / 1000) : `${short(value)} µs`),
    seriesOf: ({ cpu }) => [{ label: 'CPU', place: '--ink', width: 1.5, list: bridged(cpu), gaps: false }],
  });

/** Up to four seconds without a value are the way of a line in between. */
function bridged(list) {
  const made = list.slice();
  let before = -1;
  for (let at = 0; at < made.length; at++) {
    if (made[at] === null) continue;
    const gap = at - before - 1;
    if (before >= 0 && gap > 0 && gap <= 4)
      for (let step = 1; step <= gap; step++)
        made[before + step] = made[before] * (made[at] / made[before]) ** (step / (gap + 1));
    before = at;
  }
  return made;
}
