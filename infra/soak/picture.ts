/** Charts over time as one SVG picture, one below the other, for documents: nothing to click, no script. */
import type { Chart } from '../report/chart.ts';
import { escapeHtml } from '../report/html.ts';

const WIDTH = 860;
const LEFT = 64;
const RIGHT = 16;
const PLOT = 150;
const GAP = 58;
const colours = ['#2f6fb0', '#d1792c', '#3b8f53', '#b0413e', '#7a5aa6'];

export function drawCharts(charts: readonly Chart[]): string {
  const height = charts.length * (PLOT + GAP) + 12;
  const parts = charts.map((chart, index) => drawChart(chart, index * (PLOT + GAP) + 34));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<title>A head in a soak: memory, files, connections and latencies</title>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

function drawChart({ title, x, y, lines, events }: Chart, top: number): string {
  const points = lines.flatMap((line) => line.points).filter((point) => point.y !== null);
  const xMost = Math.max(1e-6, ...points.map((point) => point.x));
  const values = points.map((point) => point.y!);
  const least = y.log ? Math.max(1e-3, Math.min(...values)) : 0;
  const most = Math.max(least * 1.1, ...values, 1e-6) * (y.log ? 1 : 1.08);
  const scaled = (value: number) => (y.log ? Math.log10(Math.max(value, least) / least) : value - least);
  const atX = (value: number) => LEFT + ((WIDTH - LEFT - RIGHT) * value) / xMost;
  const atY = (value: number) => top + PLOT - (PLOT * scaled(value)) / scaled(most);
  const marks = y.log ? powers(least, most) : steps(most);
  const bottom = top + PLOT;
  return [
    text(LEFT, top - 12, `${title}${y.unit === '' ? '' : `, ${y.unit}`}`, 'font-weight="bold"'),
    ...marks.flatMap((mark) => [
      `<path d="M${LEFT} ${round(atY(mark))}H${WIDTH - RIGHT}" stroke="#e3e3e3"/>`,
      text(LEFT - 6, atY(mark) + 4, String(Number(mark.toPrecision(3))), 'text-anchor="end" fill="#555"'),
    ]),
    ...steps(xMost, 8).map((mark) =>
      text(atX(mark), bottom + 15, `${mark} ${x.unit}`, 'text-anchor="middle" fill="#555"'),
    ),
    ...events.map(
      ({ x: at }) => `<path d="M${round(atX(at))} ${top}V${bottom}" stroke="#ccc" stroke-dasharray="2 3"/>`,
    ),
    ...lines.map(
      (line, index) =>
        `<path d="${path(line.points, atX, atY)}" fill="none" stroke="${colours[index % colours.length]}" stroke-width="1.3"/>`,
    ),
    ...lines.map(({ name }, index) =>
      text(LEFT + 260 + index * 110, top - 12, name, `fill="${colours[index % colours.length]}"`),
    ),
  ].join('\n');
}

type Points = Chart['lines'][number]['points'];

/** A gap where nothing was seen. */
function path(points: Points, atX: (x: number) => number, atY: (y: number) => number): string {
  let pen = 'M';
  return points
    .map(({ x, y }) => {
      const step = y === null ? '' : `${pen}${round(atX(x))} ${round(atY(y))}`;
      pen = y === null ? 'M' : 'L';
      return step;
    })
    .join('');
}

/** Round values from 0 on, about `wanted` of them. */
function steps(most: number, wanted = 4): number[] {
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}

function powers(least: number, most: number): number[] {
  const first = Math.ceil(Math.log10(least));
  const last = Math.floor(Math.log10(most));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => 10 ** (first + index));
}

const round = (pixels: number): string => pixels.toFixed(1);

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeHtml(content)}</text>`;
