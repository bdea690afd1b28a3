/** The parts of a page. Each is empty when there is nothing to show. */
import { formatAxis, formatCounts, formatDifference, formatMicros, formatP } from '../terminal/figures.ts';
import type { Chart, Table } from './chart.ts';
import { colourOf } from './colours.ts';
import { type Html, html } from './html.ts';
import type { groupCases } from './plots.ts';
import type { Case, CaseSummary, OverRounds, Report, ReportComparison } from './schema.ts';

export function list(title: string, items: readonly string[], kind: string): Html {
  if (items.length === 0) return html``;
  const points = (some: readonly string[]) => html`<ul>${some.map((item) => html`<li>${item}</li>`)}</ul>`;
  // A long list of warnings would hide what it warns about.
  const shown = items.length > LISTED_AT_ONCE + 1 ? LISTED_AT_ONCE : items.length;
  const more = items.slice(shown);
  return html`<section class="${kind}"><h2>${title}</h2>${points(items.slice(0, shown))}${more.length > 0 && html`<details><summary>${more.length} more</summary>${points(more)}</details>`}</section>`;
}

const LISTED_AT_ONCE = 5;

/** Places for the page's script to draw in; the lead is read where there is no script. */
export function charts(all: readonly Chart[]): Html {
  return html`${all.map(
    ({ title, lead }, index) => html`<section>
<h2>${title}</h2>
<p class="lead">${lead}</p>
<div class="plot" id="chart-${index}" role="img" aria-label="${title}"></div>
</section>`,
  )}`;
}

export function tables(all: readonly Table[]): Html {
  return html`${all.map(
    ({ title, lead, columns, rows }) => html`<section>
<h2>${title}</h2>
<p class="lead">${lead}</p>
<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="${isText(rows) ? 'text' : ''}">
<thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${splitCell(cell)}</td>`)}</tr>`)}</tbody>
</table></div>
</section>`,
  )}`;
}

/** Words are read from the left and may take several lines; figures are not. */
function isText(rows: readonly (readonly string[])[]): boolean {
  const cells = rows.flatMap((row) => row.slice(1));
  const words = cells.filter((cell) => /[a-z]{2,}\W+[a-z]{3,}/i.test(cell));
  return words.length >= cells.length / 3;
}

/** What is in brackets behind a figure goes below it. */
function splitCell(cell: string): Html {
  const [, figure, more] = /^([\d.,]+ \S+) \((.*)\)$/.exec(cell) ?? [];
  return figure === undefined ? html`${cell}` : html`${figure}<small>${more}</small>`;
}

export function comparisons(title: string, lead: string, all: readonly ReportComparison[]): Html {
  if (all.length === 0) return html``;
  const least = Math.min(0, ...all.map(({ lowMicros }) => lowMicros));
  const most = Math.max(0, ...all.map(({ highMicros }) => highMicros));
  const at = (micros: number) => `${((100 * (micros - least)) / (most - least || 1)).toFixed(2)}%`;
  const wide = (micros: number) => `${Math.max(0.6, (100 * micros) / (most - least || 1)).toFixed(2)}%`;
  return html`<section>
<h2>${title}</h2>
<p class="lead">${lead}</p>
<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="comparisons">
<thead><tr><th scope="col">Compared</th><th scope="col">first</th><th scope="col">second</th><th scope="col">difference</th><th scope="col" class="forest-head">95 % interval</th><th scope="col" class="verdict">verdict</th></tr></thead>
<tbody>${all.map(
    (each) => html`<tr class="${each.verdict.replaceAll(' ', '-')}">
<th scope="row">${each.b} − ${each.a}<small>${each.name}</small></th>
<td>${formatMicros(each.aMicros)}</td><td>${formatMicros(each.bMicros)}</td>
<td>${formatDifference(each.differenceMicros)}<small>${formatDifference(each.lowMicros)} to ${formatDifference(each.highMicros)}</small></td>
<td class="forest"><span class="forest-box"><i class="zero" style="left:${at(0)}"></i><i class="range" style="left:${at(each.lowMicros)};width:${wide(each.highMicros - each.lowMicros)}"></i><i class="middle" style="left:${at(each.differenceMicros)}"></i></span></td>
<td class="verdict">${each.verdict}${each.verdict !== 'too few rounds' && html`<small>p ${formatP(each.p)}</small>`}</td>
</tr>`,
  )}</tbody>
</table></div>
</section>`;
}

/** Where the time goes, the slow visits and all visits; of one place on the axis at a time, which buttons choose. */
export function distributions(groups: ReturnType<typeof groupCases>, x: Report['x']): Html {
  if (groups.length === 0) return html``;
  const chosen = groups.length - 1;
  const choice =
    groups.length > 1 && x
      ? html`<p class="choice" role="group" aria-label="${x.title}"><span>${x.title}</span>${groups.map((group, index) => html`<button type="button" data-group="${index}" aria-pressed="${index === chosen ? 'true' : 'false'}">${x.labels?.[group.x ?? 0] ?? formatAxis(group.x ?? 0, x.unit)}</button>`)}</p>`
      : false;
  return html`<section>
<h2>Where the time goes</h2>
<p class="lead">Mean of all successful visits, part by part, from the moment each was meant to begin.</p>
${choice}
${groups.map(({ cases }, index) => html`<div class="group" data-group="${index}"${index !== chosen && html` hidden`}>${phases(cases)}</div>`)}
</section>
<section>
<h2>The slow visits</h2>
<p class="lead">How long the slowest tenth, hundredth, thousandth takes at least. Both axes stretch what is rare.</p>
${choice}
<div class="plot" id="spectrum" role="img" aria-label="Durations by percentile; the table of cases has p50, p90 and p99"></div>
</section>
<section>
<h2>All visits</h2>
<p class="lead">The share of visits that took at most so long.</p>
${choice}
<div class="plot" id="distribution" role="img" aria-label="The share of visits by duration"></div>
</section>`;
}

