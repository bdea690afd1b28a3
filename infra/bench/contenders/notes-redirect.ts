import type { Contender } from '../contender.ts';

/** Nobody follows the redirects here, so nothing needs to listen there (RFC 5737 addresses). */
const servers = ['192.0.2.1:8080', '192.0.2.2:8080'];

export const notesRedirect: Contender = {
  name: 'notes-redirect',
  about: "the notes' design in C: accept loop, mutex-guarded singly linked list, 8 threads: read, 307, close",
  async start(stage) {
    const head = await stage.launch(stage.programs['notes-redirect'], servers);
    return { subject: head.pid, others: [], address: head.address };
  },
};
