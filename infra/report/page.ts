import { readFile } from 'node:fs/promises';
import { embedJson, embedScript, embedStyle, type Html, html } from './html.ts';
import { plotData } from './plots.ts';
import type { Case, CaseSummary, OverRounds, Report } from './schema.ts';
import { formatCounts, formatMicros } from './table.ts';

/** The report as one HTML page that needs nothing else: no network, no other file. */
export async function renderPage(report: Report): Promise<string> {
  const read = (url: string) => readFile(new URL(url), 'utf8');
  const [plotScript, plotStyle, script, style] = await Promise.all([
    read(import.meta.resolve('uplot/dist/uPlot.iife.min.js')),
    read(import.meta.resolve('uplot/dist/uPlot.min.css')),
    read(import.meta.resolve('./page/page.js')),
    read(import.meta.resolve('./page/page.css')),
  ]);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Baton: ${report.experiment}, ${report.startedAt.slice(0, 10)}</title>
<style>${embedStyle(plotStyle)}</style>
<style>${embedStyle(style)}</style>
</head>
<body>
<main>
${header(report)}
${report.warnings.length > 0 && list('Read this first', report.warnings, 'warning')}
${modeTable(report)}
${phases(report.cases)}
${plots(report.cases)}
${costs(report)}
${list('How to read this', report.notes, 'notes')}
${repeat(report)}
</main>
<script type="application/json" id="data">${embedJson(plotData(report.cases))}</script>
<script>${embedScript(plotScript)}</script>
<script>${embedScript(script)}</script>
</body>
</html>
`;
  return page.text;
}

function header(report: Report): Html {
  const { environment } = report;
  return html`<header>
<p class="eyebrow">Baton · ${report.experiment} · <time datetime="${report.startedAt}">${report.startedAt.slice(0, 16).replace('T', ' ')} UTC</time></p>
<h1>${report.question}</h1>
<p class="answer">${unbroken(report.answer)}</p>
${!report.complete && html`<p class="cut">This run was interrupted. The page shows what was measured until then.</p>`}
<p class="where">${environment.machine}, ${environment.cores} cores · Linux ${environment.kernel} · Node ${environment.node} · ${environment.lab}</p>
</header>`;
}

/** Keeps a figure and its unit on one line. */
const unbroken = (text: string) => text.replaceAll(/(\d) (?=(?:ms|µs|s|%)(?!\w))/g, '$1\u00a0');

/** The swatch that ties a name to its line in the plots; page.css gives the colours in this order. */
const swatch = (index: number) => html`<span class="swatch case-${index % 4}"></span>`;

function modeTable({ cases }: Report): Html {
  const columns = ['p50', 'p90', 'p99'] as const;
  return html`<section>
<h2>What a visit takes</h2>
<p class="lead">Median over the rounds, and below it the lowest and highest round. The maximum is of all visits.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Way</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}<th scope="col">max</th><th scope="col">visits</th><th scope="col">failed</th><th scope="col">connections<br>a visit</th></tr></thead>
<tbody>${cases.map(
    ({ name, description, summary }, index) => html`<tr>
<th scope="row"><span class="name">${swatch(index)}${name}</span><small>${description}</small></th>
${summary && summary.latency.count > 0 ? html`${columns.map((column) => timeCell(summary[column]))}<td>${formatMicros(summary.latency.max)}</td>` : html`<td colspan="4">not measured</td>`}
${summary ? counts(summary) : html`<td colspan="3"></td>`}
</tr>`,
  )}</tbody>
</table></div>
</section>`;
}

const timeCell = (figure: OverRounds) =>
  html`<td>${formatMicros(figure.median)}<small>${range(figure, (micros) => (micros / 1000).toPrecision(3))}</small></td>`;

const range = ({ min, max }: OverRounds, show: (value: number) => string) => `${show(min)} – ${show(max)}`;

const counts = ({ visits, failures, connectionsPerVisit }: CaseSummary) =>
  html`<td>${visits}</td><td>${formatCounts(failures)}</td><td>${connectionsPerVisit.toFixed(2)}</td>`;

const phaseTitles = {
  late: 'sent late',
  redirectHop: 'redirect hop',
  connect: 'connect',
  firstByte: 'first byte',
  lastByte: 'last byte',
  moreRequests: 'more requests',
} as const;

/** Stacked bars of the means, because only means add up to the whole. */
function phases(cases: readonly Case[]): Html {
  const measured = cases.flatMap((each) =>
    each.summary && each.summary.latency.count > 0 ? [{ ...each, summary: each.summary }] : [],
  );
  const whole = (summary: CaseSummary) =>
    Object.values(summary.phaseMeans).reduce((sum, micros) => sum + micros, 0);
  const longest = Math.max(1, ...measured.map(({ summary }) => whole(summary)));
  // A part that would be thinner than a hair everywhere is not in the legend either.
  const keys = (Object.keys(phaseTitles) as (keyof typeof phaseTitles)[]).filter((key) =>
    measured.some(({ summary }) => (summary.phaseMeans[key] ?? 0) > longest / 500),
  );
  return html`<section>
