import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { compareWays } from '../../../infra/experiments/kit/findings.ts';
import { answerOf } from '../../../infra/experiments/modes/answer.ts';
import { readEnvironment } from '../../../infra/lab/environment.ts';
import type { Chart } from '../../../infra/report/chart.ts';
import { embedJson, embedScript, escapeHtml, html } from '../../../infra/report/html.ts';
import { renderPage } from '../../../infra/report/page.ts';
import { chartData, groupCases, groupData } from '../../../infra/report/plots.ts';
import { type Case, type Report, reportJsonSchema, reportSchema } from '../../../infra/report/schema.ts';
import { overRounds, summariseRounds } from '../../../infra/report/summarise.ts';
import { renderTerminal } from '../../../infra/report/terminal.ts';
import { writeReport } from '../../../infra/report/write.ts';
import { formatMicros } from '../../../infra/terminal/figures.ts';
import { formatTable } from '../../../infra/terminal/table.ts';
import { mergeHistograms } from '../../../infra/visits/histogram.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';

const server = createServer((_, answer) => answer.end());
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const visits = await runVisits({
  urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`],
  rate: 200,
  durationMs: 200,
});
server.close();

const nasty = '</script><script>alert(1)</script><!-- & "quoted" \'too\'';

function aCase(name: string, p50s: readonly number[]): Case {
  const rounds = p50s.map((p50, index) => ({
    round: index + 1,
    visits: { ...visits, latency: { ...visits.latency, p50 } },
    headConnections: 40,
    headCpuMicrosPerConnection: name === 'direct' ? null : 10,
  }));
  return { name, way: name, x: null, description: `by ${name}`, rounds, summary: summariseRounds(rounds) };
}

const environment = { ...(await readEnvironment()), lab: 'loopback', baton: '0.0.0' };
const cases = [
  aCase('direct', [100, 110]),
  aCase('handoff-fd', [200, 220]),
  aCase(nasty, [300]),
  aCase('created', []),
];
const axis = { title: nasty, unit: 'ms', log: false };
const chart: Chart = {
  title: nasty,
  lead: nasty,
  x: axis,
  y: axis,
  lines: [
    { name: nasty, way: 'direct', kind: 'measured', points: [{ x: 2, y: 1, low: 0.5, high: 1.5 }] },
    {
      name: 'model',
      way: null,
      kind: 'model',
      points: [
        { x: 1, y: 3 },
        { x: 2, y: null },
      ],
    },
  ],
  events: [{ x: 1, label: nasty }],
};
const report: Report = {
  schema: 3,
  kind: 'baton-report',
  experiment: 'modes',
  title: 'title',
  question: `why ${nasty}?`,
  answer: `because ${nasty}`,
  command: 'baton lab modes',
  startedAt: '2026-01-02T03:04:05.678Z',
  seconds: 1,
  complete: false,
  environment,
  parameters: { nasty },
  x: null,
  cases,
  comparisons: compareWays(cases, () => nasty),
  charts: [chart],
  tables: [{ title: nasty, lead: nasty, columns: [nasty, nasty], rows: [[nasty, nasty]] }],
  saturation: [
    { name: nasty, description: nasty, connections: 1, seconds: 1, requestsPerSecond: 5, errors: 0 },
  ],
  notes: [nasty],
  warnings: [nasty],
};

test('text is escaped wherever it is put, and lists and nothing are themselves', (t) => {
  t.is(
    html`<p title="${'"'}">${['<', html`<b>`, undefined, false, 1]}</p>`.text,
    '<p title="&quot;">&lt;<b>1</p>',
  );
  t.is(escapeHtml(`<&>"'`), '&lt;&amp;&gt;&quot;&#39;');
});

test('embedded JSON never ends its element and reads the same', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constant(nasty)), (text) => {
      const embedded = embedJson({ text }).text;
      t.false(embedded.includes('<'));
      t.deepEqual(JSON.parse(embedded), { text });
    }),
  );
});

