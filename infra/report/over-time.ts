/** What the rounds of a report say over the time of its run: lines, heat maps, and the same as a table. */
import { formatMicros } from '../terminal/figures.ts';
import { bucketEnd, bucketOf } from '../visits/buckets.ts';
import { mergeHistograms, quantiles } from '../visits/histogram.ts';
import type { Chart, Heat } from './chart.ts';
import { colourOf } from './colours.ts';
import { type Html, html } from './html.ts';
import type { Case, Report, Round } from './schema.ts';

/** Visits of a round that its column is drawn from: more would not be seen. */
const VISITS_DRAWN = 200;
/** Columns of a heat map, about as many as a screen has room for. */
const COLUMNS_MAX = 240;

/** As the page's script draws it: columns of x, width, and buckets with their counts, one after the other. */
export interface HeatData {
  readonly way: string;
  readonly colour: number;
  readonly columns: readonly (readonly [x: number, width: number, cells: readonly number[]])[];
}

/** Seconds since the beginning of the run. */
const momentOf = ({ visits }: Round, { startedAt }: Report) =>
  (Date.parse(visits.startedAt) - Date.parse(startedAt)) / 1000;

const measured = (cases: readonly Case[]) =>
  cases
    .map((each) => ({ ...each, rounds: each.rounds.filter(({ visits }) => visits.succeeded > 0) }))
    .filter(({ rounds }) => rounds.length > 0);

/** Medians of the rounds of some cases, where there is more than one moment. */
export function roundsOverTime(cases: readonly Case[], report: Report): Chart {
  return {
    title: 'Over the time of the run',
    lead: '',
    x: { title: 'since the beginning', unit: 's', log: false },
    y: { title: 'median of a round', unit: 'ms', log: false },
    lines: measured(cases).map(({ name, way, rounds }) => ({
      ...{ name, way, kind: 'measured' },
      points: rounds
        .map((round) => ({ x: momentOf(round, report), y: round.visits.latency.p50 / 1000 }))
        .toSorted((one, other) => one.x - other.x),
    })),
    events: [],
  };
}

export function heatsOf(cases: readonly Case[], report: Report): HeatData[] {
  const seen = report.heats ?? [];
  if (seen.length > 0) return seen.map((heat, index) => seenHeat(heat, index));
  return measured(cases).map(({ name, way, rounds }, index) => ({
    way: name,
    colour: colourOf(way, index),
    columns: rounds.map((round) => {
      const { latency, succeeded } = round.visits;
      const values = quantiles(mergeHistograms([latency.histogram]), Math.min(VISITS_DRAWN, succeeded));
      const cells = values.map((micros): [number, number] => [bucketOf(micros), 1]);
      return [rounded(momentOf(round, report)), round.visits.durationMs / 1000, added(cells)] as const;
    }),
  }));
}

function seenHeat({ way, columns }: Heat, index: number): HeatData {
  const together = Math.ceil(columns.length / COLUMNS_MAX);
  const joined = Array.from({ length: Math.ceil(columns.length / together) }, (_, at) => {
    const some = columns.slice(at * together, (at + 1) * together);
    const [first, last] = [some[0]!, some.at(-1)!];
    const cells = some.flatMap((column) =>
      column.cells.map(([micros, count]): [number, number] => [bucketOf(micros), count]),
    );
    return [rounded(first.x - first.width), rounded(last.x - first.x + first.width), added(cells)] as const;
  });
  return { way, colour: colourOf(way, index), columns: joined };
}

function added(cells: readonly (readonly [bucket: number, count: number])[]): number[] {
  const counts = new Map<number, number>();
  for (const [bucket, count] of cells) counts.set(bucket, (counts.get(bucket) ?? 0) + count);
  return [...counts].flat();
}

const rounded = (seconds: number) => Number(seconds.toFixed(2));

/** The sections for the cases of one place on the report's axis, the last: the others are in its other plots. */
export function overTime(cases: readonly Case[], report: Report): Html {
  const all = measured(cases);
  const moments = new Set(all.flatMap(({ rounds }) => rounds.map((round) => round.visits.startedAt)));
  if (moments.size < 2 && !report.heats?.length) return html``;
  const heats = heatsOf(cases, report);
  const longest = Math.max(0, ...all.map(({ summary }) => summary?.latency.max ?? 0));
  return html`${
    !report.heats?.length &&
    html`<section>
<h2>Over the time of the run</h2>
<p class="lead">The median of each round, when it was measured: what drifts, or was disturbed, is seen here.${report.x !== null && ' The last place on the axis.'}</p>
<div class="plot" id="over-time" role="img" aria-label="Medians of ${all.length} cases over ${report.seconds.toFixed(0)} seconds; the table below has each round"></div>
<details><summary>Each round as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Each round"><table>
<thead><tr><th scope="col">Case and round</th><th scope="col">after</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">visits</th><th scope="col">failed</th></tr></thead>
<tbody>${all.flatMap(({ name, rounds }) =>
      rounds.map(
        (round) =>
          html`<tr><th scope="row">${name}, ${round.round}</th><td>${momentOf(round, report).toFixed(1)} s</td><td>${formatMicros(round.visits.latency.p50)}</td><td>${formatMicros(round.visits.latency.p99)}</td><td>${round.visits.visits}</td><td>${round.visits.failed}</td></tr>`,
      ),
    )}</tbody></table></div></details>
</section>`
  }
<section>
<h2>Every visit over time</h2>
<p class="lead">Time to the right, duration upwards (each line ten times the one below); the darker, the more visits took about so long.</p>
${heats.map(({ way }, index) => html`<figure class="heat"><figcaption>${way}</figcaption><canvas id="heat-${index}" role="img" aria-label="Heat map of ${way}; the slowest visit of all took ${formatMicros(longest)}"></canvas></figure>`)}
</section>`;
}

/** From where to where the rows of heat maps go. */
export const heatRange = (heats: readonly HeatData[]) => {
  const buckets = heats.flatMap(({ columns }) =>
    columns.flatMap(([, , cells]) => cells.filter((_, at) => at % 2 === 0)),
  );
  const least = buckets.reduce((low, one) => Math.min(low, one), 200);
  const most = buckets.reduce((high, one) => Math.max(high, one), 0);
  return {
    least,
    most,
    marks: [100, 1000, 10_000, 100_000, 1e6, 1e7]
      .filter((micros) => bucketEnd(least) <= micros * 2 && micros <= bucketEnd(most) * 2)
      .map((micros) => [micros / 1000, bucketOf(micros)]),
  };
};
