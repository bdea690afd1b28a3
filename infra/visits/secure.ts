/** TLS for all visits of a run: whom it trusts, which versions it speaks, and the sessions that it can resume. */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';
import { tlsFailureOf } from './failures.ts';
import type { Target } from './target.ts';
import type { TlsVersion } from './tls-versions.ts';
import type { Wire } from './wire.ts';

export interface TlsOptions {
  /** Certificates in PEM whose holders are trusted, and nobody else; default those that Node trusts. */
  readonly ca?: string | undefined;
  /** Visit whoever answers. Default false. */
  readonly insecure?: boolean;
  /** Resume the sessions of earlier visits to the same host and port. Default false. */
  readonly resume?: boolean;
  /** Default both. */
  readonly version?: TlsVersion | undefined;
}

/** What became of a handshake. */
export interface Secured {
  readonly resumed: boolean;
  /** `TLSv1.3` */
  readonly version: string;
  /** By ALPN; false when the server chose none. */
  readonly protocol: string | false;
}

interface SecureHandlers {
  onSecure(secured: Secured): void;
  onFailure(name: string): void;
}

export class Security {
  readonly #options: TlsOptions;
  readonly #sessions: Sessions | undefined;
  #context: SecureContext | undefined;

  constructor(options: TlsOptions) {
    this.#options = options;
    this.#sessions = options.resume ? new Sessions() : undefined;
  }

  /** Reads whom it trusts, which takes some milliseconds: no visit should wait for that. */
  prepare(): SecureContext {
    const { ca, version } = this.#options;
    const only = version && (`TLSv${version}` as SecureVersion);
    this.#context ??= createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(only === undefined ? { minVersion: 'TLSv1.2' } : { minVersion: only, maxVersion: only }),
    });
    return this.#context;
  }

  /** Begins the handshake; what it writes waits in the wire for the connection. */
  start(wire: Wire, { host, port }: Target, protocols: string[], handlers: SecureHandlers): TLSSocket {
    const authority = `${host} ${port}`;
    const session = this.#sessions?.take(authority);
    const socket = connect({
      socket: wire,
      secureContext: this.prepare(),
      ALPNProtocols: protocols,
      // An address is no server name, nor has one a dot at its end (RFC 6066 section 3).
      servername: isIP(host) ? '' : host.replace(/\.$/, ''),
      checkServerIdentity: (_, certificate) => identityFault(host, certificate),
      rejectUnauthorized: !this.#options.insecure,
      ...(session === undefined ? {} : { session }),
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // One without a code is of whoever reads the stream, who has heard of it.
      if (code !== undefined) handlers.onFailure(tlsFailureOf(code, wire.beginning));
    });
    socket.once('secureConnect', () => {
      wire.cutRecords();
      handlers.onSecure({
        resumed: socket.isSessionReused(),
        version: socket.getProtocol() ?? 'unknown',
        protocol: socket.alpnProtocol ?? false,
      });
    });
    if (this.#sessions) socket.on('session', (found: Buffer) => this.#sessions!.keep(authority, found));
    return socket;
  }
}

/**
 * What is wrong with a certificate for a host, if anything. Node 22.23, 24.17 and 26.4 took IPv6 addresses for names that no
 * certificate has (nodejs/node#64144): addresses are asked of OpenSSL.
 */
function identityFault(host: string, certificate: PeerCertificate): Error | undefined {
  const named = isIP(host) !== 0 && new X509Certificate(certificate.raw).checkIP(host) !== undefined;
  return named ? undefined : checkServerIdentity(host, certificate);
}

/** Of servers that a redirect invents. */
const AUTHORITIES_MAX = 1024;
const SESSIONS_MAX = 256;

/** The newest first; each is used once, as RFC 8446 section C.4 asks for, but the last one again and again. */
class Sessions {
  readonly #known = new Map<string, Buffer[]>();

  take(authority: string): Buffer | undefined {
    const sessions = this.#known.get(authority);
    return sessions !== undefined && sessions.length > 1 ? sessions.pop() : sessions?.[0];
  }

  keep(authority: string, session: Buffer): void {
    const sessions = this.#known.get(authority);
    if (sessions === undefined) {
      if (this.#known.size < AUTHORITIES_MAX) this.#known.set(authority, [session]);
      return;
    }
    sessions.push(session);
    if (sessions.length > SESSIONS_MAX) sessions.shift();
  }
}
