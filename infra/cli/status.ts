import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { DeliveryStatus, HeadStatus, MigrationStatus } from '../../shared/status.ts';
import { getStatus } from '../admin-client.ts';
import type { NamedHead } from '../lab/kinds/kind.ts';
import { fitTable, formatTextTable } from '../terminal/table.ts';
import { terminalWidth, wrap } from '../terminal/width.ts';
import { duration } from './arguments.ts';
import { FOR_MS, tellReady } from './ready.ts';
import { type AnyHeadOptions, addAnyHeadOptions, askHeads, withHeads } from './running-head.ts';

const WATCH_EVERY_MS = 1000;

type StatusOptions = AnyHeadOptions & {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly ready?: boolean;
  readonly for?: number;
};

export function statusCommand(): Command {
  return addAnyHeadOptions(
    new Command('status')
      .summary('what the running head and its deliveries are doing')
      .description(
        'Shows the running head: its mode, what became of connections, its queues and its deliveries.',
      )
      .option('--json', 'answer as JSON')
      .option('--ready', 'only whether clients should come here: exits with 0 or 1, and says why')
      .option(
        '--for <DURATION>',
        'with --ready: ask again for so long, and exit as soon as it is not',
        duration('--for', FOR_MS.least, FOR_MS.most, 's'),
      )
      .option('--watch', 'show it again every second, with rates, until interrupted'),
  ).action((options: StatusOptions) =>
    withHeads(options, (heads) => (options.ready ? tellAllReady(heads, options.for) : show(heads, options))),
  );
}

/** Of two heads each is told by its name, and the answer is yes when both are. */
async function tellAllReady(heads: readonly NamedHead[], forMs?: number): Promise<void> {
  const [only] = heads;
  if (heads.length === 1) return await tellReady(only!.admin, forMs);
  await Promise.all(heads.map(({ name, admin }) => tellReady(admin, forMs, `${name}: `)));
}

async function show(heads: readonly NamedHead[], options: StatusOptions): Promise<void> {
  let before: ReadonlyMap<string, HeadStatus> = new Map();
  do {
    const now = await askHeads(heads, getStatus);
    const named = heads.length > 1;
    const told = [...now].map(([name, status]) =>
      options.json
        ? `${JSON.stringify(named ? { head: name, ...status } : status)}\n`
        : `${named ? `${name}: ` : ''}${render(status, before.get(name), terminalWidth())}`,
    );
    // Home, draw, and erase what is left of the longer picture before.
    const isRedrawn = !options.json && options.watch && process.stdout.isTTY;
    const [start, end] = isRedrawn ? ['\x1b[H\x1b[2J', ''] : ['', ''];
    process.stdout.write(`${start}${told.join(options.json ? '' : '\n')}${end}`);
    before = now;
    if (options.watch) await delay(WATCH_EVERY_MS);
  } while (options.watch);
}

/** A status as text, no wider than `width`; with an earlier one, what changed per second as well. */
export function render(status: HeadStatus, before?: HeadStatus, width = Infinity): string {
  const seconds = before ? status.uptimeSeconds - before.uptimeSeconds : 0;
  const rate =
    before && seconds > 0 ? `, ${((status.accepted - before.accepted) / seconds).toFixed(0)}/s` : '';
  const drops = status.listeners.reduce((sum, listener) => sum + listener.drops, 0);
  const lines = [
    `head ${status.listen}  mode ${status.mode}  policy ${status.policy}  up ${status.uptimeSeconds.toFixed(0)} s  pid ${status.pid}`,
    `accepted ${status.accepted}${rate}, ${status.givenBack > 0 ? `given back ${status.givenBack}, ` : ''}open ${status.open}, lingering ${status.lingering}, ` +
      `queued ${queues(status)} of ${status.workers} x ${status.backlog}, ` +
      `turned away ${drops}`,
    ...Object.entries(status.outcomes).flatMap(([mode, outcomes]) => list(mode, outcomes)),
    ...list('no request', status.inspectionFailures),
    ...requestLines(status),
    ...(status.migration ? migrationLines(status.migration) : []),
  ].map((line) => wrap(line, width));
  const flows = status.migration ? flowLines(status.migration, width) : [];
  return `${[...lines, '', ...deliveryLines(status, width), ...flows].join('\n')}\n`;
}

