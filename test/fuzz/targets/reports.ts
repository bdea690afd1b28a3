import { compareReports } from '../../../infra/report/compare.ts';
import { renderComparePage } from '../../../infra/report/compare-page.ts';
import { renderPage } from '../../../infra/report/page.ts';
import { type Report, reportSchema } from '../../../infra/report/schema.ts';
import { renderTerminal } from '../../../infra/report/terminal.ts';
import { createHistogram, encodeHistogram, mergeHistograms } from '../../../infra/visits/histogram.ts';
import { phaseNames } from '../../../infra/visits/phases.ts';
import type { Dice } from '../dice.ts';
import { hold, type Target } from '../target.ts';

const histogram = createHistogram();
histogram.recordValue(1200);
const texts = [
  'direct',
  'handoff-fd',
  '</script><script>alert(1)</script>',
  '<!--',
  '"\'&',
  '1 ms',
  '\u001b[2J',
  '\u2028',
  '__proto__',
  'é',
  '',
];

const spread = { count: 1, min: 1, mean: 1, p50: 1, p90: 1, p99: 1, p999: 1, max: 1 };
const measure = { ...spread, histogram: encodeHistogram(histogram) };
const over = { median: 1, low: 1, high: 1, min: 1, max: 1 };

function visits(text: () => string): Report['cases'][number]['rounds'][number]['visits'] {
  const counts = { [text()]: 1 };
  return {
    urls: [text()],
    arrivals: 'constant',
    seed: 1,
    offeredRate: 1,
    achievedRate: 1,
    durationMs: 1,
    warmUpMs: 0,
    requestsPerVisit: 1,
    timeoutMs: 1,
    startedAt: text(),
    complete: true,
    visits: 1,
    succeeded: 1,
    failed: 0,
    interrupted: 0,
    failures: counts,
    statuses: counts,
    redirects: counts,
    connections: 1,
    requests: 1,
    bodyBytes: 1,
    latency: measure,
    failedAfter: spread,
    phases: Object.fromEntries(phaseNames.map((name) => [name, measure])) as never,
    lateness: { lateAfterMicros: 1, late: 0, p50: 1, p99: 1, max: 1 },
    generator: {
      cpuMicros: 1,
      processes: 1,
      cpuShare: 0.1,
      realtime: false,
      keptUp: true,
      warnings: [text()],
    },
  };
}

function report(dice: Dice): Report {
  const text = () => dice.pick(texts);
  const axis = { title: text(), unit: text(), log: dice.oneIn(2) };
  const x = dice.oneIn(2) ? null : dice.below(3);
  const aCase = (): Report['cases'][number] => ({
    name: text(),
    way: text(),
    x,
    description: text(),
    rounds: dice.some(2, () => ({
      round: 1,
      visits: visits(text),
      headConnections: 1,
      headCpuMicrosPerConnection: dice.oneIn(2) ? null : 1,
    })),
    summary: dice.oneIn(3)
      ? null
      : {
          p50: over,
          p90: over,
          p99: over,
          max: over,
          visits: 1,
          failures: { [text()]: 1 },
          connectionsPerVisit: 1,
          headCpuMicrosPerConnection: dice.oneIn(2) ? null : over,
          latency: spread,
          phaseMeans: { [text()]: 1, connect: 2 },
        },
  });
  return {
    schema: 2,
    kind: 'baton-report',
    experiment: text(),
    title: text(),
    question: text(),
    answer: text(),
    command: text(),
    startedAt: text(),
    seconds: 1,
    complete: dice.oneIn(2),
    environment: {
      lab: text(),
      machine: text(),
      cores: 1,
      memoryBytes: 1,
      architecture: text(),
      kernel: text(),
      node: text(),
      baton: text(),
      versions: { [text()]: text() },
      congestionControl: text(),
      sysctls: { [text()]: text() },
      loadAverage: 0,
    },
    parameters: { [text()]: text() },
    x: x === null ? null : { title: text(), unit: text(), labels: [text()] },
    cases: dice.some(2, aCase),
    comparisons: dice.some(2, () => ({
      name: text(),
      a: text(),
      b: text(),
      aMicros: 1,
      bMicros: 2,
      differenceMicros: 1,
      lowMicros: 0,
      highMicros: 2,
      p: 0.01,
      verdict: 'higher' as const,
    })),
    charts: dice.some(2, () => ({
      title: text(),
      lead: text(),
      x: axis,
      y: axis,
      lines: dice.some(2, () => ({
        name: text(),
        way: text(),
        kind: 'measured' as const,
        points: [{ x: 1, y: dice.oneIn(2) ? null : 1, low: 1, high: 1 }],
      })),
      events: [{ x: 1, label: text() }],
    })),
    tables: dice.some(2, () => ({
      title: text(),
      lead: text(),
      columns: [text(), text()],
      rows: [[text(), text()]],
    })),
    saturation: dice.some(1, () => ({
      name: text(),
      description: text(),
      connections: 1,
      seconds: 1,
      requestsPerSecond: 1,
      errors: 1,
    })),
    notes: [text()],
    warnings: dice.some(9, text),
  };
}

/** A tag as the page's own templates write it, without an address or a program in it. */
const TAG = /<\/?[a-z][a-z0-9]*(?: (?!on|href|src)[a-z-]+(?:="[^"<>]*")?)*>/g;

function hasHistograms({ cases }: Report): boolean {
  try {
    for (const { rounds } of cases) mergeHistograms(rounds.map((each) => each.visits.latency.histogram));
    return true;
  } catch {
    return false;
  }
}

/** A report from a file: what is one by its schema is shown, and nothing that is in it becomes markup. */
export const reports: Target = {
  about: 'reports of experiments',
  code: ['infra/report/', 'infra/statistics/'],
  words: [
    ...texts.map((text) => JSON.stringify(text)),
    '1e308',
    '-1',
    '0',
    'null',
    '[]',
    '{}',
    '"x":',
    '"histogram":""',
    measure.histogram,
  ],
  longest: 100_000,
  // Pages with plots, of histograms.
  millis: 2000,
  generate: (dice) => Buffer.from(JSON.stringify(report(dice))),
  async check(input) {
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(input).toString());
    } catch {
      return 'no JSON';
    }
    const parsed = reportSchema.safeParse(value);
    if (!parsed.success) return 'no report';
    const files = ['a.json', 'b.json'].map((file) => ({ file, report: parsed.data }));
    const pages = [await renderComparePage(compareReports(files))];
    // A report's own page is made of what was measured a moment ago; histograms of a file are never looked at.
    if (hasHistograms(parsed.data)) pages.push(await renderPage(parsed.data));
    for (const page of pages) {
      // Those of the page itself: data, plots, program.
      hold(page.split(/<script/i).length === 4, 'another script in the page');
      const body = page.slice(page.indexOf('<main>'), page.indexOf('</main>'));
      const rest = body.replace(TAG, '');
      hold(!/[<>]/.test(rest), `markup that nobody wrote: ${rest.slice(rest.search(/[<>]/)).slice(0, 80)}`);
    }
    renderTerminal(parsed.data);
    return 'a report';
  },
};
