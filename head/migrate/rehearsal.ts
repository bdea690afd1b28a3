/**
 * Moves a connection of the head with itself to nowhere and takes it back, over and over: the engine compiles what it runs
 * often, and the first visitors would pay for it. Measured: the first few hundred migrations after a start took 1 to 2.5 ms
 * to be adopted, later ones half a millisecond.
 */
import { withLoopbackConnection } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import type { Link } from '../../shared/wire/remote/link.ts';
import { checkFromRemote, type FromRemote } from '../../shared/wire/remote/messages.ts';
import { Measures } from './measures.ts';
import { type MigrationParts, Migrations } from './migrations.ts';

const NOWHERE = { mac: '00:00:00:00:00:00', ifindex: 0, sourceMac: '00:00:00:00:00:00' };
const ROUNDS = 3000;
/** A slow machine stops here, milliseconds. */
const AT_MOST_MS = 1000;

/** Nobody else's connection is touched, and no figure counted. Whatever hinders it is no reason not to start. */
export function rehearse(parts: Omit<MigrationParts, 'measures'>): void {
  const until = performance.now() + AT_MOST_MS;
  const reader = new FrameReader();
  let sent: { id: number } | undefined;
  const link: Link = {
    peer: 'rehearsal',
    send(message) {
      encodeFrame(message);
      sent = message as { id: number };
      return true;
    },
    together: (work) => work(),
    end: () => {},
    close: () => {},
  };
  const migrations = new Migrations(
    { ...parts, measures: new Measures() },
    { name: 'rehearsal', link, hop: NOWHERE, settle: () => {} },
  );
  const hear = (message: FromRemote): unknown => checkFromRemote(reader.push(encodeFrame(message))[0]);
  withLoopbackConnection('GET /rehearsal HTTP/1.1\r\nHost: localhost\r\n\r\n', (fd) => {
    for (let round = 0; round < ROUNDS && performance.now() < until; round++) {
      migrations.begin(0, fd);
      if (!sent) return;
      hear({ type: 'adopted', id: sent.id, micros: 1 });
      migrations.onRefused(sent.id, 'rehearsal');
      sent = undefined;
    }
  });
  migrations.end(true);
}