<h2>Where the time goes</h2>
<p class="lead">Mean of all successful visits, part by part, from the moment each was meant to begin.</p>
<p class="legend">${keys.map((key) => html`<span><i class="phase-${key}"></i>${phaseTitles[key]}</span>`)}</p>
<div class="bars">${measured.map(
    ({ name, summary }) =>
      html`<div class="bar-row"><span class="bar-name">${name}</span><span class="bar">${keys.map((key) => {
        const micros = summary.phaseMeans[key] ?? 0;
        return html`<i class="phase-${key}" style="width:${((100 * micros) / longest).toFixed(3)}%" title="${phaseTitles[key]}: ${formatMicros(micros)}"></i>`;
      })}</span><span class="bar-value">${formatMicros(whole(summary))}</span></div>`,
  )}</div>
</section>`;
}

function plots(cases: readonly Case[]): Html {
  if (!cases.some(({ summary }) => summary && summary.latency.count > 0)) return html``;
  return html`<section>
<h2>The slow visits</h2>
<p class="lead">How long the slowest tenth, hundredth, thousandth takes at least. Both axes stretch what is rare.</p>
<div class="plot" id="spectrum"></div>
</section>
<section>
<h2>All visits</h2>
<p class="lead">The share of visits that took at most so long.</p>
<div class="plot" id="distribution"></div>
</section>`;
}

function costs({ cases, saturation }: Report): Html {
  const cpu = cases.flatMap(({ name, summary }) =>
    summary?.headCpuMicrosPerConnection ? [{ name, figure: summary.headCpuMicrosPerConnection }] : [],
  );
  const most = Math.max(1, ...cpu.map(({ figure }) => figure.median));
  const fastest = Math.max(1, ...saturation.map(({ requestsPerSecond }) => requestsPerSecond));
  const colourOf = (name: string) => cases.findIndex((each) => each.name === name) % 4;
  const row = (name: string, share: number, value: string, below: string) =>
    html`<div class="bar-row"><span class="bar-name">${name}</span><span class="bar"><i class="case-${colourOf(name)}" style="width:${(100 * share).toFixed(3)}%"></i></span><span class="bar-value">${value}<small>${below}</small></span></div>`;
  return html`${
    cpu.length > 0 &&
    html`<section>
<h2>What a connection costs the head</h2>
<p class="lead">CPU time of the head's process for each connection that it accepted.</p>
<div class="bars">${cpu.map(({ name, figure }) =>
      row(
        name,
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
<div class="bars">${saturation.map(({ name, requestsPerSecond, errors }) => row(name, requestsPerSecond / fastest, `${Math.round(requestsPerSecond)}/s`, errors > 0 ? `${errors} errors` : 'no errors'))}</div>
</section>`
}`;
}

function list(title: string, items: readonly string[], kind: string): Html {
  return html`<section class="${kind}"><h2>${title}</h2><ul>${items.map((item) => html`<li>${item}</li>`)}</ul></section>`;
}

function repeat(report: Report): Html {
  const { environment, parameters } = report;
  const generator = report.cases.flatMap(({ rounds }) => rounds.map(({ visits }) => visits));
  const offered = generator.map((visits) => visits.offeredRate);
  const achieved = generator.map((visits) => visits.achievedRate);
  const rows: [string, string | number][] = [
    ...Object.entries(parameters),
    ['offered rate', span(offered, (rate) => `${rate}/s`)],
    ['achieved rate', span(achieved, (rate) => `${rate.toFixed(1)}/s`)],
    [
      'generator lateness, p99 by round',
      span(
        generator.map((visits) => visits.lateness.p99),
        formatMicros,
      ),
    ],
    [
      'generator CPU, share of a core',
      span(
        generator.map((visits) => visits.generator.cpuShare),
        (share) => `${(share * 100).toFixed(0)} %`,
      ),
    ],
    ['run time', `${report.seconds.toFixed(1)} s`],
    [
      'machine',
      `${environment.machine}, ${environment.cores} cores, ${(environment.memoryBytes / 1024 ** 3).toFixed(1)} GiB, ${environment.architecture}`,
    ],
    ['load average at the start', environment.loadAverage.toFixed(2)],
    ['kernel', environment.kernel],
    ['baton, node', `${environment.baton}, ${environment.node}`],
    ...Object.entries(environment.versions),
    ['congestion control', environment.congestionControl],
    ...Object.entries(environment.sysctls),
  ];
  return html`<section>
<h2>Repeat it</h2>
<pre><code>${report.command}</code></pre>
<dl>${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</section>`;
}

function span(values: readonly number[], show: (value: number) => string): string {
  if (values.length === 0) return '-';
  const [least, most] = [show(Math.min(...values)), show(Math.max(...values))];
  return least === most ? least : `${least} – ${most}`;
}
