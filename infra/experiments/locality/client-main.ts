/**
 * Clients that ask for pages by Zipf's law, each for the next when it has the last, as a process of its own on a lab's client
 * host: its argument is JSON (`Orders`), and so is what it prints.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { addressBytes } from '../../../shared/addresses.ts';
import { request } from '../../../shared/node-http.ts';
import type { Endpoint } from '../../../shared/sys/endpoints.ts';
import { parseHostPort } from '../../../shared/units.ts';
import { seededRandom } from '../../statistics/random.ts';
import { type Client, Clients, now } from '../../visits/clients.ts';
import { type Answer, ordersSchema } from './result.ts';

/** A request that has no answer by then has failed. */
const WITHIN_MS = 5000;

const orders = ordersSchema.parse(JSON.parse(process.argv[2]!));
const { pages, exponent, requests, warmUpMs, durationMs } = orders;
const random = seededRandom(orders.seed);
const upTo = cumulated();
const clients = new Clients();
const endpoint = endpointOf(orders.address);
const taken: number[] = [];
const counts = { hits: 0, failed: 0 };
let measuresFrom = Number.POSITIVE_INFINITY;
let ends = Number.POSITIVE_INFINITY;

/** Up to each page's rank, the share of requests. */
function cumulated(): Float64Array {
  const sums = new Float64Array(pages);
  let sum = 0;
  for (let rank = 0; rank < pages; rank++) {
    sum += (rank + 1) ** -exponent;
    sums[rank] = sum;
  }
  return sums.map((each) => each / sum);
}

function nextPage(): number {
  const wanted = random();
  let [low, high] = [0, pages - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (upTo[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function endpointOf(address: string): Endpoint {
  const { host, port } = parseHostPort(address)!;
  return { address: addressBytes(host), port };
}

/** One connection after the other, until the end. */
class Visitor {
  readonly ended = Promise.withResolvers<void>();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #left = 0;
  #asked = 0;
  #text = '';
  #isAnswered = false;

  begin(): void {
    if (now() >= ends) return this.ended.resolve();
    this.#left = requests;
    const client = clients.connect(endpoint, {
      onConnect: () => this.#ask(),
      onBytes: (bytes, length) => this.#hear(bytes.toString('latin1', 0, length)),
      onEnd: () => (this.#isAnswered ? this.#next() : this.#fail()),
      onFailure: () => this.#fail(),
    });
    if (typeof client === 'number') return this.#fail();
    this.#client = client;
    this.#asked = now();
    this.#timer ??= setInterval(() => now() - this.#asked > WITHIN_MS * 1000 && this.#fail(), 500);
  }

  #ask(): void {
    // To connect is part of what the first one takes.
    if (this.#left < requests) this.#asked = now();
    this.#left--;
    this.#text = '';
    this.#isAnswered = false;
    // Whoever ends a connection first keeps its ports from being used again for a minute, and there are only so many here.
    const last = this.#left === 0 ? 'Connection: close\r\n' : '';
    this.#client!.send(Buffer.from(`GET /page/${nextPage()} HTTP/1.1\r\nHost: locality\r\n${last}\r\n`));
  }

  #hear(text: string): void {
    this.#text += text;
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /content-length: (\d+)/i.exec(this.#text)?.[1];
    if (length === undefined || !this.#text.startsWith('HTTP/1.1 200 ')) return this.#fail();
    if (this.#text.length < end + 4 + Number(length)) return;
    const at = now();
    if (at >= measuresFrom && at < ends) {
      taken.push(at - this.#asked);
      if (/x-cache: hit/i.test(this.#text)) counts.hits++;
    }
    if (this.#left > 0 && at < ends) return this.#ask();
    this.#isAnswered = true;
    if (this.#left > 0) this.#next();
  }

  #next(): void {
    this.#close();
    // Node's own sockets would leave it first as well.
    setImmediate(() => this.begin());
  }

  #fail(): void {
    if (now() >= measuresFrom) counts.failed++;
    this.#close();
    setTimeout(() => this.begin(), 10);
  }

  #close(): void {
    this.#client?.close();
    this.#client = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

for (const host of orders.direct) {
  const [answer] = (await once(request(`http://${host}/begin/${orders.cacheSize}`).end(), 'response')) as [
    IncomingMessage,
  ];
  answer.resume();
}
const visitors = Array.from({ length: orders.clients }, () => new Visitor());
for (const visitor of visitors) visitor.begin();
await delay(warmUpMs);
measuresFrom = now();
ends = measuresFrom + durationMs * 1000;
await Promise.all(visitors.map(({ ended }) => ended.promise));
taken.sort((a, b) => a - b);
const at = (share: number) => taken[Math.min(taken.length - 1, Math.floor(share * taken.length))] ?? 0;
const answer: Answer = {
  seconds: durationMs / 1000,
  answers: taken.length,
  ...counts,
  p50Micros: at(0.5),
  p99Micros: at(0.99),
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exit(0);
