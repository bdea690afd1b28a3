import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { addressBytes } from '../../shared/addresses.ts';
import { BatonError } from '../../shared/errors.ts';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { takeTurns } from './addresses.ts';
import { REQUEST_MAX } from './clients.ts';
import { authorizationOf, withoutCredentials } from './credentials.ts';

/** Where one request goes and its bytes, made once for all the visits that send it. */
export interface Target {
  /** Without user and password: this is what reports show. */
  readonly url: string;
  /** An address or a name. */
  readonly host: string;
  readonly port: number;
  /** Over TLS: https and wss. */
  readonly secure: boolean;
  /** ws and wss. */
  readonly websocket: boolean;
  /** In the order in which they are tried; undefined for a name, which is looked up at each connection. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /** The field's value, for a URL with a user or a password; the request has it. */
  readonly authorization: string | undefined;
  readonly request: Buffer;
}

/** Whether such a URL is visited over TLS, and whether by WebSocket; and the port that it need not say. */
const schemes: Readonly<Record<string, { secure: boolean; websocket: boolean; port: number }>> = {
  'http:': { secure: false, websocket: false, port: 80 },
  'https:': { secure: true, websocket: false, port: 443 },
  'ws:': { secure: false, websocket: true, port: 80 },
  'wss:': { secure: true, websocket: true, port: 443 },
};

/** An absolute http, https, ws or wss URL; only the former two where `from` sends to it. Else undefined. */
function parseTarget(text: string, from?: Target): Target | undefined {
  if (!URL.canParse(text, from?.url)) return undefined;
  const url = new URL(text, from?.url);
  const scheme = schemes[url.protocol];
  if (scheme === undefined || url.hostname === '' || (from && scheme.websocket)) return undefined;
  // URL keeps the brackets of an IPv6 literal in hostname; connect() wants it without.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // As browsers and curl do: a password is not for another server than the one that it was given for.
  const stays = from !== undefined && new URL(from.url).origin === url.origin;
  const authorization = authorizationOf(url) ?? (stays ? from.authorization : undefined);
  const request = Buffer.from(
    [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      'User-Agent: baton-visit',
      'Accept: */*',
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      '\r\n',
    ].join('\r\n'),
    'latin1',
  );
  if (request.length > REQUEST_MAX) return undefined;
  const port = url.port === '' ? scheme.port : Number(url.port);
  const endpoints = isIP(host) ? [{ address: addressBytes(host), port }] : undefined;
  const { secure, websocket } = scheme;
  return {
    url: withoutCredentials(url.href),
    host,
    port,
    secure,
    websocket,
    endpoints,
    authorization,
    request,
  };
}

/** Never none. Rejects as dns.lookup does. */
export async function endpointsOf({ endpoints, host, port }: Target): Promise<readonly Endpoint[]> {
  if (endpoints) return endpoints;
  const found = await lookup(host, { all: true, order: 'verbatim' });
  return takeTurns(found.map(({ address }) => address)).map((address) => ({
    address: addressBytes(address),
    port,
  }));
}

/** Looks a name up once, before the visits start, so that no visit waits for the resolver. */
export async function resolveTarget(text: string): Promise<Target> {
  const target = parseTarget(text);
  if (!target) {
    throw new BatonError('BAD_OPTION', {
      option: 'URL',
      problem: 'give an http://HOST[:PORT]/PATH, or one of https, ws or wss',
      value: withoutCredentials(text),
    });
  }
  try {
    return { ...target, endpoints: await endpointsOf(target) };
  } catch (error) {
    throw new BatonError(
      'USAGE',
      { problem: `the name ${target.host} cannot be looked up; check the URL` },
      error,
    );
  }
}

/** The target that a Location names, seen from the URL that answered it; remembered, because all visits get the same few. */
export class Redirects {
  readonly #known = new Map<string, Target | undefined>();

  follow(location: string, from: Target): Target | undefined {
    const key = `${from.url} ${from.authorization ?? ''} ${location}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const target = parseTarget(location, from);
    // Bounded: a server that invents a Location per visit must not fill the memory.
    if (this.#known.size < 1024) this.#known.set(key, target);
    return target;
  }
}
