import type { Kind } from './kind.ts';
import { again, HEADS, headOf } from './processes.ts';

/** Of one of two heads: it has no power, and boots. */
export const hostLost: Kind = {
  draws: ({ heads }) =>
    heads.length > 1 ? [[2, ({ one, between }) => ({ target: one(heads), lasts: between(200, 5000) })]] : [],
  // Processes of that host are its head alone: those that are beside one are told of nothing.
  occupies: (target) => [target, `cable ${target}`],
  make({ target }, { lab }) {
    const head = headOf(target, lab)!;
    const host = lab.headHosts![HEADS.indexOf(target)]!;
    return { pid: head.pid, begin: () => host.lose(head), end: () => again(() => host.boot(head)) };
  },
};
