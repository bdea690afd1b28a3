import { join } from 'node:path';
import type { Contender } from '../contender.ts';
import { type HelloKind, SERVER_NAME, writeHello } from '../hello.ts';
import type { Stage } from '../stage.ts';
import { type App, appFile } from './app.ts';
import { writePair } from './pair.ts';

/** The folder that this program is in. */
const here = join(import.meta.dirname, '..', '..', '..');

/** Makes a contender of the Baton in any folder. */
export function fromAny(make: (program: string) => Contender): Contender {
  const program = (checkout: string) => join(checkout, 'infra', 'cli', 'main.ts');
  return { ...make(program(here)), of: (checkout) => make(program(checkout)) };
}

/** Nobody follows the redirects here, so nothing needs to listen there (an RFC 5737 address). */
const direct = '192.0.2.1:8080';

let heads = 0;

/** One worker: the head gets one core. */
export async function startHead(
  stage: Stage,
  program: string,
  mode: 'handoff' | 'redirect',
  ...more: string[]
) {
  const socket = join(stage.folder, `head${++heads}.sock`);
  const options = ['--listen', '127.0.0.1:0', '--socket', socket, '--mode', mode, '--workers', '1'];
  // A burst stops the head for a while: its deliveries must not look as if they did not react.
  options.push('--stall-timeout', '1m', ...more);
  return { socket, ...(await stage.launch(process.execPath, [program, 'head', ...options])) };
}

/** A delivery of real Node, with an application that other Node servers of the bench serve as well. */
export const startDelivery = (
  stage: Stage,
  program: string,
  socket: string,
  name: string,
  app: App,
  ...more: string[]
) =>
  stage.launch(process.execPath, [
    ...[program, 'delivery', '--name', name, '--head', socket, '--app', appFile(app)],
    ...more,
  ]);

/** With the C receiver as its only delivery, so that the head is what is measured. */
const headAlone = (
  mode: 'handoff' | 'redirect',
  about: string,
  { name = 'baton', hello }: { readonly name?: string; readonly hello?: HelloKind } = {},
): Contender =>
  fromAny((program) => ({
    name,
    about,
    async start(stage) {
      const head = await startHead(stage, program, mode);
      const receiver = await stage.launch(stage.programs['fd-drain'], [
        'baton',
        head.socket,
        'drain',
        direct,
        ...(hello === undefined ? [] : [SERVER_NAME]),
      ]);
      return {
        subject: head.pid,
        others: [receiver.pid],
        address: head.address,
        ...(hello !== undefined && { hello: await writeHello(stage, hello) }),
      };
    },
  }));

export const batonHandoff = headAlone('handoff', 'baton head --mode handoff, 1 worker; a C receiver answers');
export const batonRedirect = headAlone('redirect', 'baton head --mode redirect, 1 worker');

/** Clients speak TLS, and the delivery is chosen by the server name in their hellos. */
export const batonHello = (kind: HelloKind): Contender =>
  headAlone(
    'handoff',
    `baton head --mode handoff, 1 worker: ${kind} hellos of TLS; a C receiver that serves the name answers`,
    { hello: kind },
  );
/** The same head beside it, for what a connection costs whose first bytes are a request. */
export const batonPlain = headAlone('handoff', 'the same head: plain HTTP requests', { name: 'plain' });

async function startTwo(stage: Stage, program: string, ...more: string[]) {
  const head = await startHead(stage, program, 'handoff');
  const deliveries = [
    await startDelivery(stage, program, head.socket, 'd1', 'app', ...more),
    await startDelivery(stage, program, head.socket, 'd2', 'app', ...more),
  ];
  return { subject: head.pid, others: deliveries.map(({ pid }) => pid), address: head.address };
}

export const batonDeliveries: Contender = fromAny((program) => ({
  name: 'baton',
  about: 'baton head --mode handoff, 1 worker, and 2 baton deliveries',
  start: (stage) => startTwo(stage, program),
}));

let pairs = 0;

export const batonDeliveriesTls: Contender = fromAny((program) => ({
  name: 'baton',
  about: 'baton head --mode handoff, 1 worker, without a key, and 2 baton deliveries that speak TLS',
  async start(stage) {
    const { certificate, key } = await writePair(stage, `baton${++pairs}`);
    const tls = ['--tls-certificate', certificate, '--tls-key', key];
    return { ...(await startTwo(stage, program, ...tls)), trusted: certificate };
  },
}));

const deliveriesOf = (count: number, app: App, ...more: string[]): Contender =>
  fromAny((program) => ({
    name: 'baton-delivery',
    about: 'a baton delivery, which adopts the connections that a baton head accepted',
    async start(stage) {
      const head = await startHead(stage, program, 'handoff');
      const deliveries: number[] = [];
      for (let i = 1; i <= count; i++)
        deliveries.push((await startDelivery(stage, program, head.socket, `d${i}`, app, ...more)).pid);
      const [subject, ...others] = deliveries;
      return { subject: subject!, others: [head.pid, ...others], address: head.address };
    },
  }));

/** The same, seen from the delivery. */
export const batonAdopting = deliveriesOf(1, 'app');

/** Their connections stay open; `credits` of them may, at each. */
export const batonHolding = (credits: number, count: number): Contender =>
  deliveriesOf(count, 'open-app', '--credits', String(credits));
