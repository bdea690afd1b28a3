/** Starts a head and its deliveries on hosts that are there already, and makes a lab of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Transport } from '../../shared/status.ts';
import { getStatus, setDrain, setMode, upgradeHead } from '../admin-client.ts';
import { type LabCertificate, placeCertificate } from './certificates.ts';
import type { Host, Lab, LabDelivery, LabHead, LabOptions, Service } from './lab.ts';
import { upgradeFrom } from './upgrade.ts';

/** Where a lab's processes go, and how each is told to meet the others. */
export interface Site {
  readonly on: string;
  readonly client: Host;
  /** One, or two that share an address. */
  readonly heads: readonly [Placed, ...Placed[]];
  readonly deliveries: readonly (Placed & { readonly name: string; readonly transport: Transport })[];
  /** A folder for files that all of its hosts see, and only this user; it goes with `remove`. */
  readonly directory?: string;
  /** All are there: what moves the heads' address can begin. What ends it is called before they are stopped. */
  share?(): Promise<() => Promise<void>>;
  /** Its services are still these when a head has been replaced by another process. */
  readonly follows?: boolean;
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
  const heads: { readonly lab: LabHead; readonly service: () => Service }[] = [];
  let unshare: (() => Promise<void>) | undefined;
  let certificate: LabCertificate | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll();
    return stopping;
  };
  /** Deliveries first, so that the head hands nothing to one that is going; then the head; then what they were in. */
  async function stopAll(): Promise<void> {
    const ofHeads = heads.map(({ service }) => service());
    await Promise.all([...running].map((service) => ofHeads.includes(service) || service.stop()));
    await unshare?.();
    await Promise.all(ofHeads.map((service) => service.stop()));
    await certificate?.remove();
    await site.remove();
  }
  try {
    if (options.tls) certificate = await placeCertificate(site);
    for (const place of site.heads) heads.push(await startHead(place));
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
    unshare = await site.share?.();
    return {
      on: site.on,
      client: site.client,
      certificate: certificate?.fileOn(site.client),
      head: heads[0]!.lab,
      heads: heads.map(({ lab }) => lab),
      deliveries,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }

  async function startHead(place: Placed): Promise<(typeof heads)[number]> {
    const args = [
      ...['--mode', options.mode],
      ...(options.tls === 'everywhere' ? certificate!.headArguments(place.host) : []),
      ...(options.headArguments ?? []),
    ];
    const startOne = (...more: string[]) =>
      start(
        options.keeper ? { ...place, arguments: ['--', ...place.arguments] } : place,
        options.keeper ? 'keeper' : 'head',
        ...args,
        ...more,
      );
    let service = await startOne();
    const { listen, admin } = headReady.parse(service.ready);
    const end = async (how: 'stop' | 'kill') => {
      await service[how]();
      running.delete(service);
    };
    const startAgain = async (more: readonly string[] = []) => {
      service = await startOne(...more, '--listen', listen);
    };
    return {
      service: () => service,
      lab: {
        listen,
        host: place.host,
        get pid() {
          return service.pid;
        },
        freeze: () => service.freeze(),
        resume: () => service.resume(),
        admin,
        status: () => getStatus(admin),
        setMode: (mode) => setMode(admin, mode),
        drain: (delivery, on) => setDrain(admin, delivery, on),
        async restart(how, { awayMs = 0, more = [] } = {}) {
          await end(how);
          await delay(awayMs);
          await startAgain(more);
        },
        end,
        start: () => startAgain(),
        async upgrade(more = []) {
          const predecessor = service;
          // Where the service is somebody else's, it is known there who it is now.
          const byItself = async () => ({ ...predecessor, pid: (await upgradeHead(admin)).pid });
          const byHand = () => start(place, 'head', ...args, ...more, '--listen', listen, '--take-over');
          const found = await upgradeFrom(predecessor, site.follows ? byItself : byHand, site.follows);
          service = found.successor;
          running.delete(predecessor);
          running.add(service);
          return found.figures;
        },
      },
    };
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
