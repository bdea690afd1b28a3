/** Whoever binds an address finds it free or taken, whoever had it and whoever asks at the same moment. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import type { BatonError } from '../../../shared/errors.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../../shared/sys/sockets.ts';
import { open } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';

// A port that was free a moment ago is still free here: no other test uses these addresses.
const CLAIMED = '127.0.71.1';
const EARLIER = '127.0.71.2';

/**
 * Resolves when nobody listens there any more: a child that another test starts right now holds a copy of a socket that has
 * been closed until it runs its own program.
 */
async function untilFree(host: string, port: number): Promise<void> {
  await until(
    `nobody listens at ${host}:${port}`,
    async () => {
      const socket = connect({ host, port, localAddress: '127.0.0.1' });
      try {
        await once(socket, 'connect');
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      } finally {
        socket.destroy();
      }
    },
    Boolean,
  );
}

test('of several that claim a port at the same moment one gets it, whether it listens yet or only begins', async (t) => {
  for (let round = 0; round < 100; round++) {
    const free = await bindReuseport({ host: CLAIMED, port: 0 }, 1);
    free.fds.forEach(closeFd);
    await untilFree(CLAIMED, free.bound.port);
    const claims = await Promise.allSettled(
      Array.from({ length: 4 }, (_, i) =>
        bindReuseport({ host: CLAIMED, port: free.bound.port }, 1 + (i % 3)),
      ),
    );
    const got = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
    t.is(got.length, 1);
    for (const claim of claims) {
      if (claim.status === 'rejected') t.is((claim.reason as BatonError).code, 'PORT_IN_USE');
    }
    got[0]!.fds.forEach(closeFd);
  }
});

test('connections of an earlier server, open or in TIME_WAIT, are in nobody’s way', async (t) => {
  for (const makeEarlier of [
    async () => {
      const { fds, bound } = await bindReuseport({ host: EARLIER, port: 0 }, 2);
      for (const fd of fds) listen(fd, 16);
      const client = await open(`${EARLIER}:${bound.port}`);
      const accepted = await until(
        'it is accepted',
        () => Math.max(...fds.map(acceptNonBlocking)),
        (fd) => fd >= 0,
      );
      fds.forEach(closeFd);
      t.teardown(() => closeFd(accepted));
      return { port: bound.port, client };
    },
    async () => {
      // The side that closes first is in TIME_WAIT.
      const server = createServer((socket) => socket.end('bye')).listen(0, EARLIER);
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const client = await open(`${EARLIER}:${port}`);
      await text(client);
      server.close();
      return { port, client };
    },
  ]) {
    const { port, client } = await makeEarlier();
    t.teardown(() => void client.destroy());
    await untilFree(EARLIER, port);
    const { fds } = await bindReuseport({ host: EARLIER, port }, 3);
    t.is(fds.length, 3);
    fds.forEach(closeFd);
  }
});
