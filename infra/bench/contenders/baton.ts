import { join } from 'node:path';
import type { Contender } from '../contender.ts';

const program = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

/** Nobody follows the redirects here, so nothing needs to listen there (an RFC 5737 address). */
const direct = '192.0.2.1:8080';

/** One worker: the head gets one core. The delivery is the C receiver, so that the head is what is measured. */
function baton(mode: 'handoff' | 'redirect', about: string): Contender {
  return {
    name: 'baton',
    about,
    async start(stage) {
      const socket = join(stage.folder, `baton-${mode}.sock`);
      const options = ['--listen', '127.0.0.1:0', '--socket', socket, '--mode', mode, '--workers', '1'];
      // A burst stops the head for a while: its delivery must not look as if it did not react.
      options.push('--stall-timeout', '1m');
      const head = await stage.launch(process.execPath, [program, 'head', ...options]);
      const receiver = await stage.launch(stage.programs['fd-drain'], ['baton', socket, 'drain', direct]);
      return { subject: head.pid, others: [receiver.pid], address: head.address };
    },
  };
}

export const batonHandoff = baton('handoff', 'baton head --mode handoff, 1 worker; a C receiver answers');
export const batonRedirect = baton('redirect', 'baton head --mode redirect, 1 worker');
