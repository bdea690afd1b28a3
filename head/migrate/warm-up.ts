/**
 * Moves a connection of the head with itself to nowhere and takes it back, over and over (see shared/tcp-repair/loopback.ts).
 * Measured without: the first few hundred migrations after a start took 1 to 2.5 ms to be adopted, later ones half a
 * millisecond.
 */
import { encodeSaved } from '../../shared/tcp-repair/index.ts';
import { rehearseOverLoopback } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import { connectLink, type Link, listenForLinks } from '../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote } from '../../shared/wire/remote/messages.ts';
import { Measures } from './measures.ts';
import { Migrations } from './migrations.ts';
import type { MigrationParts } from './moving.ts';

/** A link that is made takes milliseconds. */
const REHEARSAL_WITHIN_MS = 1000;

/** A link of this process with itself: what speaks TLS is loaded with the first. Whatever hinders it is no reason not to start. */
export async function rehearseLink(secret: Buffer): Promise<void> {
  const options = { secret, idleMs: REHEARSAL_WITHIN_MS };
  const ends: Link[] = [];
  const silent = { onMessage: () => {}, onEnd: () => {} };
  try {
    const server = await listenForLinks({ host: '127.0.0.1', port: 0 }, 'a rehearsal', options, {
      onLink(link) {
        ends.push(link);
        return silent;
      },
      onRefused: () => {},
    });
    ends.push(await connectLink(server.address, options, silent).finally(() => void server.close()));
  } catch {
    // There is no loopback here, say.
  }
  for (const link of ends) link.close();
}

const NOWHERE = { mac: '00:00:00:00:00:00', ifindex: 0, sourceMac: '00:00:00:00:00:00' };

/** Nobody else's connection is touched, and no figure counted. */
export function rehearse(parts: Omit<MigrationParts, 'measures'>): void {
  const reader = new FrameReader();
  let sent: { id: number } | undefined;
  const link: Link = {
    peer: 'rehearsal',
    send(message) {
      encodeFrame(message);
      sent = message as { id: number };
      return true;
    },
    together: (items, work) => items.forEach(work),
    end: () => {},
    close: () => {},
  };
  const migrations = new Migrations(
    { ...parts, measures: new Measures() },
    { name: 'rehearsal', link, encode: encodeSaved, hop: () => NOWHERE, settle: () => {} },
  );
  const hear = (message: FromRemote): unknown => checkFromRemote(reader.push(encodeFrame(message))[0]);
  rehearseOverLoopback((fd) => () => {
    migrations.begin(0, [fd]);
    if (!sent) return false;
    hear({ type: 'adopted', id: sent.id, micros: 1 });
    migrations.onRefused(sent.id, 'rehearsal');
    sent = undefined;
    return true;
  });
  migrations.end('dead');
}
