import { join } from 'node:path';
import type { Contender } from '../contender.ts';
import type { Stage } from '../stage.ts';

const program = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');
const app = join(import.meta.dirname, '..', 'servers', 'app.ts');

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

/** A delivery of real Node, with the application that all Node servers of the bench serve. */
const startDelivery = (stage: Stage, socket: string, name: string) =>
  stage.launch(process.execPath, [program, 'delivery', '--name', name, '--head', socket, '--app', app]);

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

/** The same, seen from the delivery. */
export const batonAdopting: Contender = {
  name: 'baton-delivery',
  about: 'one baton delivery, which adopts the connections that a baton head accepted',
  async start(stage) {
    const head = await startHead(stage, 'baton-adopting', 'handoff');
    const delivery = await startDelivery(stage, head.socket, 'd1');
    return { subject: delivery.pid, others: [head.pid], address: head.address };
  },
};
