/**
 * Prepares a copy of a connection of this process with itself and undoes it, over and over (see
 * shared/tcp-repair/loopback.ts).
 */
import { encodeSaved, freeze, Refusal, type SavedConnection } from '../../shared/tcp-repair/index.ts';
import { rehearseOverLoopback } from '../../shared/tcp-repair/loopback.ts';
import { encodeFrame, FrameReader } from '../../shared/wire/remote/frames.ts';
import { checkToRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { Adoptions } from './adoptions.ts';

/** Nobody connects from there, so the copy meets no other connection. */
const NOBODY = Uint8Array.of(127, 255, 255, 254);

/** No packet leaves for anybody. */
export function rehearse(): void {
  rehearseOverLoopback((fd) => {
    const saved = copyOf(fd);
    if (saved instanceof Refusal) return undefined;
    return rehearsalOf({ ...saved, client: { ...saved.client, address: NOBODY } });
  });
}

function rehearsalOf(saved: SavedConnection): () => boolean {
  const room = { reserve: () => true, release: () => {}, makeWay: () => false };
  const adoptions = new Adoptions([saved.server.address], room);
  const reader = new FrameReader();
  const frame = encodeFrame({ type: 'adopt', id: 0, withinMs: 1000, state: encodeSaved(saved) });
  return () => {
    const adopt = checkToRemote(reader.push(frame)[0]) as ToRemote & { type: 'adopt' };
    const answer = adoptions.adopt(adopt);
    encodeFrame(answer);
    if (answer.type !== 'adopted') return false;
    adoptions.abort(answer.id);
    return true;
  };
}

function copyOf(fd: number): SavedConnection | Refusal {
  const frozen = freeze(fd);
  if (frozen instanceof Refusal) return frozen;
  const saved = frozen.save();
  frozen.thaw();
  return saved;
}
