import { join } from 'node:path';
import type { Contender } from '../contender.ts';

const loop = (name: string, about: string, ...more: string[]): Contender => ({
  name,
  about,
  async start(stage) {
    const socket = join(stage.folder, `${name}.sock`);
    const head = await stage.launch(stage.programs['fd-loop'], [socket, ...more]);
    const receiver = await stage.launch(stage.programs['fd-drain'], ['raw', socket, ...more]);
    return { subject: head.pid, others: [receiver.pid], address: head.address };
  },
});

export const fdLoop = loop(
  'fd-loop',
  'accept4, recv(MSG_PEEK), sendmsg(SCM_RIGHTS), close; one thread, blocking; a C receiver answers',
);

/** Keeps its copy until the receiver has said that it has its own. */
export const fdLoopTaken = loop(
  'fd-loop-taken',
  'accept4, recv(MSG_PEEK), sendmsg(SCM_RIGHTS), recv of *taken*, close; one thread, blocking; a C receiver answers',
  'taken',
);
