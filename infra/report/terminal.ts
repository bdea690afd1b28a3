import { formatCounts, formatDifference, formatMicros, formatP } from '../terminal/figures.ts';
import { formatTable } from '../terminal/table.ts';
import type { Table } from './chart.ts';
import type { OverRounds, Report, ReportComparison } from './schema.ts';

/** The report as a person reads it in a terminal: medians over the rounds. */
export function renderTerminal(report: Report): string {
  const saturation = report.saturation.map(
    ({ name, requestsPerSecond, connections, errors }) =>
      `${name.padEnd(15)} ${Math.round(requestsPerSecond)} requests/s on ${connections} connections that stay open${errors > 0 ? `, ${errors} errors` : ''}`,
  );
  return [
    report.answer,
    ...(report.complete ? [] : ['It was interrupted: this is what was measured until then.']),
    ...report.tables.flatMap(renderTable),
    ...(report.cases.length > 0 ? ['', caseTable(report)] : []),
    ...(report.comparisons.some(({ verdict }) => verdict !== 'too few rounds')
      ? ['', comparisonTable(report.comparisons)]
      : []),
    ...(saturation.length > 0 ? ['', ...saturation] : []),
    ...warnings(report.warnings),
  ].join('\n');
}

const SHOWN_WARNINGS = 6;

function warnings(all: readonly string[]): string[] {
  if (all.length === 0) return [];
  const more = all.length - SHOWN_WARNINGS;
  return [
    '',
    ...all.slice(0, SHOWN_WARNINGS).map((warning) => `warning: ${warning}`),
    ...(more > 0 ? [`and ${more} more warnings, which the report has`] : []),
  ];
}

const renderTable = ({ title, columns, rows }: Table): string[] => ['', title, formatTable(columns, rows)];

function caseTable(report: Report): string {
  const micros = (figure: OverRounds) => formatMicros(figure.median);
  const rows = report.cases.map(({ name, summary }) =>
    summary && summary.latency.count > 0
      ? [
          name,
          micros(summary.p50),
          micros(summary.p90),
          micros(summary.p99),
          formatMicros(summary.latency.max),
          formatCounts(summary.failures),
          summary.connectionsPerVisit.toFixed(2),
          summary.headCpuMicrosPerConnection
            ? `${summary.headCpuMicrosPerConnection.median.toFixed(1)} µs`
            : '-',
        ]
      : [name, '-', '-', '-', '-', summary ? formatCounts(summary.failures) : 'not measured', '-', '-'],
  );
  return formatTable(
    ['', 'p50', 'p90', 'p99', 'max', 'failures', 'connections/visit', 'head CPU/connection'],
    rows,
  );
}

export function comparisonTable(comparisons: readonly ReportComparison[]): string {
  return formatTable(
    ['compared', 'first', 'second', 'difference', '95 % interval', 'p', 'verdict'],
    comparisons.map((each) => [
      `${each.b} - ${each.a}${each.name === '' ? '' : `, ${each.name}`}`,
      formatMicros(each.aMicros),
      formatMicros(each.bMicros),
      formatDifference(each.differenceMicros),
      `${formatDifference(each.lowMicros)} to ${formatDifference(each.highMicros)}`,
      each.verdict === 'too few rounds' ? '-' : formatP(each.p),
      each.verdict,
    ]),
  );
}