/** How next requests find their deliveries. A head of an older release says nothing of it. */
function requestLines({ distribute, distributesBy, nextRequests, deliveries }: HeadStatus): string[] {
  if (distribute !== 'requests') return [];
  const up = deliveries.filter(({ state }) => state === 'up');
  const looking = up.filter(({ looks }) => looks).length;
  const others = up.length - looking;
  return [
    `next requests distributed by ${distributesBy} among ${looking}${others > 0 ? `, and by connection at ${others} more` : ''}`,
    ...list('asked about', nextRequests),
  ];
}

function deliveryLines({ deliveries }: HeadStatus, width: number): string[] {
  const areNamed = deliveries.some(({ serves }) => serves !== null);
  const header = [
    'delivery',
    'state',
    'by',
    'direct',
    ...(areNamed ? ['serves'] : []),
    'in use',
    'untaken',
    'taken',
    'returned',
    '307',
    '201',
  ];
  const rows = deliveries.map((delivery) => [
    delivery.name,
    delivery.state,
    delivery.transport,
    delivery.direct ?? '-',
    ...(areNamed ? [namesOf(delivery)] : []),
    `${delivery.inUse}/${delivery.credits}`,
    ...[delivery.untaken, delivery.taken, delivery.returned, delivery.redirected, delivery.created].map(
      String,
    ),
  ]);
  const leaving = deliveries.flatMap(({ name, left }) =>
    left === null || left === undefined
      ? []
      : [wrap(`${name} gives back what it has: ${left.busy} busy, ${left.stays} cannot move`, width)],
  );
  const anew = deliveries.flatMap(({ name, beginsAnew }) =>
    beginsAnew === undefined ? [] : [wrap(`${name} restores no congestion windows: ${beginsAnew}`, width)],
  );
  // What a person misses least goes first.
  return [
    formatTextTable(
      fitTable([header, ...rows], width, ['201', 'returned', 'by', 'untaken', '307', 'serves', 'direct']),
    ),
    ...leaving,
    ...anew,
  ];
}

/** The first, and how many more. */
function namesOf({ serves }: DeliveryStatus): string {
  if (serves === null) return '*';
  return serves.length === 1 ? serves[0]! : `${serves[0]} +${serves.length - 1}`;
}

function migrationLines({
  control,
  interface: card,
  outcomes,
  moving,
  flows,
  isActive,
  unknownHeld,
}: MigrationStatus): readonly string[] {
  return [
    `other hosts at ${control}: ${flows.count} of ${flows.capacity} connections steered on ${card}, ${moving} moving`,
    ...(isActive ? [] : ['the address is elsewhere: a standby']),
    ...(unknownHeld > 0 ? [`held ${unknownHeld} packets of unknown connections`] : []),
    ...list('moved', outcomes),
  ];
}

function flowLines({ flows: { count, listed } }: MigrationStatus, width: number): readonly string[] {
  if (listed.length === 0) return [];
  const header = ['client', 'server', 'at', 'action', 'packets', 'bytes'];
  const rows = listed.map(({ client, server, delivery, action, packets, bytes }) => [
    client,
    server,
    delivery ?? '?',
    action,
    String(packets),
    String(bytes),
  ]);
  const more = count > listed.length ? [`and ${count - listed.length} more`] : [];
  return ['', formatTextTable(fitTable([header, ...rows], width, ['packets', 'server'])), ...more];
}

/** Each worker's; of many workers their sum. */
function queues({ listeners }: HeadStatus): string {
  const queued = listeners.map((listener) => listener.queued);
  if (queued.length <= 4) return queued.join('+') || '0';
  return String(queued.reduce((sum, one) => sum + one));
}

/** The counts that are not zero; no line when all are. */
function list(title: string, counts: Readonly<Record<string, number>>): string[] {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return shown.length === 0
    ? []
    : [`${title}: ${shown.map(([name, count]) => `${name} ${count}`).join(', ')}`];
}
