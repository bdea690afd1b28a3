/** A delivery as a command: an HTTP server on its direct address, and the same server fed by a head. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type DeliverySettings, deliverySchema, resolveSettings } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import type { MetricsServer } from '../shared/metrics-server.ts';
import { listenError } from '../shared/sys/reuseport.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { labApp } from './lab-app.ts';
import { type Receiver, receiveConnections } from './receive.ts';

/**
 * After the head has been told, clients that it had sent to the direct address may still be on their way: as long as
 * this (milliseconds) the address stays open.
 */
const DIRECT_GRACE_MS = 500;

export interface Delivery {
  readonly name: string;
  /** HOST:PORT at which it listens itself. */
  readonly direct: string;
  /** HOST:PORT of `--metrics`, with the port that the kernel picked; null without. */
  readonly metrics: string | null;
  /** Resolves when a head has welcomed it; rejects when the head refuses it. */
  readonly ready: Promise<void>;
  /** Ends requests in progress, then closes. Resolves within the drain timeout and about a second. */
  stop(): Promise<void>;
}

export interface DeliveryOptions {
  readonly configFile?: string | undefined;
  readonly log?: Logger;
}

/** Starts a delivery. Throws a BatonError when a setting is wrong or cannot be had. */
export async function startDelivery(
  input: Record<string, unknown> = {},
  options: DeliveryOptions = {},
): Promise<Delivery> {
  const settings = resolveSettings(deliverySchema, input, options.configFile);
  const log = options.log ?? createLogger('delivery');
  const app = settings.app === undefined ? labApp(settings.name) : await loadApp(settings.app);
  const server = createServer(app);
  // A client may end its side after its request and still wait for the answer; undocumented, and false by default.
  (server as Server & { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  const direct = await listenDirect(server, settings.direct);
  let receiver: Receiver;
  try {
    receiver = receiveConnections(server, {
      name: settings.name,
      head: settings.head,
      secret: settings.secret,
      vip: settings.vip,
      credits: settings.credits,
      weight: settings.weight,
      direct: settings.advertise ?? advertised(direct),
      log,
    });
  } catch (error) {
    server.close();
    throw error;
  }
  let metrics: MetricsServer | undefined;
  try {
    metrics = await startMetrics(settings.metrics, server, receiver);
  } catch (error) {
    await Promise.all([receiver.close(0), server.close()]);
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    name: receiver.name,
    direct,
    metrics: metrics?.address ?? null,
    ready: receiver.ready,
    stop() {
      stopping ??= stop(server, receiver, settings).finally(() => metrics?.close());
      return stopping;
    },
  };
}

/** To the end of the delivery, so that its last requests are seen as well. */
async function startMetrics(
  address: string | undefined,
  server: Server,
  receiver: Receiver,
): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined;
  const { startMetricsServer } = await import('../shared/metrics-server.ts');
  const { createDeliveryMetrics } = await import('./metrics.ts');
  const { metrics, stop } = createDeliveryMetrics(server, receiver);
  try {
    const listening = await startMetricsServer(parseHostPort(address)!, metrics);
    return { address: listening.address, close: () => listening.close().finally(stop) };
  } catch (error) {
    stop();
    throw error;
  }
}

async function listenDirect(server: Server, direct: string): Promise<string> {
  const address = parseHostPort(direct)!;
  await new Promise<void>((onListening, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, '--direct')));
    server.listen(address.port, address.host, onListening);
  });
  const { address: host, port } = server.address() as AddressInfo;
  return formatHostPort({ host, port });
}

/** A wildcard is no address that a client could be sent to. */
function advertised(direct: string): string {
  const { host } = parseHostPort(direct)!;
  if (host !== '0.0.0.0' && host !== '::') return direct;
  throw new BatonError('BAD_OPTION', {
    option: '--advertise',
    problem: 'needed when --direct listens on every address: the HOST:PORT that clients can connect to',
    value: 'nothing',
  });
}

async function loadApp(file: string): Promise<RequestListener> {
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  } catch (error) {
    throw new BatonError('APP_UNUSABLE', { file, problem: (error as Error).message.split('\n')[0]! }, error);
  }
  if (typeof module.default === 'function') return module.default as RequestListener;
  throw new BatonError('APP_UNUSABLE', {
    file,
    problem: 'its default export is not a function (request, response)',
  });
}

async function stop(server: Server, receiver: Receiver, { drainTimeout }: DeliverySettings): Promise<void> {
  const until = performance.now() + drainTimeout;
  await Promise.all([receiver.close(drainTimeout), delay(Math.min(DIRECT_GRACE_MS, drainTimeout))]);
  const closed = new Promise((onClosed) => server.close(onClosed));
  const late = new AbortController();
  const deadline = delay(Math.max(0, until - performance.now()), undefined, { signal: late.signal }).catch(
    () => {},
  );
  await Promise.race([closed, deadline]);
  late.abort();
  server.closeAllConnections();
  await closed;
}