const phaseTitles = {
  late: 'sent late',
  redirectHop: 'redirect hop',
  connect: 'connect',
  secure: 'secure',
  firstByte: 'first byte',
  lastByte: 'last byte',
  moreRequests: 'more requests',
} as const;

/** Stacked bars of the means, because only means add up to the whole. */
function phases(cases: readonly Case[]): Html {
  const measured = cases.map(({ way, summary }) => ({ way, means: summary!.phaseMeans }));
  const whole = (means: CaseSummary['phaseMeans']) =>
    Object.values(means).reduce((sum, micros) => sum + micros, 0);
  const longest = Math.max(1, ...measured.map(({ means }) => whole(means)));
  // A part that would be thinner than a hair everywhere is not in the legend either.
  const keys = (Object.keys(phaseTitles) as (keyof typeof phaseTitles)[]).filter((key) =>
    measured.some(({ means }) => (means[key] ?? 0) > longest / 500),
  );
  return html`<p class="legend">${keys.map((key) => html`<span><i class="phase-${key}"></i>${phaseTitles[key]}</span>`)}</p>
<div class="bars">${measured.map(
    ({ way, means }) =>
      html`<div class="bar-row"><span class="bar-name">${way}</span><span class="bar">${keys.map((key) => {
        const micros = means[key] ?? 0;
        return html`<i class="phase-${key}" style="width:${((100 * micros) / longest).toFixed(3)}%" title="${phaseTitles[key]}: ${formatMicros(micros)}"></i>`;
      })}</span><span class="bar-value">${formatMicros(whole(means))}</span></div>`,
  )}</div>`;
}

/** The swatch that ties a name to its line in the plots. */
const swatch = (way: string, index: number) => html`<span class="swatch way-${colourOf(way, index)}"></span>`;

/** Every case in full; behind a fold when there are many. */
export function caseTable({ cases }: Report): Html {
  if (cases.length === 0) return html``;
  const columns = ['p50', 'p90', 'p99'] as const;
  const table = html`<p class="lead">Median over the rounds, and below it the lowest and highest round. The maximum is of all visits.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Every case"><table>
<thead><tr><th scope="col">Case</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}<th scope="col">max</th><th scope="col">visits</th><th scope="col">failed</th><th scope="col">connections<br>a visit</th></tr></thead>
<tbody>${cases.map(
    ({ name, way, description, summary }, index) => html`<tr>
<th scope="row"><span class="name">${swatch(way, index)}${name}</span><small>${description}</small></th>
${summary && summary.latency.count > 0 ? html`${columns.map((column) => timeCell(summary[column]))}<td>${formatMicros(summary.latency.max)}</td>` : html`<td colspan="4">not measured</td>`}
${summary ? counts(summary) : html`<td colspan="3"></td>`}
</tr>`,
  )}</tbody>
</table></div>`;
  return html`<section>
<h2>What a visit takes</h2>
${cases.length > 8 ? html`<details><summary>All ${cases.length} cases</summary>${table}</details>` : table}
</section>`;
}

const timeCell = (figure: OverRounds) =>
  html`<td>${formatMicros(figure.median)}<small>${range(figure, (micros) => (micros / 1000).toPrecision(3))}</small></td>`;

const range = ({ min, max }: OverRounds, show: (value: number) => string) => `${show(min)} – ${show(max)}`;

const counts = ({ visits, failures, connectionsPerVisit }: CaseSummary) =>
  html`<td>${visits}</td><td>${formatCounts(failures)}</td><td>${connectionsPerVisit.toFixed(2)}</td>`;

export function costs({ cases, saturation, x }: Report): Html {
  const cpu = cases.flatMap(({ name, way, summary }) =>
    summary?.headCpuMicrosPerConnection ? [{ name, way, figure: summary.headCpuMicrosPerConnection }] : [],
  );
  const most = Math.max(1, ...cpu.map(({ figure }) => figure.median));
  const fastest = Math.max(1, ...saturation.map(({ requestsPerSecond }) => requestsPerSecond));
  const row = (name: string, colour: number, share: number, value: string, below: string) =>
    html`<div class="bar-row"><span class="bar-name">${name}</span><span class="bar"><i class="way-${colour}" style="width:${(100 * share).toFixed(3)}%"></i></span><span class="bar-value">${value}<small>${below}</small></span></div>`;
  return html`${
    // At one place on the axis only: elsewhere it is the same work.
    x === null &&
    cpu.length > 0 &&
    html`<section>
<h2>What a connection costs the head</h2>
<p class="lead">CPU time of the head's process for each connection that it accepted.</p>
<div class="bars">${cpu.map(({ name, way, figure }, index) =>
      row(
        name,
        colourOf(way, index),
        figure.median / most,
        `${figure.median.toFixed(1)} µs`,
        range(figure, (micros) => micros.toFixed(1)),
      ),
    )}</div>
</section>`
  }
${
  saturation.length > 0 &&
  html`<section>
<h2>Connections that stay open</h2>
<p class="lead">Requests a second at full speed on ${saturation[0]!.connections} connections, ${saturation[0]!.seconds} s each. After a handoff the head has no part in them.</p>
<div class="bars">${saturation.map(({ name, requestsPerSecond, errors }, index) => row(name, colourOf(name, index), requestsPerSecond / fastest, `${Math.round(requestsPerSecond)}/s`, errors > 0 ? `${errors} errors` : 'no errors'))}</div>
</section>`
}`;
}
