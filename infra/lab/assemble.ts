/** Starts a head and its deliveries on hosts that are there already, and makes a lab of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Transport } from '../../shared/status.ts';
import { getStatus, setDrain, setMode } from '../admin-client.ts';
import { type LabCertificate, placeCertificate } from './certificates.ts';
import type { Host, Lab, LabDelivery, LabOptions, Service } from './lab.ts';
import { successorOf } from './successor.ts';

/** Where a lab's processes go, and how each is told to meet the others. */
export interface Site {
  readonly on: string;
  readonly client: Host;
  readonly head: Placed;
  readonly deliveries: readonly (Placed & { readonly name: string; readonly transport: Transport })[];
  /** A folder for files that all of its hosts see, and only this user; it goes with `remove`. */
  readonly directory?: string;
  /** Its processes are this machine's, so that a head's successor can be found and ended. */
  readonly successors?: true;
  /** Removes what they were in; they have ended. */
  remove(): Promise<void>;
}

interface Placed {
  readonly host: Host;
  /** Of `baton head` or `baton delivery`. A port may be 0 when it is started first; later it keeps what it got. */
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
  let certificate: LabCertificate | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll();
    return stopping;
  };
  /** Deliveries first, so that the head hands nothing to one that is going; then the head; then what they were in. */
  async function stopAll(): Promise<void> {
    await Promise.all([...running].map((service) => service !== head && service.stop()));
    await head?.stop();
    await certificate?.remove();
    await site.remove();
  }
  try {
    if (options.tls) certificate = await placeCertificate(site);
    const headArguments = [
      ...['--mode', options.mode],
      ...(options.tls === 'everywhere' ? certificate!.headArguments(site.head.host) : []),
      ...(options.headArguments ?? []),
    ];
    head = await start(site.head, 'head', ...headArguments);
    const { listen, admin } = headReady.parse(head.ready);
    // All of them, also when one fails: what is still starting could not be stopped.
    const started = await Promise.allSettled(
      site.deliveries.map((place) =>
        startDelivery(place, [
          ...(certificate?.deliveryArguments(place.host) ?? []),
          ...(options.deliveryArguments ?? []),
        ]),
      ),
    );
    const deliveries = started.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    return {
      on: site.on,
      client: site.client,
      certificate: certificate?.fileOn(site.client),
      head: {
        listen,
        host: site.head.host,
        get pid() {
          return head!.pid;
        },
        freeze: () => head!.freeze(),
        resume: () => head!.resume(),
        admin,
        status: () => getStatus(admin),
        setMode: (mode) => setMode(admin, mode),
        drain: (delivery, on) => setDrain(admin, delivery, on),
        ...(site.successors && {
          async upgrade() {
            const predecessor = head!;
            head = await successorOf(predecessor, admin);
            running.delete(predecessor);
            running.add(head);
          },
        }),
        async restart(how, { awayMs = 0, more = [] } = {}) {
          await head![how]();
          running.delete(head!);
          await delay(awayMs);
          head = await start(site.head, 'head', ...headArguments, ...more, '--listen', listen);
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
      async stop() {
        await service.stop();
        running.delete(service);
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
