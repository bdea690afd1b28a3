import type { OverRounds, Report } from './schema.ts';
import { formatCounts, formatMicros, formatTable } from './table.ts';

/** The report as a person reads it in a terminal: medians over the rounds. */
export function renderTerminal(report: Report): string {
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
  const table = formatTable(
    ['', 'p50', 'p90', 'p99', 'max', 'failures', 'connections/visit', 'head CPU/connection'],
    rows,
  );
  const saturation = report.saturation.map(
    ({ name, requestsPerSecond, connections, errors }) =>
      `${name.padEnd(8)} ${Math.round(requestsPerSecond)} requests/s on ${connections} connections that stay open${errors > 0 ? `, ${errors} errors` : ''}`,
  );
  return [
    report.answer,
    ...(report.complete ? [] : ['It was interrupted: this is what was measured until then.']),
    '',
    table,
    ...(saturation.length > 0 ? ['', ...saturation] : []),
    ...(report.warnings.length > 0 ? ['', ...report.warnings.map((warning) => `warning: ${warning}`)] : []),
  ].join('\n');
}
