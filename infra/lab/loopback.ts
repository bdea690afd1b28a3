import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { getStatus, setMode } from '../admin-client.ts';
import type { Host, Lab, LabOptions, Service } from './lab.ts';
import { baton, runToEnd, startService } from './service.ts';

const headReady = z.object({ ready: z.literal('head'), listen: z.string(), admin: z.string(), pid: z.int() });
const deliveryReady = z.object({
  ready: z.literal('delivery'),
  name: z.string(),
  direct: z.string(),
  pid: z.int(),
});

const host: Host = {
  name: 'loopback',
  run: (command, options) => runToEnd(command, options?.signal),
  start: startService,
};

/** Everything on this machine over 127.0.0.1, on ports that the kernel picks: no privileges, nothing to configure. */
export async function startLoopbackLab(options: LabOptions): Promise<Lab> {
  // mkdtemp makes the directory 0700: only this user may reach the sockets in it.
  const directory = await mkdtemp(join(tmpdir(), 'baton-lab-'));
  const services: Service[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll(services, directory);
    return stopping;
  };
  try {
    const socket = join(directory, 'head.sock');
    const start = async (args: readonly string[]) => {
      const service = await host.start([...baton, ...args]);
      services.push(service);
      return service.ready;
    };
    const head = headReady.parse(
      await start(['head', '--listen', '127.0.0.1:0', '--socket', socket, '--mode', options.mode]),
    );
    const names = Array.from({ length: options.deliveries }, (_, index) => `d${index + 1}`);
    // All of them, also when one fails: what is still starting could not be stopped.
    const started = await Promise.allSettled(
      names.map((name) => start(['delivery', '--name', name, '--head', socket, '--direct', '127.0.0.1:0'])),
    );
    const deliveries = started.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return deliveryReady.parse(outcome.value);
    });
    return {
      on: 'loopback',
      head: {
        listen: head.listen,
        pid: head.pid,
        status: () => getStatus(head.admin),
        setMode: (mode) => setMode(head.admin, mode),
      },
      deliveries,
      client: host,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Deliveries first, so that the head hands nothing to one that is going; then the head; then their directory. */
async function stopAll(services: readonly Service[], directory: string): Promise<void> {
  const [head, ...deliveries] = services;
  await Promise.all(deliveries.map((service) => service.stop()));
  await head?.stop();
  await rm(directory, { recursive: true, force: true });
}
