/**
 * What a client that speaks TLS gets is the same, straight to a delivery or through the head, in every mode on one host:
 * handed over before its handshake by a head without a certificate, and sent to https by one that has it.
 */

import { dirname } from 'node:path';
import test from 'ava';
import type { Lab } from '../../infra/lab/lab.ts';
import { startLoopbackLab } from '../../infra/lab/loopback.ts';
import type { Mode } from '../../shared/status.ts';
import { declareBehaviour, type Way } from '../support/behaviour.ts';
import { declareBehaviourToday } from '../support/behaviour-today.ts';

interface Visited {
  readonly name: string;
  readonly mode: Mode;
  readonly byItself?: boolean;
  /** Past the head. */
  readonly direct?: boolean;
  /** By a head that has the certificate. */
  readonly sentOver?: boolean;
}

const ways: readonly Visited[] = [
  { name: 'direct, TLS', mode: 'handoff', direct: true },
  { name: 'handoff, TLS', mode: 'handoff' },
  { name: 'redirect, TLS', mode: 'redirect' },
  { name: 'created, TLS', mode: 'created', byItself: false },
  { name: 'redirect over TLS', mode: 'redirect', sentOver: true },
  { name: 'created over TLS', mode: 'created', sentOver: true, byItself: false },
];
const labs = new Map<Visited, Lab>();
test.before(async () => {
  await Promise.all(
    ways.map(async (way) => {
      const { mode, direct, sentOver } = way;
      if (direct) return;
      labs.set(way, await startLoopbackLab({ mode, deliveries: 2, tls: sentOver ? 'everywhere' : true }));
    }),
  );
});
test.after.always(async () => {
  await Promise.all([...labs.values()].map((lab) => lab.stop()));
});

for (const visited of ways) {
  const { name, direct: past = false, byItself = true, sentOver = false } = visited;
  const way: Way = {
    name,
    byItself,
    secure: true,
    sentOver,
    start() {
      const { head, deliveries, certificate } = labs.get(past ? ways[1]! : visited)!;
      const { direct } = deliveries[0]!;
      return { address: past ? direct : head.listen, direct, certificate, directory: dirname(certificate!) };
    },
  };
  // One after the other: a hundred at once would keep each other waiting, and all of them the files beside.
  declareBehaviour(way, test.serial);
  declareBehaviourToday(way, test.serial);
}
