/** A measured suite as one SVG picture: a bar for each contender and figure, its length the median, a line the spread. */

import { type Spread, spread } from '../statistics/median.ts';
import { type Figure, figures, type Suite } from './contender.ts';
import type { Result } from './measure.ts';

const WIDTH = 720;
const LABELS = 150;
const BARS = 420;
const ROW = 22;
const TITLE = 30;

const units: Readonly<Record<Figure, string>> = { subjectCpu: 'us', allCpu: 'us', rate: '/s' };

export interface Bars {
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly { readonly name: string; readonly value: Spread }[];
}

export function plot(suite: Suite, results: readonly Result[]): string {
  const shown: Figure[] = suite.apart === 'subject' ? ['subjectCpu'] : ['allCpu', 'rate'];
  return drawBars(
    `${suite.name}: ${suite.about}`,
    results.flatMap(({ load, entries }) =>
      shown.map((figure) => ({
        title: `${load.name}: ${figures[figure]}, each request`,
        unit: units[figure],
        rows: entries.map(({ contender, samples }) => ({
          name: contender.name,
          value: spread(samples.map((sample) => sample[figure])),
        })),
      })),
    ),
  );
}

/** Groups of bars below each other; each group has a scale of its own, from zero to its longest bar. */
export function drawBars(title: string, groups: readonly Bars[]): string {
  let y = TITLE;
  const parts = [text(8, 20, title, 'font-weight="bold"')];
  for (const { title: heading, unit, rows } of groups) {
    y += ROW;
    parts.push(text(8, y, heading));
    const scale = BARS / Math.max(...rows.map(({ value }) => value.max), Number.MIN_VALUE);
    for (const { name, value } of rows) {
      y += ROW;
      const { median, min, max } = value;
      const middle = y - 5;
      parts.push(
        text(LABELS - 8, y, name, 'text-anchor="end"'),
        `<rect x="${LABELS}" y="${y - 14}" width="${round(median * scale)}" height="16" fill="#4a7fb5"/>`,
        `<path d="M${round(LABELS + min * scale)} ${middle}H${round(LABELS + max * scale)}" stroke="#222"/>`,
        text(
          LABELS + BARS + 8,
          y,
          `${median.toPrecision(3)} (${min.toPrecision(3)}..${max.toPrecision(3)}) ${unit}`,
        ),
      );
    }
    y += ROW / 2;
  }
  const size = `width="${WIDTH}" height="${y + 8}" viewBox="0 0 ${WIDTH} ${y + 8}"`;
  const style = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n${parts.join('\n')}\n</svg>\n`;
}

const round = (pixels: number): string => pixels.toFixed(1);

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escaped(content)}</text>`;

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
