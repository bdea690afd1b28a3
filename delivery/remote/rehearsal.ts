/**
 * Prepares a copy of a connection of this process with itself and undoes it, over and over: the engine compiles what it
 * runs often, and the first connections that a head sends would wait for it (see head/migrate/rehearsal.ts).
 */
import { encodeSaved, freeze, Refusal, type SavedConnection } from '../../shared/tcp-repair/index.ts';
import { withLoopbackConnection } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import { checkToRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { Adoptions } from './adoptions.ts';

const ROUNDS = 3000;
/** A slow machine stops here, milliseconds. */
const AT_MOST_MS = 1000;
/** Nobody connects from there, so the copy meets no other connection. */
const NOBODY = Uint8Array.of(127, 255, 255, 254);

/** No packet leaves for anybody. Whatever hinders it is no reason not to start. */
export function rehearse(): void {
  let saved: SavedConnection | Refusal | undefined;
  withLoopbackConnection('GET /rehearsal HTTP/1.1\r\nHost: localhost\r\n\r\n', (fd) => {
    saved = copyOf(fd);
  });
  if (saved === undefined || saved instanceof Refusal) return;
  const once = rehearsalOf({ ...saved, client: { ...saved.client, address: NOBODY } });
  const until = performance.now() + AT_MOST_MS;
  for (let round = 0; round < ROUNDS && performance.now() < until; round++) once();
}

function rehearsalOf(saved: SavedConnection): () => void {
  const adoptions = new Adoptions([saved.server.address]);
  const reader = new FrameReader();
  const frame = encodeFrame({ type: 'adopt', id: 0, withinMs: 1000, state: encodeSaved(saved) });
  return () => {
    const adopt = checkToRemote(reader.push(frame)[0]) as ToRemote & { type: 'adopt' };
    const answer = adoptions.adopt(adopt);
    encodeFrame(answer);
    if (answer.type === 'adopted') adoptions.abort(answer.id);
  };
}

function copyOf(fd: number): SavedConnection | Refusal {
  const frozen = freeze(fd);
  if (frozen instanceof Refusal) return frozen;
  const saved = frozen.save();
  frozen.thaw();
  return saved;
}
