import { join } from 'node:path';
import type { Contender } from '../contender.ts';
import type { Stage } from '../stage.ts';
import { type App, appFile } from './app.ts';

const program = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

/** Nobody follows the redirects here, so nothing needs to listen there (an RFC 5737 address). */
const direct = '192.0.2.1:8080';

/** One worker: the head gets one core. `name` keeps apart the heads of one stage. */
async function startHead(stage: Stage, name: string, mode: 'handoff' | 'redirect') {
  const socket = join(stage.folder, `${name}.sock`);
  const options = ['--listen', '127.0.0.1:0', '--socket', socket, '--mode', mode, '--workers', '1'];
  // A burst stops the head for a while: its deliveries must not look as if they did not react.
  options.push('--stall-timeout', '1m');
  return { socket, ...(await stage.launch(process.execPath, [program, 'head', ...options])) };
}

/** A delivery of real Node, with an application that other Node servers of the bench serve as well. */
const startDelivery = (stage: Stage, socket: string, name: string, app: App = 'app', ...more: string[]) =>
  stage.launch(process.execPath, [
    ...[program, 'delivery', '--name', name, '--head', socket, '--app', appFile(app)],
    ...more,
  ]);

/** With the C receiver as its only delivery, so that the head is what is measured. */
function headAlone(mode: 'handoff' | 'redirect', about: string): Contender {
  return {
    name: 'baton',
    about,
    async start(stage) {
      const head = await startHead(stage, `baton-${mode}`, mode);
      const receiver = await stage.launch(stage.programs['fd-drain'], [
        'baton',
        head.socket,
        'drain',
        direct,
      ]);
      return { subject: head.pid, others: [receiver.pid], address: head.address };
    },
  };
}

export const batonHandoff = headAlone('handoff', 'baton head --mode handoff, 1 worker; a C receiver answers');
export const batonRedirect = headAlone('redirect', 'baton head --mode redirect, 1 worker');

export const batonDeliveries: Contender = {
  name: 'baton',
  about: 'baton head --mode handoff, 1 worker, and 2 baton deliveries',
  async start(stage) {
    const head = await startHead(stage, 'baton-deliveries', 'handoff');
    const deliveries = [
      await startDelivery(stage, head.socket, 'd1'),
      await startDelivery(stage, head.socket, 'd2'),
    ];
    return { subject: head.pid, others: deliveries.map(({ pid }) => pid), address: head.address };
  },
};

function deliveriesOf(count: number, app: App, ...more: string[]): Contender {
  return {
    name: 'baton-delivery',
    about: 'a baton delivery, which adopts the connections that a baton head accepted',
    async start(stage) {
      const head = await startHead(stage, `baton-${app}`, 'handoff');
      const deliveries: number[] = [];
      for (let i = 1; i <= count; i++)
        deliveries.push((await startDelivery(stage, head.socket, `d${i}`, app, ...more)).pid);
      const [subject, ...others] = deliveries;
      return { subject: subject!, others: [head.pid, ...others], address: head.address };
    },
  };
}

/** The same, seen from the delivery. */
export const batonAdopting = deliveriesOf(1, 'app');

/** Their connections stay open; `credits` of them may, at each. */
export const batonHolding = (credits: number, count: number): Contender =>
  deliveriesOf(count, 'open-app', '--credits', String(credits));
