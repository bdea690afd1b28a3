/**
 * The first header block of an HTTP/2 connection (HPACK, RFC 7541): the only one that can be read without what came before it,
 * for its dynamic table is empty at the start. It may put entries into that table and refer to them.
 */
import { decodeHuffman } from './huffman.ts';

/** Until a server has said otherwise (RFC 9113 section 6.5.2). */
const TABLE_BYTES = 4096;
/** What an entry counts besides its own characters (RFC 7541 section 4.1). */
const ENTRY_BYTES = 32;
/** No honest number is longer: lengths are of one frame. */
const INTEGER_MAX = 1 << 24;

type Entry = readonly [name: string, value: string];

/** RFC 7541 appendix A. */
const STATIC: readonly Entry[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((code): Entry => [':status', code]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow'],
    ...['authorization', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'],
    ...['content-length', 'content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag'],
    ...['expect', 'expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
    ...['if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate'],
    ...['proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie'],
    ...['strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
  ].map((name): Entry => [name, '']),
];

/** What is wrong ends the reading, wherever it is. */
class Malformed extends Error {}

class Block {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** The newest first. */
  readonly #table: Entry[] = [];
  #tableBytes = 0;
  #tableMax = TABLE_BYTES;
  #isFirst = true;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The next field; undefined at the end. */
  next(): Entry | undefined {
    while (this.#at < this.#end) {
      const first = this.#bytes[this.#at]!;
      if ((first & 0xe0) !== 0x20) {
        this.#isFirst = false;
        return this.#field(first);
      }
      // A change of the table's size stands before all fields.
      const size = this.#integer(5);
      if (!this.#isFirst || size > TABLE_BYTES) throw new Malformed();
      this.#tableMax = size;
      this.#evict(0);
    }
    return undefined;
  }

  #field(first: number): Entry {
    if (first & 0x80) return this.#entry(this.#integer(7));
    const isKept = (first & 0x40) !== 0;
    const index = this.#integer(isKept ? 6 : 4);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    const field: Entry = [name, this.#text()];
    if (isKept) this.#keep(field);
    return field;
  }

  #entry(index: number): Entry {
    const entry = index <= STATIC.length ? STATIC[index - 1] : this.#table[index - STATIC.length - 1];
    if (!entry) throw new Malformed();
    return entry;
  }

  #keep(entry: Entry): void {
    const size = ENTRY_BYTES + entry[0].length + entry[1].length;
    this.#evict(size);
    if (size > this.#tableMax) return;
    this.#table.unshift(entry);
    this.#tableBytes += size;
  }

  /** Makes room for `size` bytes: the oldest go. */
  #evict(size: number): void {
    while (this.#table.length > 0 && this.#tableBytes + size > this.#tableMax) {
      const [name, value] = this.#table.pop()!;
      this.#tableBytes -= ENTRY_BYTES + name.length + value.length;
    }
  }

  /** RFC 7541 section 5.1. */
  #integer(bits: number): number {
    const mask = (1 << bits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * unit;
      if (value > INTEGER_MAX || unit > INTEGER_MAX) throw new Malformed();
      if (byte < 128) return value;
    }
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new Malformed();
    return this.#bytes[this.#at++]!;
  }

  #text(): string {
    const isHuffman = this.#at < this.#end && (this.#bytes[this.#at]! & 0x80) !== 0;
    const size = this.#integer(7);
    const start = this.#at;
    this.#at += size;
    if (this.#at > this.#end) throw new Malformed();
    const text = isHuffman
      ? decodeHuffman(this.#bytes, start, this.#at)
      : Buffer.from(this.#bytes.subarray(start, this.#at)).toString('latin1');
    if (text === undefined) throw new Malformed();
    return text;
  }
}

/** What a request says that it is for. */
export interface Request {
  readonly path: string;
  /** HOST, or HOST:PORT; empty where it says none. */
  readonly authority: string;
}

/** Every field of the first block of a connection, from `start` to `end`; undefined where it is none. */
export function readFields(bytes: Uint8Array, start: number, end: number): Entry[] | undefined {
  const block = new Block(bytes, start, end);
  const fields: Entry[] = [];
  try {
    for (let field = block.next(); field; field = block.next()) fields.push(field);
    return fields;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** As `readFields`, and out of the fields what tells whom it is for (RFC 9113 section 8.3.1). */
export function readRequest(bytes: Uint8Array, start: number, end: number): Request | undefined {
  const fields = readFields(bytes, start, end);
  const first = (wanted: string) => fields?.find(([name]) => name === wanted)?.[1];
  return fields && { path: first(':path') ?? '', authority: first(':authority') ?? first('host') ?? '' };
}