test('an embedded script keeps its meaning without the sequence that would end it', (t) => {
  const { text } = embedScript('result = "</script>"');
  t.false(text.includes('</script'));
  const context: { result?: string } = {};
  runInNewContext(text, context);
  t.is(context.result, '</script>');
});

test('no text of a report becomes markup in its page, which needs no network', async (t) => {
  const page = await renderPage(report);
  t.false(page.includes('<script>alert'));
  t.is(page.match(/<script\b/g)?.length, 3);
  t.is(page.match(/<\/script>/g)?.length, 3);
  t.notRegex(page.replaceAll(/https?:\/\/127\.0\.0\.1:\d+/g, ''), /(src|href)=["']?(https?:)?\/\//);
  t.true(page.includes("default-src 'none'"));
  t.true(page.length < 2e6);
});

test('the page has its sections in their order, and every way in the table', async (t) => {
  const page = await renderPage(report);
  const headings = [...page.matchAll(/<h2>(.*?)<\/h2>/g)].map((match) => match[1]);
  t.deepEqual(headings, [
    'Read this first',
    escapeHtml(nasty),
    escapeHtml(nasty),
    'What may be called a difference',
    'Where the time goes',
    'The slow visits',
    'All visits',
    'What a visit takes',
    'What a connection costs the head',
    'Connections that stay open',
    'How to read this',
    'Repeat it',
  ]);
  t.is(
    page.match(/<th scope="row">/g)?.length,
    cases.length + report.comparisons.length + report.tables[0]!.rows.length,
  );
  t.true(page.includes('This run was interrupted'));
  t.true(page.includes(environment.kernel));
});

test('the plots have one column a measured case, all as long as the axis', (t) => {
  const groups = groupCases(cases);
  t.is(groups.length, 1);
  const data = groupData(groups[0]!.cases);
  t.deepEqual(data.names, ['direct', 'handoff-fd', nasty]);
  t.deepEqual(data.colours, [0, 1, 7]);
  for (const columns of [data.spectrum, data.distribution]) {
    t.is(columns.length, 4);
    t.deepEqual([...new Set(columns.map((column) => column.length))], [241]);
  }
  const percents = data.distribution[1]!;
  t.true(percents.every((percent, index) => index === 0 || percent >= percents[index - 1]!));
  const times = data.spectrum[1]!.filter((time) => time !== null);
  t.true(times.every((time, index) => index === 0 || time >= times[index - 1]!));
});

test('the lines of a chart share an axis, and have nothing where they have no point', (t) => {
  const { columns, lines } = chartData(chart);
  t.deepEqual(columns, [
    [1, 2],
    [null, 1],
    [3, null],
  ]);
  t.deepEqual(lines[0]!.intervals, [[2, 0.5, 1.5]]);
  t.deepEqual(lines[1]!.intervals, []);
});

test('cases of several places on an axis are grouped by it, in order, without what was not measured', (t) => {
  const at = (x: number, p50s: number[]) => ({ ...aCase('direct', p50s), x });
  const groups = groupCases([at(0, [1]), at(0, [2]), at(50, [3]), at(100, [])]);
  t.deepEqual(
    groups.map(({ x, cases }) => [x, cases.length]),
    [
      [0, 2],
      [50, 1],
    ],
  );
});

test('a report is written as JSON that its schema reads back, and as a page', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const files = await writeReport(report, join(directory, 'new'));
  t.is(files.json, join(directory, 'new', 'modes-2026-01-02T03-04-05Z.json'));
  t.deepEqual(reportSchema.parse(JSON.parse(await readFile(files.json, 'utf8'))), report);
  t.is(await readFile(files.html, 'utf8'), await renderPage(report));
});

test('the page shows how long TLS took, where there was some', async (t) => {
  t.notRegex(await renderPage(report), /class="phase-secure"/);
  const [first] = cases;
  const means = { ...first!.summary!.phaseMeans, secure: 50_000 };
  const secured = { ...first!, summary: { ...first!.summary!, phaseMeans: means } };
  const page = await renderPage({ ...report, cases: [secured] });
  t.regex(page, /<i class="phase-secure"><\/i>secure/);
  t.regex(page, /title="secure: 50\.0 ms"/);
});

test('a report of the schema before is read: its visits took no time for TLS', (t) => {
  const old = JSON.parse(JSON.stringify({ ...report, schema: 2 }));
  for (const each of old.cases)
    for (const round of each.rounds) {
      delete round.visits.phases.secure;
      delete round.visits.tls;
    }
  const read = reportSchema.parse(old);
  t.is(read.schema, 2);
  const { secure } = read.cases[0]!.rounds[0]!.visits.phases;
  t.like(secure, { count: 0, mean: 0, max: 0 });
  t.is(mergeHistograms([secure.histogram]).totalCount, 0);
  t.deepEqual(summariseRounds(read.cases[0]!.rounds)?.phaseMeans.secure, 0);
});

test('a report that lacks something is refused, and the schema is there for other languages', (t) => {
  const { environment: _, ...rest } = report;
  t.false(reportSchema.safeParse(rest).success);
  t.false(reportSchema.safeParse({ ...report, schema: 1 }).success);
  const { required } = reportJsonSchema();
  t.true(required?.includes('environment'));
});

test('the terminal shows every way, what was not measured, and the warnings', (t) => {
  const text = renderTerminal(report);
  t.regex(text, /^direct +0\.105 ms/m);
  t.regex(text, /^created .*not measured/m);
  t.true(text.includes('interrupted'));
  t.true(text.includes(`warning: ${nasty}`));
});

test('the summary of the rounds is their median and range, and all their visits together', (t) => {
  t.deepEqual(overRounds([3, 1, 2]), { median: 2, low: 1, high: 3, min: 1, max: 3 });
  t.deepEqual(overRounds([4, 1]), { median: 2.5, low: 1, high: 4, min: 1, max: 4 });
  const { summary } = cases[1]!;
  t.deepEqual(summary?.p50, { median: 210, low: 200, high: 220, min: 200, max: 220 });
  t.is(summary?.latency.count, 80);
  t.is(summary?.connectionsPerVisit, 1);
  t.is(cases[0]!.summary?.headCpuMicrosPerConnection, null);
  t.is(cases[3]!.summary, null);
});

test('one way is called quicker only when the test over its rounds says so', (t) => {
  const answer = (handoff: number[], redirect: number[]) => {
    const all = [aCase('direct', redirect), aCase('handoff-fd', handoff), aCase('redirect', redirect)];
    return answerOf(
      all,
      compareWays(all, () => 'p50'),
    );
  };
  const five = (ms: number) => [1, 2, 3, 4, 5].map((off) => 1000 * ms + off);
  t.regex(
    answer(five(100), five(200)),
    /handoff-fd took 100 ms less than redirect \(95 % interval 100.0 to 100\)/,
  );
  t.regex(answer(five(200), five(100)), /handoff-fd took 100 ms more than redirect/);
  t.regex(answer(five(100), five(100)), /handoff-fd showed no difference from redirect/);
  t.regex(answer([100_000], [200_000]), /too few rounds to judge/);
  t.regex(answer([], [200]), /Too little was measured/);
});

test('tables line up and times have three digits', (t) => {
  t.is(
    formatTable(
      ['', 'n'],
      [
        ['long', '1'],
        ['x', '222'],
      ],
    ),
    ['        n', '─────────', 'long    1', 'x     222'].join('\n'),
  );
  t.deepEqual([123, 1234, 12_345, 123_456].map(formatMicros), ['0.123 ms', '1.23 ms', '12.3 ms', '123 ms']);
});
