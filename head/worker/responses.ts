/**
 * The answers that the head itself gives, as bytes composed in place. Each says Connection: close and is followed by
 * a lingering close. What comes from the client reaches an answer in one place only (`putTarget`), where every byte
 * outside printable ASCII is percent-encoded.
 */
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import type { Found } from '../found.ts';
import { HTTP, HTTP2, type Refusal, TLS, type Voice } from '../refusals.ts';
import { goAway, tlsAlerts } from './farewells.ts';

/** A target grows at most this much in a header, where a byte can become `%XX`, and in a page, where it can be `&quot;`. */
const HEADER_GROWTH = 3;
const PAGE_GROWTH = 6;
/** What an answer has besides the target, twice: in its headers, and in its page. */
const FIXED_PART = 2048;

const PERCENT = 0x25;
const SLASH = 0x2f;
const HEX = Buffer.from('0123456789ABCDEF');
const HTML_ESCAPES = new Map<number, Buffer>(
  Object.entries({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }).map(
    ([from, to]) => [from.charCodeAt(0), Buffer.from(to)],
  ),
);

const PAGE_START = Buffer.from(
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Continue</title><p>Your page is at <a href="',
);
const PAGE_END = Buffer.from('">this address</a>.</p></html>\n');

interface PlainAnswer {
  readonly text: string;
  head(date: string): string;
}

const plain = (status: string, extra = ''): PlainAnswer => {
  const text = `${status}\n`;
  return {
    text,
    head: (date) =>
      `HTTP/1.1 ${status}\r\nDate: ${date}\r\n${extra}Connection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${text.length}\r\n\r\n`,
  };
};

const errors: Record<Refusal, PlainAnswer> = {
  badRequest: plain('400 Bad Request'),
  timeout: plain('408 Request Timeout'),
  /** RFC 9110 section 15.5.20. */
  misdirected: plain('421 Misdirected Request'),
  headTooLarge: plain('431 Request Header Fields Too Large'),
  notImplemented: plain('501 Not Implemented'),
  /** RFC 9110 section 10.2.3: seconds. */
  unavailable: plain('503 Service Unavailable', 'Retry-After: 1\r\n'),
};

export class Responses {
  /** Where an answer is composed; each method returns how many bytes of it count. */
  readonly memory: Memory;
  readonly #bytes: Buffer;
  /** Where a page is written before its length is known: beyond the longest headers. */
  readonly #pageStart: number;
  readonly #cache = new Map<string, Buffer>();
  #second = -1;
  #date = '';

  /** `headLimit`: the longest request head, in bytes. */
  constructor(headLimit: number) {
    this.#pageStart = headLimit * HEADER_GROWTH + FIXED_PART;
    this.memory = allocate(this.#pageStart + headLimit * PAGE_GROWTH + FIXED_PART);
    this.#bytes = this.memory.bytes;
  }

  /** The cached bytes of a fixed answer or of an answer's beginning; each holds the Date, so they last a second. */
  #cached(key: string, make: (date: string) => Buffer): Buffer {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(second * 1000).toUTCString();
      this.#cache.clear();
    }
    let bytes = this.#cache.get(key);
    if (!bytes) {
      bytes = make(this.#date);
      this.#cache.set(key, bytes);
    }
    return bytes;
  }

  /** The answer to HEAD has no body, whatever it is (RFC 9110 section 9.3.2). 0: there is nothing to say. */
  error(kind: Refusal, { speaks, isHead, stream }: Voice): number {
    if (speaks === TLS) return this.#put(0, tlsAlerts[kind]);
    if (speaks === HTTP2) return this.#put(0, goAway(kind, stream));
    if (speaks !== HTTP) return 0;
    const { text, head } = errors[kind];
    const bytes = this.#cached(kind, (date) => Buffer.from(head(date) + text));
    const length = this.#put(0, bytes);
    return isHead ? length - text.length : length;
  }

  /** 307 with the target of the inspected request at `origin`, the beginning of a URL (RFC 9110 section 15.4.8). */
  redirect(origin: string, found: Found): number {
    const start = this.#cached(origin, (date) =>
      Buffer.from(
        `HTTP/1.1 307 Temporary Redirect\r\nDate: ${date}\r\nConnection: close\r\nContent-Length: 0\r\n` +
          `Location: ${origin}`,
      ),
    );
    const at = this.#putTarget(this.#put(0, start), found);
    return this.#put(at, END);
  }

  /**
   * 201 with the same address in Location (RFC 9110 section 15.3.2). No client follows it by itself, so there is a
   * page with a link; a HEAD request is told its length only.
   */
  created(origin: string, found: Found): number {
    const bytes = this.#bytes;
    const pageStart = this.#pageStart;
    let page = this.#put(pageStart, PAGE_START);
    page = this.#put(page, Buffer.from(origin));
    const targetStart = page;
    page = this.#putTarget(page, found);
    page = this.#escapeHtml(targetStart, page);
    page = this.#put(page, PAGE_END);
    const length = page - pageStart;

    const start = this.#cached(`201 ${origin}`, (date) =>
      Buffer.from(
        `HTTP/1.1 201 Created\r\nDate: ${date}\r\nConnection: close\r\nContent-Type: text/html; charset=utf-8\r\n` +
          `Location: ${origin}`,
      ),
    );
    let at = this.#putTarget(this.#put(0, start), found);
    at = this.#put(at, Buffer.from(`\r\nContent-Length: ${length}\r\n\r\n`));
    if (found.isHead) return at;
    bytes.copyWithin(at, pageStart, page);
    return at + length;
  }

  #put(at: number, bytes: Buffer): number {
    this.#bytes.set(bytes, at);
    return at + bytes.length;
  }

  /** Path and query of the inspected request, kept exactly; a byte that no URI has is percent-encoded. */
  #putTarget(start: number, found: Found): number {
    const bytes = this.#bytes;
    const from = found.bytes;
    let at = start;
    if (found.lacksSlash) bytes[at++] = SLASH;
    for (let i = found.targetStart; i < found.targetEnd; i++) {
      const byte = from[i]!;
      if (byte > 0x20 && byte < 0x7f) {
        bytes[at++] = byte;
      } else {
        bytes[at++] = PERCENT;
        bytes[at++] = HEX[byte >> 4]!;
        bytes[at++] = HEX[byte & 15]!;
      }
    }
    return at;
  }

  /** Escapes [start, end) in place for an HTML attribute; its new end. */
  #escapeHtml(start: number, end: number): number {
    const raw = Buffer.from(this.#bytes.subarray(start, end));
    let at = start;
    for (const byte of raw) {
      const escaped = HTML_ESCAPES.get(byte);
      if (escaped) at = this.#put(at, escaped);
      else this.#bytes[at++] = byte;
    }
    return at;
  }
}

const END = Buffer.from('\r\n\r\n');
