/**
 * Prepares a copy of a connection of this process with itself and undoes it, over and over: the engine compiles what it
 * runs often, and the first connections that a head sends would wait for it (see head/migrate/rehearsal.ts).
 */
import { encodeSaved, freeze, Refusal, type SavedConnection } from '../../shared/tcp-repair/index.ts';
import { withLoopbackConnection } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import { checkToRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { Adoptions } from './adoptions.ts';

const ROUNDS = 400;
/** A slow machine stops here, milliseconds. */
const AT_MOST_MS = 300;
/** Nobody connects from there, so the copy meets no other connection. */
const NOBODY = Uint8Array.of(127, 255, 255, 254);

/** No packet leaves for anybody. Whatever hinders it is no reason not to start. */
export function rehearse(): void {
  const until = performance.now() + AT_MOST_MS;
  withLoopbackConnection('GET /rehearsal HTTP/1.1\r\nHost: localhost\r\n\r\n', (fd) => {
    const saved = copyOf(fd);
    if (saved instanceof Refusal) return;
    const adoptions = new Adoptions([saved.server.address]);
    const reader = new FrameReader();
    const state = encodeSaved({ ...saved, client: { ...saved.client, address: NOBODY } });
    for (let id = 0; id < ROUNDS && performance.now() < until; id++) {
      const adopt: ToRemote = { type: 'adopt', id, withinMs: 1000, state };
      const answer = adoptions.adopt(checkToRemote(reader.push(encodeFrame(adopt))[0]) as typeof adopt);
      encodeFrame(answer);
      if (answer.type !== 'adopted') return;
      adoptions.abort(id);
    }
  });
}

function copyOf(fd: number): SavedConnection | Refusal {
  const frozen = freeze(fd);
  if (frozen instanceof Refusal) return frozen;
  const saved = frozen.save();
  frozen.thaw();
  return saved;
}
