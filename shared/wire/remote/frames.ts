/**
 * Messages over a byte stream: each is a frame, a length (unsigned, 32 bits, big-endian) and that many bytes of
 * MessagePack. A frame longer than the limit is refused when its length is read, before a byte of it is kept.
 */
import { Packr } from 'msgpackr/pack';
import { BatonError } from '../../errors.ts';
import { SAVED_MAX } from '../../tcp-repair/index.ts';
import { STATE_MAX } from '../way-back.ts';

/** The longest message carries one saved connection, and what its application has said of it. */
export const FRAME_MAX = SAVED_MAX + STATE_MAX + 4096;
const HEADER = 4;

// Without records: a frame is understood by itself. `number`: 5 written in 64 bits is 5.
const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

export function encodeFrame(message: object): Buffer {
  const body = packr.pack(message);
  if (body.length > FRAME_MAX) throw new RangeError(`a message of ${body.length} bytes`);
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER);
  return frame;
}

/** Cuts a stream into messages. */
export class FrameReader {
  #parts: Buffer[] = [];
  #have = 0;

  /** The messages that are complete with this piece. Throws PROTOCOL; the stream can not be read on then. */
  push(piece: Buffer): unknown[] {
    this.#parts.push(piece);
    this.#have += piece.length;
    const messages: unknown[] = [];
    while (this.#have >= HEADER) {
      const length = this.#peekLength();
      if (length > FRAME_MAX) throw new BatonError('PROTOCOL', { problem: `a frame of ${length} bytes` });
      if (this.#have < HEADER + length) break;
      messages.push(unpack(this.#take(HEADER + length).subarray(HEADER)));
    }
    return messages;
  }

  #peekLength(): number {
    if (this.#parts[0]!.length < HEADER) this.#join();
    return this.#parts[0]!.readUInt32BE(0);
  }

  #take(length: number): Buffer {
    if (this.#parts[0]!.length < length) this.#join();
    const first = this.#parts[0]!;
    if (first.length === length) this.#parts.shift();
    else this.#parts[0] = first.subarray(length);
    this.#have -= length;
    return first.subarray(0, length);
  }

  /** Only when a whole message is there, or a header: each byte is copied at most twice. */
  #join(): void {
    this.#parts = [Buffer.concat(this.#parts)];
  }
}

function unpack(body: Buffer): unknown {
  try {
    return packr.unpack(body);
  } catch {
    throw new BatonError('PROTOCOL', { problem: 'a frame that is not MessagePack' });
  }
}
