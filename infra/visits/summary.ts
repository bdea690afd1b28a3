import { formatCounts, formatMicros } from '../terminal/figures.ts';
import { formatTable } from '../terminal/table.ts';
import { explain } from './failures.ts';
import type { VisitResult } from './result.ts';

const rows = [
  ['sent late', 'late'],
  ['redirect hop', 'redirectHop'],
  ['connect', 'connect'],
  ['secure', 'secure'],
  ['first byte', 'firstByte'],
  ['last byte', 'lastByte'],
  ['more requests', 'moreRequests'],
] as const;

/** A result as a person reads it in a terminal. */
export function summarise(result: VisitResult): string {
  const measures = rows
    .map(([title, phase]) => [title, result.phases[phase]] as const)
    .filter(([, measure]) => measure.max > 0)
    .filter(([title]) => title !== 'more requests' || result.requestsPerVisit > 1 || result.messages);
  const { messages, tls, generator } = result;
  const table = formatTable(
    ['', 'mean', 'p50', 'p90', 'p99', 'p99.9', 'max'],
    [
      ...measures.map(([title, measure]) => [nameOf(title, result), measure] as const),
      ['total', result.latency] as const,
      ...(messages ? [['message', messages.roundTrip] as const] : []),
    ].map(([title, measure]) => [
      title,
      ...[measure.mean, measure.p50, measure.p90, measure.p99, measure.p999, measure.max].map(formatMicros),
    ]),
  );
  const per = (part: number) => (result.visits === 0 ? '-' : (part / result.visits).toFixed(2));
  return [
    `${result.visits} visits at ${result.achievedRate.toFixed(1)}/s (asked for ${result.offeredRate}/s, ${result.arrivals} arrivals), each timed from its intended start`,
    '',
    ...(result.succeeded > 0 ? [table, ''] : []),
    `succeeded    ${result.succeeded}${result.interrupted > 0 ? `, interrupted ${result.interrupted}` : ''}`,
    `failed       ${result.failed === 0 ? 0 : formatCounts(result.failures)}`,
    ...Object.keys(result.failures).flatMap((name) => {
      const text = explain(name);
      return text === undefined ? [] : [`             ${name}: ${text}`];
    }),
    `redirects    ${formatCounts(result.redirects)}${result.redirects['201'] ? ' (clients do not follow a 201 by themselves)' : ''}`,
    `connections  ${result.connections} (${per(result.connections)} a visit)`,
    ...(tls ? [securely(tls)] : []),
    ...(messages ? [`messages     ${messages.answered}, each timed until it had come back`] : []),
    `sent late    ${result.lateness.late} by more than ${result.lateness.lateAfterMicros / 1000} ms; p99 ${formatMicros(result.lateness.p99)}`,
    `generator    ${(generator.cpuShare * 100).toFixed(0)} % of one core${generator.keptUp ? '' : '; it did NOT keep up'}${generator.work ? ownPart(generator.work) : ''}`,
  ].join('\n');
}

/** With WebSockets all that follows the first answer is messages. */
const nameOf = (title: string, { messages, requestsPerVisit }: VisitResult) =>
  title === 'more requests' && messages && requestsPerVisit === 1 ? 'messages' : title;

const securely = ({ handshakes, resumed, resumedVisits, versions, protocols }: Tls) =>
  `handshakes   ${handshakes} (${formatCounts(versions)}; ALPN ${formatCounts(protocols)})${resumed > 0 ? `; ${resumed} resumed, all of ${resumedVisits} visits` : ''}`;

const ownPart = ({ secure, firstByte }: Work) =>
  `; of a visit it took ${formatMicros(secure.p50)} of secure and ${formatMicros(firstByte.p50)} of first byte (p50)`;

type Tls = NonNullable<VisitResult['tls']>;
type Work = NonNullable<VisitResult['generator']['work']>;
