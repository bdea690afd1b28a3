/** A connection that a rogue has taken, which it may give back: by hand, right or wrong. */
import type { ExecutionContext } from 'ava';
import { TAKEN } from '../../shared/wire/lane.ts';
import { writeGiven } from '../../shared/wire/way-back.ts';
import { assertAllAccountedFor, ONE_WORKER } from './accounted.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Kept, keepAlive } from './keep-alive.ts';
import { type Rogue, startRogue } from './rogue.ts';
import { until } from './until.ts';

/** `[number]`, or with a state. */
export function given(number: number, state?: Uint8Array): Buffer {
  const bytes = Buffer.alloc(64 + (state?.length ?? 0));
  return bytes.subarray(0, writeGiven(bytes, number, state));
}

export interface Taken {
  readonly cluster: Cluster;
  readonly rogue: Rogue;
  readonly client: Kept;
  readonly fd: number;
}

/** A client whose connection a rogue has taken, beside a delivery that may take more. */
export async function taken(
  t: ExecutionContext,
  args: readonly string[] = [],
  shared?: Cluster,
): Promise<Taken> {
  const cluster = shared ?? (await startCluster(t, [...ONE_WORKER, ...args], ['d1']));
  await cluster.drain('d1', true);
  const rogue = await startRogue(cluster.socket, { moves: 'plain' });
  t.teardown(async () => rogue.die());
  const client = await keepAlive(cluster.listen);
  t.teardown(async () => void client.socket.destroy());
  client.socket.write('GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n');
  const offer = await rogue.offered();
  rogue.say(TAKEN, offer.first, 1);
  await cluster.untilStatus('it is taken', ({ open }) => open === 0);
  await cluster.drain('d1', false);
  return { cluster, rogue, client, fd: offer.fds[0]! };
}

/** What is in its socket is a request that nobody has read: whoever gets the connection answers that. */
const answerOf = async ({ client }: Taken): Promise<string> => {
  const text = await until(
    'an answer',
    () => client.unasked,
    (all) => all.includes('\n}') || all.includes('}\n'),
  );
  return (JSON.parse(text.slice(text.indexOf('{'))) as { delivery: string }).delivery;
};

export const isServedElsewhere = async (t: ExecutionContext, of: Taken): Promise<void> => {
  t.is(await answerOf(of), 'd1');
  of.client.socket.destroy();
  await assertAllAccountedFor(t, of.cluster);
};
