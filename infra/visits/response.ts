/**
 * An HTTP/1.1 answer read as it arrives, in pieces of any size (RFC 9112). It keeps nothing of the body: a visit only
 * has to know that all of it came. One parser reads answer after answer on the same connection.
 */

/** The most bytes of status line and fields, and of a chunked body's trailers together: what Node's own server accepts. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** The most bytes of all chunk extensions of one answer together, as in Node. */
export const EXTENSION_BYTES_MAX = 16 * 1024;
/** The most interim answers before the final one: far more than a server has a use for. */
export const INTERIM_MAX = 32;
/** The most bytes of one chunk's size line, extensions included. */
const CHUNK_LINE_MAX = 1024;

type State =
  | 'head'
  | 'length'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailer'
  | 'to-close'
  | 'done'
  | 'bad';

export class ResponseParser {
  /** Of the final answer; 0 until its head is complete. */
  status = 0;
  location: string | undefined;
  /** Whether the connection can carry another request after this answer. */
  keepAlive = false;
  /** Body bytes seen so far, without framing. */
  bodyBytes = 0;
  /** Why the answer is not HTTP/1.1, in a few words. */
  problem = '';

  #state: State = 'head';
  /** The unfinished head, trailer or chunk-size line. */
  #text = '';
  /** Body bytes still to come, of the whole or of this chunk. */
  #remaining = 0;
  /** Interim answers so far. */
  #interim = 0;
  /** Bytes of all trailers, and of all chunk extensions, so far. */
  #trailerBytes = 0;
  #extensionBytes = 0;

  get complete(): boolean {
    return this.#state === 'done';
  }

  get bad(): boolean {
    return this.#state === 'bad';
  }

  /** Makes ready for the next answer. */
  reset(): void {
    this.status = 0;
    this.location = undefined;
    this.keepAlive = false;
    this.bodyBytes = 0;
    this.problem = '';
    this.#state = 'head';
    this.#text = '';
    this.#remaining = 0;
    this.#interim = 0;
    this.#trailerBytes = 0;
    this.#extensionBytes = 0;
  }

