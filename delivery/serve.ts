/** A delivery as a command: an HTTP server on its direct address, and the same server fed by a head. */
import type { RequestListener } from 'node:http';
import { type AddressInfo, Server } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { type DeliverySettings, deliverySchema, resolveSettings } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import type { MetricsServer } from '../shared/metrics-server.ts';
import { createServer } from '../shared/node-http.ts';
import { isReachable } from '../shared/reachable.ts';
import { splitNames } from '../shared/served-names.ts';
import { dropHandshakes, hasHandshakes } from '../shared/sys/last-handshakes.ts';
import { listenError } from '../shared/sys/reuseport.ts';
import { listenQueue } from '../shared/sys/sockets.ts';
import { traceTo } from '../shared/trace.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { apart } from './apart.ts';
import { loadApp } from './app.ts';
import { connectionInfo } from './connections.ts';
import { sayFarewell } from './farewell.ts';
import { areFar } from './head-address.ts';
import { fdOf, socketsOf } from './http-connections.ts';
import { uniqueName } from './introduce.ts';
import { labApp } from './lab-app.ts';
import { type EchoedWebSockets, echoWebSockets } from './lab-websockets.ts';
import { receive } from './receive.ts';
import type { ReceiveOptions, Receiver } from './receive-options.ts';

/**
 * After the head has been told, clients that it had sent to the direct address may still be on their way: as long as
 * this (milliseconds) the address stays open.
 */
const DIRECT_GRACE_MS = 500;

/** Handshakes that are under way when the direct address closes get this long to end, milliseconds. */
const HANDSHAKES_MS = 1000;

const HTTPS = 'https://';

export interface Delivery {
  readonly name: string;
  /** HOST:PORT at which it listens itself. */
  readonly direct: string;
  /** HOST:PORT of `--metrics`, with the port that the kernel picked; null without. */
  readonly metrics: string | null;
  /** Resolves when a head has welcomed it; rejects when the head refuses it. */
  readonly ready: Promise<void>;
  /** Reads its certificate again; what is wrong with it is said, and the one before stays. False where it has none. */
  reload(): boolean;
  /** Ends requests in progress, then closes. Resolves within the drain timeout and about a second. */
  stop(): Promise<void>;
}

export interface DeliveryOptions {
  readonly configFile?: string | undefined;
  readonly log?: Logger;
}

/** Starts a delivery. Throws a BatonError when a setting is wrong or not available. */
export async function startDelivery(
  input: Record<string, unknown> = {},
  options: DeliveryOptions = {},
): Promise<Delivery> {
  const settings = resolveSettings(deliverySchema, input, options.configFile);
  if (settings.trace !== undefined) traceTo(settings.trace);
  const log = options.log ?? createLogger('delivery');
  const name = settings.name ?? uniqueName();
  const remote = areFar(settings.head) ? await import('./remote/heads.ts') : undefined;
  const made = await makeServer(settings, name);
  const { server, destroyAll } = made;
  const direct = await listenDirect(server, settings.direct);
  let receiver: Receiver;
  try {
    const receiving = {
      name,
      head: settings.head,
      secret: settings.secret,
      vip: settings.vip,
      credits: settings.credits,
      weight: settings.weight,
      ticketSecret: settings.ticketSecret,
      serves: settings.serves === undefined ? undefined : splitNames(settings.serves),
      move: settings.move === 'on',
      onMove: made.moving?.onMove,
      onMoved: made.moving?.onMoved,
      ...directOf(settings, direct),
      log,
    };
    receiver = receive(server, receiving, remote?.farHeads);
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
    reload: () => made.reload !== undefined && reload(made.reload, settings, log),
    stop() {
      if (settings.move === 'on') made.moving?.sayGoodbye?.();
      stopping ??= stop(server, receiver, destroyAll, settings).finally(() => metrics?.close());
      return stopping;
    },
  };
}

interface Made {
  readonly server: Server;
  /** For what is not HTTP/1.1 any more. */
  readonly moving?: Pick<ReceiveOptions, 'onMove' | 'onMoved'> &
    Partial<Pick<EchoedWebSockets, 'sayGoodbye'>>;
  /** Reads its certificate again. Throws CERTIFICATE_UNUSABLE, with nothing changed. */
  readonly reload?: () => void;
  /** Ends what the server has no list of. */
  destroyAll(): void;
}

function reload(read: () => void, { tlsCertificate }: DeliverySettings, log: Logger): true {
  try {
    read();
    log.info({ file: tlsCertificate }, 'the certificate was read again');
  } catch (error) {
    log.warn({ problem: (error as Error).message }, 'the certificate stays as it was');
  }
  return true;
}

