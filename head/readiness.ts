/** What a head says of itself when it begins, and to who asks whether clients should come to it. */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Readiness } from '../shared/status.ts';
import { version } from '../shared/version.ts';
import type { Head } from './head.ts';
import type { RemoteSide } from './migrate/index.ts';
import type { Registry } from './registry.ts';

/** `speaksTls`: it has a certificate. */
export function sayReady(
  { listen, socket, admin, control }: Pick<Head, 'listen' | 'socket' | 'admin' | 'control'>,
  { mode, policy, workers }: HeadSettings,
  speaksTls: boolean,
  log: Logger,
): void {
  log.info({ version, listen, socket, admin, control, mode, policy, workers }, 'the head is ready');
  if (mode === 'handoff') return;
  const who = speaksTls ? 'TLS for other names than its certificates have' : 'TLS';
  log.info(`${who}, HTTP/2 and upgrades are handed over: their clients could follow no redirect`);
}

/** As far as another head could have the clients instead. `leaves`: it ends, or is no head any more. */
export function readinessOf(leaves: boolean, registry: Registry, remote: RemoteSide | undefined): Readiness {
  const why =
    (leaves ? 'it stops' : undefined) ??
    (registry.names.length === 0 ? 'no delivery has registered' : undefined) ??
    remote?.whyNotReady();
  return { ready: why === undefined, why: why ?? 'it has deliveries, and knows what they have' };
}
