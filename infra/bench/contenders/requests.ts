import { hashText } from '../../../shared/fnv.ts';
import { rendezvous } from '../../../shared/rendezvous.ts';
import type { Contender } from '../contender.ts';
import { fromAny, startDelivery, startHead } from './baton.ts';

const names = ['d1', 'd2'] as const;

/** A path that belongs to each. */
const [ofFirst, ofSecond] = names.map((_, wanted) => {
  const slots = { slots: Int32Array.of(0, 1), count: 2 };
  for (let i = 0; ; i++)
    if (rendezvous(slots, Uint32Array.from(names, hashText), hashText(`/${i}`)) === wanted) return `/${i}`;
}) as [string, string];

interface Kind {
  readonly name: string;
  readonly about: string;
  readonly distribute: 'requests' | 'connections';
  readonly paths: string;
  /** On each connection. */
  readonly requests: number;
}

const REQUESTS = 100;

const requests = ({ name, about, distribute, paths, requests: count }: Kind): Contender =>
  fromAny((program) => ({
    name,
    about,
    async start(stage) {
      // The one that was checked out elsewhere may not know it.
      const more = distribute === 'connections' ? [] : ['--distribute', distribute];
      const head = await startHead(stage, program, 'handoff', '--policy', 'path-hash', ...more);
      const pids: number[] = [];
      for (const each of names)
        pids.push((await startDelivery(stage, program, head.socket, each, 'app')).pid);
      const [subject, other] = pids;
      return {
        subject: subject!,
        others: [head.pid, other!],
        address: `${head.address}${paths}`,
        requests: count,
      };
    },
  }));

export const staying = requests({
  name: 'stays',
  about: 'by request; each is for the delivery that has the connection',
  distribute: 'requests',
  paths: ofFirst,
  requests: REQUESTS,
});
export const byConnection = requests({
  name: 'connections',
  about: 'the same requests, by connection',
  distribute: 'connections',
  paths: ofFirst,
  requests: REQUESTS,
});
export const going = requests({
  name: 'goes',
  about: 'by request; each is for the delivery that does not have the connection',
  distribute: 'requests',
  paths: `${ofFirst},${ofSecond}`,
  requests: REQUESTS,
});
export const firstHandoff = requests({
  name: 'first',
  about: 'a connection for each request',
  distribute: 'connections',
  paths: ofFirst,
  requests: 1,
});