async function makeServer(settings: DeliverySettings, name: string): Promise<Made> {
  const isLab = settings.app === undefined;
  const loaded = isLab ? undefined : await loadApp(settings.app!);
  const app = loaded?.serve ?? labApp(name);
  const isOn = (setting: 'on' | 'off' | undefined) => (setting ?? (isLab ? 'on' : 'off')) === 'on';
  // A client that has ended its side cannot be told from one that has gone, until it is written to: an application that is
  // silent for long would keep the connections of clients that left.
  const halfOpen = isOn(settings.halfOpen);
  const { tlsCertificate: certificate, tlsKey: key } = settings;
  if (key === undefined && certificate !== undefined)
    throw missing('--tls-key', 'with --tls-certificate: the file with its key');
  if (key !== undefined && certificate === undefined)
    throw missing('--tls-certificate', 'with --tls-key: the file with its certificate');
  const made: Made =
    certificate === undefined
      ? plainServer(app, halfOpen)
      : await (await import('./secure-server.ts')).createSecureServer(app, {
          certificate,
          key: key!,
          halfOpen,
          http2: isOn(settings.http2),
        });
  if (loaded) {
    if (loaded.upgrade) made.server.on('upgrade', loaded.upgrade);
    return { ...made, moving: loaded };
  }
  const websockets = echoWebSockets(made.server, app);
  return {
    ...made,
    moving: websockets,
    destroyAll() {
      made.destroyAll();
      websockets.destroyAll();
    },
  };
}

function plainServer(app: RequestListener, halfOpen: boolean): Made {
  const server = createServer(app);
  // Undocumented, and false by default.
  (server as Server & { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = halfOpen;
  return { server, destroyAll: () => {} };
}

const missing = (option: string, problem: string): BatonError =>
  new BatonError('BAD_OPTION', { option, problem: `needed ${problem}`, value: 'nothing' });

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
    return { ...listening, close: () => listening.close().finally(stop) };
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

/** With a certificate TLS and plain HTTP are spoken at one address. */
function directOf({ advertise, tlsCertificate }: DeliverySettings, bound: string) {
  const spoken = tlsCertificate === undefined ? undefined : ('also' as const);
  if (advertise === undefined) return { direct: advertised(bound), directTls: spoken };
  const isHttps = advertise.startsWith(HTTPS);
  return {
    direct: isHttps ? advertise.slice(HTTPS.length) : advertise,
    directTls: isHttps ? ('only' as const) : spoken,
  };
}

/** A wildcard, or an address with a zone, is none that a client could be sent to. */
function advertised(direct: string): string {
  if (isReachable(direct)) return direct;
  throw new BatonError('BAD_OPTION', {
    option: '--advertise',
    problem: `needed when --direct is ${direct}: the HOST:PORT that clients can connect to`,
    value: 'nothing',
  });
}

async function stop(
  server: Server,
  receiver: Receiver,
  destroyAll: () => void,
  { drainTimeout }: DeliverySettings,
): Promise<void> {
  const until = performance.now() + drainTimeout;
  // The receiver does so of its own.
  const farewell = sayFarewell(server, (socket) => connectionInfo(socket) === undefined);
  await Promise.all([receiver.close(drainTimeout), delay(Math.min(DIRECT_GRACE_MS, drainTimeout))]);
  await acceptQueued(server, until);
  // Not the HTTP server's own: that closes at once what is idle, and with it requests that are on their way.
  const closed = new Promise((onClosed) => Server.prototype.close.call(server, onClosed));
  const late = new AbortController();
  const deadline = delay(Math.max(0, until - performance.now()), undefined, { signal: late.signal }).catch(
    () => {},
  );
  await Promise.race([closed, deadline]);
  late.abort();
  farewell.end();
  for (const socket of socketsOf(server)) apart(() => socket.destroy());
  destroyAll();
  await closed;
  // What else an HTTP server ends when it closes: the timer that looks at its connections.
  server.close();
}

/**
 * Clients that wait in the accept queue would be reset: a server that was busy has not taken them yet. So nobody can begin
 * to connect from here on, whose handshake is under way gets in, and the address closes when the queue is empty.
 */
async function acceptQueued(server: Server, until: number): Promise<void> {
  const listener = fdOf(server);
  const handshakesBy = dropHandshakes(listener) ? Math.min(until, performance.now() + HANDSHAKES_MS) : 0;
  let isEmpty = false;
  while (!isEmpty && performance.now() < until) {
    // Asked before the queue: whose handshake is over is in it.
    const noneComes = performance.now() > handshakesBy || !hasHandshakes(listener);
    // Between two looks the event loop accepts.
    await delay(2);
    await nextTurn();
    isEmpty = noneComes && listenQueue(listener).queued === 0;
  }
}