  /** Reads bytes `start` to `end` and returns where it stopped: less than `end` when the answer ended before, or is bad. */
  read(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case 'head':
          at = this.#readHead(bytes, at, end);
          break;
        case 'length':
        case 'chunk-data':
          at = this.#skip(at, end);
          break;
        case 'to-close':
          this.bodyBytes += end - at;
          at = end;
          break;
        case 'chunk-size':
        case 'chunk-end':
        case 'trailer':
          at = this.#readLine(bytes, at, end);
          break;
        case 'done':
        case 'bad':
          return at;
      }
    }
    return at;
  }

  /** The connection ended. True when that also ends the answer, as it must where nothing else tells its length. */
  end(): boolean {
    if (this.#state === 'to-close') this.#state = 'done';
    return this.complete;
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    const before = this.#text.length;
    // latin1 keeps one character a byte, so that offsets in the text are offsets in the bytes.
    this.#text += bytes.toString('latin1', start, Math.min(end, start + HEAD_BYTES_MAX + 4 - before));
    const stop = this.#text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (stop < 0) {
      if (this.#text.length > HEAD_BYTES_MAX + 3) return this.#fail('the head is too large', end);
      // Something that is not HTTP at all is named at once, not after the time limit.
      if (before < 7 && !'HTTP/1.'.startsWith(this.#text.slice(0, 7))) return this.#fail('not HTTP', end);
      return end;
    }
    const head = this.#text.slice(0, stop);
    this.#text = '';
    const problem = this.#parseHead(head);
    return problem === undefined ? start + stop + 4 - before : this.#fail(problem, start);
  }

  /** Answers what is wrong with it, or undefined. */
  #parseHead(head: string): string | undefined {
    // A field may go on in a line that begins with a blank; clients read that as blanks (RFC 9112 section 5.2).
    const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
    if (/^[^\r]*\r\n[ \t]/.test(head)) return 'a line before the first field';
    if (lines.some((line) => forbidden.test(line))) return 'a control character in the head';
    const start = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(lines[0]!);
    if (!start) return 'no HTTP/1.x status line';
    const status = Number(start[2]);
    let length: string | undefined;
    let coding: string | undefined;
    let connection = '';
    let location: string | undefined;
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index]!;
      const colon = line.indexOf(':');
      if (colon < 1 || !fieldName.test(line.slice(0, colon))) return 'a malformed header field';
      const value = trimBlanks(line.slice(colon + 1));
      switch (line.slice(0, colon).toLowerCase()) {
        case 'content-length':
          if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== value)) {
            return 'a malformed Content-Length';
          }
          length = value;
          break;
        case 'transfer-encoding':
          coding = coding === undefined ? value.toLowerCase() : `${coding}, ${value.toLowerCase()}`;
          break;
        case 'connection':
          connection = `${connection},${value.toLowerCase()}`;
          break;
        case 'location':
          location ??= escapeBytes(value);
          break;
      }
    }
    if (status === 101) return 'an upgrade that was not asked for';
    if (status < 200) {
      // The final one follows (RFC 9110 section 15.2).
      return ++this.#interim > INTERIM_MAX ? 'too many interim answers' : undefined;
    }
    if (coding !== undefined && length !== undefined) return 'two lengths for one body';
    this.status = status;
    this.location = location;
    const tokens = connection.split(',').map((token) => token.trim());
    // HTTP/1.0 has no transfer codings: where such an answer ends is not to be relied on (RFC 9112 section 6.1).
    this.keepAlive =
      start[1] === '1' ? !tokens.includes('close') : tokens.includes('keep-alive') && coding === undefined;
    this.#frame(status, length, coding);
    return undefined;
  }

  /** RFC 9112 section 6.3, for an answer to GET. */
  #frame(status: number, length: string | undefined, coding: string | undefined): void {
    if (status === 204 || status === 304) {
      this.#state = 'done';
    } else if (coding !== undefined && /(^|,)\s*chunked$/.test(coding)) {
      this.#state = 'chunk-size';
    } else if (coding === undefined && length !== undefined) {
      this.#remaining = Number(length);
      this.#state = this.#remaining === 0 ? 'done' : 'length';
    } else {
      this.keepAlive = false;
      this.#state = 'to-close';
    }
  }

  #skip(at: number, end: number): number {
    const taken = Math.min(this.#remaining, end - at);
    this.#remaining -= taken;
    this.bodyBytes += taken;
    if (this.#remaining === 0) this.#state = this.#state === 'length' ? 'done' : 'chunk-end';
    return at + taken;
  }

  #readLine(bytes: Buffer, at: number, end: number): number {
    const limit = this.#state === 'trailer' ? HEAD_BYTES_MAX - this.#trailerBytes : CHUNK_LINE_MAX;
    const newline = bytes.indexOf(0x0a, at);
    const found = newline >= 0 && newline < end;
    const stop = found ? newline + 1 : end;
    if (this.#text.length + stop - at > limit) {
      const what =
        this.#state === 'trailer' ? 'the trailers are too large' : 'a line of a chunked body is too long';
      return this.#fail(what, at);
    }
    this.#text += bytes.toString('latin1', at, stop);
    if (!found) return end;
    if (!this.#text.endsWith('\r\n')) return this.#fail('a malformed line in a chunked body', at);
    const line = this.#text.slice(0, -2);
    this.#text = '';
    return this.#takeLine(line, stop);
  }

  #takeLine(line: string, after: number): number {
    if (this.#state === 'chunk-end') {
      if (line !== '') return this.#fail('a chunk is longer than it says', after);
      this.#state = 'chunk-size';
    } else if (this.#state === 'trailer') {
      this.#trailerBytes += line.length + 2;
      if (line === '') this.#state = 'done';
    } else {
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line);
      if (!size) return this.#fail('a malformed chunk size', after);
      this.#extensionBytes += line.length - size[1]!.length;
      if (this.#extensionBytes > EXTENSION_BYTES_MAX)
        return this.#fail('the chunk extensions are too large', after);
      this.#remaining = Number.parseInt(size[1]!, 16);
      this.#state = this.#remaining === 0 ? 'trailer' : 'chunk-data';
    }
    return after;
  }

  #fail(problem: string, at: number): number {
    this.#state = 'bad';
    this.problem = problem;
    return at;
  }
}

/** RFC 9110 section 5.6.2. */
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** In a status line and in a field no control character is right but the tab (RFC 9110 section 5.5, RFC 9112 section 4). */
const forbidden = /(?!\t)[\p{Cc}--[\x80-\x9f]]/v;

/** Around a field's value; String.trim would also take a no-break space, which may be half of a UTF-8 character. */
const trimBlanks = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');

/** Bytes that no URL has, one character each, as browsers and curl ask for them: é in UTF-8 becomes %C3%A9. */
const escapeBytes = (text: string): string =>
  text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
