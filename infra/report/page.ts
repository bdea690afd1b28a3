import { readFile } from 'node:fs/promises';
import { formatMicros } from '../terminal/figures.ts';
import { embedJson, embedScript, embedStyle, type Html, html } from './html.ts';
import { heatRange, heatsOf, overTime, roundsOverTime } from './over-time.ts';
import { chartData, groupCases, groupData, type PageData } from './plots.ts';
import type { Report } from './schema.ts';
import { caseTable, charts, comparisons, costs, distributions, list, tables } from './sections.ts';

/** A page that needs nothing else: no network, no other file. */
export async function renderShell(title: string, body: readonly Html[], data: PageData): Promise<string> {
  const read = (url: string) => readFile(new URL(url), 'utf8');
  const [plotScript, plotStyle, script, palette, style] = await Promise.all([
    read(import.meta.resolve('uplot/dist/uPlot.iife.min.js')),
    read(import.meta.resolve('uplot/dist/uPlot.min.css')),
    read(import.meta.resolve('./page/page.js')),
    read(import.meta.resolve('./page/palette.css')),
    read(import.meta.resolve('./page/page.css')),
  ]);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${embedStyle(plotStyle)}</style>
<style>${embedStyle(palette)}</style>
<style>${embedStyle(style)}</style>
</head>
<body>
<main>
${body}
</main>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>${embedScript(plotScript)}</script>
<script>${embedScript(script)}</script>
</body>
</html>
`;
  return page.text;
}

/** The report as one HTML page. */
export function renderPage(report: Report): Promise<string> {
  const groups = groupCases(report.cases);
  const heats = heatsOf(groups.at(-1)?.cases ?? [], report);
  return renderShell(
    `Baton: ${report.experiment}, ${report.startedAt.slice(0, 10)}`,
    [
      header(report),
      list('Read this first', report.warnings, 'warning'),
      charts(report.charts),
      tables(report.tables),
      comparisons(
        'What may be called a difference',
        'Each way against another, in the same rounds. A difference is called one only when a permutation test over the rounds says so, corrected for the number of comparisons, and its 95 % interval is beyond the 0.2 ms to which times are right.',
        report.comparisons,
      ),
      overTime(groups.at(-1)?.cases ?? [], report),
      distributions(groups, report.x),
      caseTable(report),
      costs(report),
      list('How to read this', report.notes, 'notes'),
      repeat(report),
    ],
    {
      charts: report.charts.map(chartData),
      groups: groups.map(({ cases }) => groupData(cases)),
      overTime: report.heats?.length
        ? undefined
        : chartData(roundsOverTime(groups.at(-1)?.cases ?? [], report)),
      heats,
      heatRange: heatRange(heats),
    },
  );
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
export const unbroken = (text: string) => text.replaceAll(/(\d) (?=(?:ms|µs|s|%|kB|MB)(?!\w))/g, '$1\u00a0');

function repeat(report: Report): Html {
  const { environment, parameters } = report;
  const generator = report.cases.flatMap(({ rounds }) => rounds.map(({ visits }) => visits));
  const offered = generator.map((visits) => visits.offeredRate);
  const achieved = generator.map((visits) => visits.achievedRate);
  const ofGenerator: [string, string][] = [
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
  ];
  const rows: [string, string | number][] = [
    ...Object.entries(parameters),
    ...(generator.length > 0 ? ofGenerator : []),
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
<pre tabindex="0"><code>${report.command}</code></pre>
<dl>${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</section>`;
}

function span(values: readonly number[], show: (value: number) => string): string {
  const [least, most] = [show(Math.min(...values)), show(Math.max(...values))];
  return least === most ? least : `${least} – ${most}`;
}
