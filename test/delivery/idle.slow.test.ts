import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { startCluster } from '../support/cluster.ts';
import { send } from '../support/raw-client.ts';

/** What an application that nobody visits owes its head: an answer to each ping, and nothing else happens in its process. */
test('deliveries that nobody visits stay registered', async (t) => {
  const cluster = await startCluster(t, ['--stall-timeout', '1s'], ['d1', 'd2']);
  /** Each registration is a session, whose name the ids of its connections begin with. */
  async function sessions(): Promise<string[]> {
    const found = [];
    for (let i = 0; i < 2; i++) {
      const { rest } = await send(
        cluster.listen,
        'GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      );
      const { delivery, id } = JSON.parse(rest.toString()) as Record<string, string>;
      found.push(`${delivery} ${id!.split('-').slice(0, -2).join('-')}`);
    }
    return found.sort();
  }
  const before = await sessions();
  t.is(before.length, 2);
  await delay(5000);
  t.deepEqual(await sessions(), before);
});
