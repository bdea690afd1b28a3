/** A distributor and what else holds the connections of its server, with the head played by hand: nothing that has come is forgotten. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Admission } from '../../../delivery/admit.ts';
import type { AdoptedSocket } from '../../../delivery/adopt.ts';
import { Connections } from '../../../delivery/connections.ts';
import { type Held, hold } from '../../../delivery/held.ts';
import { trackConnections } from '../../../delivery/http-connections.ts';
import { Distributor } from '../../../delivery/requests/distributor.ts';
import { Standing } from '../../../delivery/requests/standing.ts';
import { DeliveryWayBack } from '../../../delivery/way-back.ts';
import { type AskedFor, WayBack } from '../../../head/worker/way-back.ts';
import { createServer } from '../../../shared/node-http.ts';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';
import { STAYS } from '../../../shared/wire/asked.ts';
import { acceptedConnections } from '../../support/accepted.ts';
import { until } from '../../support/until.ts';

const log = { warn() {} };

interface Site {
  readonly server: Server;
  readonly client: Socket;
  readonly socket: AdoptedSocket;
  /** The head's end. */
  readonly head: WayBack;
  readonly heard: () => string;
}

/** A connection that was answered once, at a delivery that is to ask about each request. */
async function site(t: ExecutionContext): Promise<Site> {
  const server = createServer((request, response) => response.end(request.url));
  trackConnections(server);
  t.teardown(() => server.close());
  const [headEnd, end] = seqpacketPair();
  const head = new WayBack(0, headEnd!, new Set());
  t.teardown(() => head.close());
  const way = new DeliveryWayBack(end!);
  way.standing = new Standing(
    { type: 'distribute', by: 'ask', key: 'nothing', leaseMs: 1, deliveries: ['d1', 'd2'].map(named) },
    'd1',
  );
  const connections = new Connections('d1', () => {});
  const admission = new Admission(server, connections, log as never);
  const distributor = new Distributor({ server, admission, connections, waysBack: () => [way] });
  t.teardown(() => distributor.end());
  const { clients, fds } = await acceptedConnections(t, 1);
  const client = clients[0]!;
  let heard = '';
  client.on('data', (part) => (heard += part));
  const arrival = { id: '1', transport: 'fd' as const, wayBack: way, closed: () => true };
  const came = once(server, 'connection');
  connections.expect(1);
  distributor.changed();
  admission.admit(admission.adopt(fds[0]!, arrival)!, EAGAIN, arrival);
  const [socket] = (await came) as [AdoptedSocket];
  return { server, client, socket, head, heard: () => heard };
}

const named = (name: string) => ({ name, weight: 1 });
const ask = ({ client }: Site, path: string) => client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
const answered = ({ heard }: Site, path: string) =>
  until(`an answer to ${path}`, heard, (text) => text.endsWith(`\r\n\r\n${path}`));

async function asked({ head }: Site): Promise<AskedFor> {
  const question = await until(
    'it asks',
    () => head.read(),
    (given) => given !== undefined,
  );
  if (typeof question !== 'object' || !('fds' in question)) throw new Error('it does not ask');
  question.fds.forEach(closeFd);
  return question;
}
const stays = ({ head }: Site, { first }: AskedFor) => head.answer(first, Uint8Array.of(STAYS), 1);

test('what stays is served, and what comes while it is held as well', async (t) => {
  const of = await site(t);
  ask(of, '/1');
  const question = await asked(of);
  ask(of, '/2');
  stays(of, question);
  await answered(of, '/2');
  t.regex(of.heard(), /\/1HTTP/);
});

test('what is to stay, and is held for its mover before it is served, is served when that has come to nothing', async (t) => {
  const of = await site(t);
  ask(of, '/1');
  const question = await asked(of);
  // In the turn of the event loop in which it is released, before the callback that serves it.
  const held = new Promise<Held>((resolve) => {
    setImmediate(function take() {
      const its = hold(of.socket);
      if (its) resolve(its);
      else setImmediate(take);
    });
  });
  stays(of, question);
  const its = await held;
  await turn();
  await turn();
  t.is(of.heard(), '');
  its.release();
  // It is asked about again or served: nobody has read it.
  await Promise.race([answered(of, '/1'), asked(of).then((again) => stays(of, again))]);
  await answered(of, '/1');
});
