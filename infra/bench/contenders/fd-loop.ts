import { join } from 'node:path';
import type { Contender } from '../contender.ts';

export const fdLoop: Contender = {
  name: 'fd-loop',
  about: 'accept4, recv(MSG_PEEK), sendmsg(SCM_RIGHTS), close; one thread, blocking; a C receiver answers',
  async start(stage) {
    const socket = join(stage.folder, 'fd-loop.sock');
    const head = await stage.launch(stage.programs['fd-loop'], [socket]);
    const receiver = await stage.launch(stage.programs['fd-drain'], ['raw', socket]);
    return { subject: head.pid, others: [receiver.pid], address: head.address };
  },
};
