import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { HeadStatus, MigrationStatus } from '../../shared/status.ts';
import { getStatus } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, withHead } from './running-head.ts';

const WATCH_EVERY_MS = 1000;

type StatusOptions = AnyHeadOptions & { readonly json?: boolean; readonly watch?: boolean };

export function statusCommand(): Command {
  return addAnyHeadOptions(
    new Command('status')
      .summary('what the running head and its deliveries are doing')
      .description(
        'Shows the running head: its mode, what became of connections, its queues and its deliveries.',
      )
      .option('--json', 'answer as JSON')
      .option('--watch', 'show it again every second, with rates, until interrupted'),
  ).action((options: StatusOptions) => withHead(options, (admin) => show(admin, options)));
}

async function show(admin: string, options: StatusOptions): Promise<void> {
  let before: HeadStatus | undefined;
  do {
    const status = await getStatus(admin);
    if (options.json) {
      process.stdout.write(`${JSON.stringify(status)}\n`);
    } else {
      // Home, draw, and erase what is left of the longer picture before.
      const [start, end] = options.watch && process.stdout.isTTY ? ['\x1b[H\x1b[2J', ''] : ['', ''];
      process.stdout.write(`${start}${render(status, before)}${end}`);
    }
    before = status;
    if (options.watch) await delay(WATCH_EVERY_MS);
  } while (options.watch);
}

/** A status as text; with an earlier one, what changed per second as well. */
export function render(status: HeadStatus, before?: HeadStatus): string {
  const seconds = before ? status.uptimeSeconds - before.uptimeSeconds : 0;
  const rate =
    before && seconds > 0 ? `, ${((status.accepted - before.accepted) / seconds).toFixed(0)}/s` : '';
  const lines = [
    `head ${status.listen}  mode ${status.mode}  policy ${status.policy}  up ${status.uptimeSeconds.toFixed(0)} s  pid ${status.pid}`,
    `accepted ${status.accepted}${rate}, open ${status.open}, lingering ${status.lingering}, ` +
      `queued ${status.listeners.map(({ queued }) => queued).join('+') || 0} of ${status.workers} x ${status.backlog}, ` +
      `overflows ${status.kernel.listenOverflows ?? 'unknown'}`,
    ...Object.entries(status.outcomes).flatMap(([mode, outcomes]) => list(mode, outcomes)),
    ...list('no request', status.inspectionFailures),
    ...(status.migration ? migrationLines(status.migration) : []),
    '',
  ];
  const rows = status.deliveries.map((delivery) => [
    delivery.name,
    delivery.state,
    delivery.transport,
    delivery.direct ?? '-',
    `${delivery.inUse}/${delivery.credits}`,
    ...[delivery.untaken, delivery.taken, delivery.returned, delivery.redirected, delivery.created].map(
      String,
    ),
  ]);
  const header = [
    'delivery',
    'state',
    'by',
    'direct',
    'in use',
    'untaken',
    'taken',
    'returned',
    '307',
    '201',
  ];
  const flows = status.migration ? flowLines(status.migration) : [];
  return `${[...lines, ...table([header, ...rows]), ...flows].join('\n')}\n`;
}

function migrationLines({
  control,
  interface: card,
  outcomes,
  moving,
  flows,
}: MigrationStatus): readonly string[] {
  return [
    `other hosts at ${control}: ${flows.count} of ${flows.capacity} connections steered on ${card}, ${moving} moving`,
    ...list('moved', outcomes),
  ];
}

function flowLines({ flows: { count, listed } }: MigrationStatus): readonly string[] {
  if (listed.length === 0) return [];
  const rows = listed.map(({ client, server, delivery, action, packets, bytes }) => [
    client,
    server,
    delivery ?? '?',
    action,
    String(packets),
    String(bytes),
  ]);
  const more = count > listed.length ? [`and ${count - listed.length} more`] : [];
  return ['', ...table([['client', 'server', 'at', 'action', 'packets', 'bytes'], ...rows]), ...more];
}

/** The counts that are not zero; no line when all are. */
function list(title: string, counts: Readonly<Record<string, number>>): string[] {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return shown.length === 0
    ? []
    : [`${title}: ${shown.map(([name, count]) => `${name} ${count}`).join(', ')}`];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
