/** What a client that speaks TLS gets is the same, straight to a delivery or through the head, in every mode on one host. */

import { dirname } from 'node:path';
import test from 'ava';
import type { Lab } from '../../infra/lab/lab.ts';
import { startLoopbackLab } from '../../infra/lab/loopback.ts';
import { type Mode, modes } from '../../shared/status.ts';
import { declareBehaviour, type Way } from '../support/behaviour.ts';
import { declareBehaviourToday } from '../support/behaviour-today.ts';

const labs = new Map<Mode, Lab>();
test.before(async () => {
  await Promise.all(
    modes.map(async (mode) => labs.set(mode, await startLoopbackLab({ mode, deliveries: 2, tls: true }))),
  );
});
test.after.always(async () => {
  await Promise.all([...labs.values()].map((lab) => lab.stop()));
});

for (const name of ['direct', ...modes] as const) {
  const way: Way = {
    name: `${name}, TLS`,
    byItself: name !== 'created',
    secure: true,
    start() {
      const { head, deliveries, certificate } = labs.get(name === 'direct' ? 'handoff' : name)!;
      const { direct } = deliveries[0]!;
      const address = name === 'direct' ? direct : head.listen;
      return { address, direct, certificate, directory: dirname(certificate!) };
    },
  };
  declareBehaviour(way);
  declareBehaviourToday(way);
}
