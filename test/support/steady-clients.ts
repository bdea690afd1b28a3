/** Keep-alive clients that ask without end, GET and POST in turns, each at its pace, and look at every answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Kept, keepAliveMany } from './keep-alive.ts';

export interface SteadyClients {
  readonly clients: readonly Kept[];
  /** Answers that were right so far. */
  readonly answered: number;
  /** What was not: an answer, or how a connection ended. */
  readonly failed: readonly string[];
  /** Waits for the answers that are on their way. What comes that nobody has asked for has failed as well. */
  stop(): Promise<void>;
  close(): void;
}

interface Load {
  readonly count: number;
  /** All together. */
  readonly perSecond: number;
  /** So many of them ask again as soon as they have their answer. */
  readonly neverIdle: number;
}

/** Each opens one connection and keeps it. */
export async function askSteadily(
  address: string,
  { count, perSecond, neverIdle }: Load,
): Promise<SteadyClients> {
  const clients = await keepAliveMany(address, count);
  const failed: string[] = [];
  let goesOn = true;
  let answered = 0;
  async function converse(client: Kept, i: number): Promise<void> {
    const everyMs = i < neverIdle ? 0 : (1000 * count) / perSecond;
    await delay(Math.random() * everyMs);
    for (let n = 0; goesOn; n++) {
      const began = performance.now();
      const body = `${i}-${n}`.repeat(20);
      const isPost = n % 2 === 1;
      const answer = isPost ? await client.ask('/echo', body) : await client.ask('/bytes/1000');
      if (answer.status !== 200 || (isPost ? answer.body !== body : answer.body.length !== 1000))
        failed.push(answer.headers);
      else answered++;
      await delay(Math.max(0, began + everyMs - performance.now()));
    }
  }
  const conversations = clients.map((client, i) =>
    converse(client, i).catch((error: Error) => void failed.push(`client ${i}: ${error.message}`)),
  );
  return {
    clients,
    failed,
    get answered() {
      return answered;
    },
    async stop() {
      goesOn = false;
      await Promise.all(conversations);
      for (const { unasked } of clients) if (unasked !== '') failed.push(`unasked: ${unasked}`);
    },
    close() {
      for (const { socket } of clients) socket.destroy();
    },
  };
}
