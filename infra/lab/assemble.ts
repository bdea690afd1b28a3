/** Starts a head and its deliveries on hosts that are there already, and makes a lab of them. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import type { Transport } from '../../shared/status.ts';
import { getStatus, setDrain, setMode } from '../admin-client.ts';
import { makeCertificate } from './certificate.ts';
import type { Host, Lab, LabDelivery, LabOptions, Service } from './lab.ts';

/** Where a lab's processes go, and how each is told to meet the others. */
export interface Site {
  readonly on: string;
  readonly client: Host;
  readonly head: Placed;
  readonly deliveries: readonly (Placed & { readonly name: string; readonly transport: Transport })[];
  /** A folder that all its hosts see, and the names and addresses of its servers: without it the lab speaks no TLS. */
  readonly shared?: { readonly directory: string; readonly names: readonly string[] };
  /** Removes what they were in; they have ended. */
  remove(): Promise<void>;
}

interface Placed {
  readonly host: Host;
  /** The arguments of `baton head` or `baton delivery`. A port may be 0 when it is started first; later it keeps what it got. */
  readonly arguments: readonly string[];
}

const headReady = z.object({ listen: z.string(), admin: z.string() });
const deliveryReady = z.object({ direct: z.string() });

/** When something does not start, all that did is stopped, the site is removed, and the error is thrown. */
export async function assembleLab(site: Site, options: LabOptions): Promise<Lab> {
  const running = new Set<Service>();
  const start = async ({ host, arguments: args }: Placed, verb: string, ...more: string[]) => {
    const service = await host.start([...host.baton, verb, ...args, ...more]);
    running.add(service);
    return service;
  };
  let head: Service | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll();
    return stopping;
  };
  /** Deliveries first, so that the head hands nothing to one that is going; then the head; then what they were in. */
  async function stopAll(): Promise<void> {
    await Promise.all([...running].map((service) => service !== head && service.stop()));
    await head?.stop();
    await site.remove();
  }
  try {
    const secure = options.tls ? await secureSite(site) : undefined;
    const deliveryArguments = [...(secure?.deliveryArguments ?? []), ...(options.deliveryArguments ?? [])];
    const headArguments = ['--mode', options.mode, ...(options.headArguments ?? [])];
    head = await start(site.head, 'head', ...headArguments);
    const { listen, admin } = headReady.parse(head.ready);
    // All of them, also when one fails: what is still starting could not be stopped.
    const started = await Promise.allSettled(
      site.deliveries.map((place) => startDelivery(place, deliveryArguments)),
    );
    const deliveries = started.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    return {
      on: site.on,
      client: site.client,
      certificate: secure?.certificate,
      head: {
        listen,
        host: site.head.host,
        get pid() {
          return head!.pid;
        },
        status: () => getStatus(admin),
        setMode: (mode) => setMode(admin, mode),
        drain: (delivery, on) => setDrain(admin, delivery, on),
        async restart(how) {
          await head![how]();
          running.delete(head!);
          head = await start(site.head, 'head', ...headArguments, '--listen', listen);
        },
      },
      deliveries,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }

  async function startDelivery(
    place: Site['deliveries'][number],
    args: readonly string[],
  ): Promise<LabDelivery> {
    const { name, transport, host } = place;
    let service = await start(place, 'delivery', ...args);
    const { direct } = deliveryReady.parse(service.ready);
    return {
      name,
      transport,
      direct,
      host,
      get pid() {
        return service.pid;
      },
      async kill() {
        await service.kill();
        running.delete(service);
      },
      freeze: () => service.freeze(),
      resume: () => service.resume(),
      async restart() {
        service = await start(place, 'delivery', ...args, '--direct', direct);
      },
    };
  }
}

/** Makes the certificate of a lab, and the secret that its deliveries' tickets come from. */
async function secureSite({
  on,
  shared,
}: Site): Promise<{ certificate: string; deliveryArguments: string[] }> {
  if (!shared)
    throw new BatonError('LAB_FAILED', { problem: `the ${on} lab makes no certificates; use --on netns` });
  const file = (name: string) => join(shared.directory, name);
  const [certificate, key, secret] = [file('certificate.pem'), file('key.pem'), file('ticket-secret')];
  const made = makeCertificate(['lab.test', '*.lab.test', 'localhost', ...shared.names]);
  await writeFile(certificate, made.certificate);
  await writeFile(key, made.key, { mode: 0o600 });
  await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const deliveryArguments = ['--tls-certificate', certificate, '--tls-key', key, '--ticket-secret', secret];
  return { certificate, deliveryArguments };
}
