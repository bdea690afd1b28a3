import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { addressBytes } from '../../shared/addresses.ts';
import { BatonError } from '../../shared/errors.ts';
import type { Endpoint } from '../../shared/sys/tcp-repair-endpoints.ts';
import { REQUEST_MAX } from './clients.ts';

/** Where one request goes and its bytes, made once for all the visits that send it. */
export interface Target {
  readonly url: string;
  /** An address or a name. */
  readonly host: string;
  readonly port: number;
  /** Undefined for a name, which is looked up at each connection. */
  readonly endpoint: Endpoint | undefined;
  readonly request: Buffer;
}

/** An absolute http URL, or undefined. Only http: what a visit measures is the connection, not TLS. */
function parseTarget(text: string, base?: string): Target | undefined {
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  if (url.protocol !== 'http:' || url.hostname === '') return undefined;
  // URL keeps the brackets of an IPv6 literal in hostname; connect() wants it without.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const request = Buffer.from(
    `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: baton-visit\r\nAccept: */*\r\n\r\n`,
    'latin1',
  );
  if (request.length > REQUEST_MAX) return undefined;
  const port = url.port === '' ? 80 : Number(url.port);
  const endpoint = isIP(host) ? { address: addressBytes(host), port } : undefined;
  return { url: url.href, host, port, endpoint, request };
}

/** Rejects as dns.lookup does. */
export async function endpointOf({ endpoint, host, port }: Target): Promise<Endpoint> {
  return endpoint ?? { address: addressBytes((await lookup(host)).address), port };
}

/** Looks a name up once, before the visits start, so that no visit waits for the resolver. */
export async function resolveTarget(text: string): Promise<Target> {
  const target = parseTarget(text);
  if (!target) {
    throw new BatonError('BAD_OPTION', {
      option: 'URL',
      problem: 'give an http://HOST[:PORT]/PATH',
      value: text,
    });
  }
  try {
    return { ...target, endpoint: await endpointOf(target) };
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
    const key = `${from.url} ${location}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const target = parseTarget(location, from.url);
    // Bounded: a server that invents a Location per visit must not fill the memory.
    if (this.#known.size < 1024) this.#known.set(key, target);
    return target;
  }
}
