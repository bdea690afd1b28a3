import { Command } from 'commander';
import type { SteeredFlow } from '../../head/steer/index.ts';
import { BatonError } from '../../shared/errors.ts';
import { formatHostPort } from '../../shared/units.ts';
import { getStatus } from '../admin-client.ts';
import { fitTable, formatTable } from '../terminal/table.ts';
import { terminalWidth } from '../terminal/width.ts';
import { addHeadOptions, adminPath, type HeadOptions } from './running-head.ts';

/** `baton steering INTERFACE`: what the kernel does for connections on other hosts, with or without a head. */
export function steeringCommand(): Command {
  return addHeadOptions(
    new Command('steering')
      .summary('the flows that this host sends on to others, and their removal')
      .description(
        'Lists the connections whose packets the kernel sends on to the hosts that adopted them. They outlive the head.',
      )
      .argument('<INTERFACE>', "the network card that clients come through, the head's --interface")
      .option('--json', 'answer as JSON')
      .option('--remove', 'remove filter, table and pins; connections on other hosts then break'),
  ).action(steering);
}

async function steering(
  card: string,
  options: HeadOptions & { json?: boolean; remove?: boolean },
): Promise<void> {
  const { findSteering } = await import('../../head/steer/index.ts');
  const found = await findSteering(card);
  const flows = found?.list() ?? [];
  if (options.remove && found) {
    await needNoHead(card, adminPath(options));
    await found.detach();
  }
  found?.close();
  const removed = options.remove === true && found !== undefined;
  if (options.json) {
    const { capacity = 0 } = found ?? {};
    process.stdout.write(
      `${JSON.stringify({ interface: card, attached: found !== undefined, removed, capacity, flows })}\n`,
    );
    return;
  }
  if (!found) return void process.stdout.write(`nothing steers on ${card}\n`);
  if (flows.length > 0) process.stdout.write(`${table(flows)}\n\n`);
  const said = removed ? 'removed, with' : 'steers';
  process.stdout.write(`${card}: ${said} ${flows.length} of ${found.capacity} flows\n`);
}

/** A head goes on moving connections, whose packets nobody would send on. */
async function needNoHead(card: string, admin: string): Promise<void> {
  const status = await getStatus(admin).catch(() => undefined);
  if (status?.migration?.interface !== card) return;
  throw new BatonError('STEERING_IN_USE', { interface: card, pid: status.pid });
}

function table(flows: readonly SteeredFlow[]): string {
  const rows = [
    ['client', 'server', 'action', 'to', 'packets', 'bytes'],
    ...flows.map(({ client, server, action, mac, packets, bytes }) => [
      formatHostPort(client),
      formatHostPort(server),
      action,
      mac ?? '-',
      String(packets),
      String(bytes),
    ]),
  ];
  const [header, ...fitted] = fitTable(rows, terminalWidth(), ['packets', 'to']);
  return formatTable(header!, fitted);
}
