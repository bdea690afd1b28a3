/** Upgrades by a real successor in the midst of which deliveries of other hosts have made all ready there, and one is awaited. */
import { readFileSync } from 'node:fs';
import { getStatus, upgradeHead } from '../../infra/admin-client.ts';
import type { Scope } from './cluster.ts';
import type { LabForTests } from './netns-lab.ts';
import { type RogueRemote, startRogueRemote } from './rogue-remote.ts';
import { until } from './until.ts';

/** Visits are for none of these. */
const can = { version: 3, serves: ['rogue.example'], successors: true, lanes: true, ahead: true };

/** On the host d1. */
async function remote(t: Scope, lab: LabForTests, name: string): Promise<RogueRemote> {
  lab.enter('d1');
  const rogue = await startRogueRemote(lab.control, lab.secret, { name, ...can });
  lab.enter('client');
  t.teardown(async () => rogue.die());
  return rogue;
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

interface Waiting {
  readonly outcome: Promise<'done' | 'failed'>;
  readonly successor: number;
  /** Has a link to the successor, and so many lanes there. */
  readonly again: RogueRemote;
  readonly lanes: number | undefined;
  leave(): void;
}

/** An upgrade that waits, two seconds at most, for a delivery that does not come; all others have. */
export async function upgradeThatWaits(
  t: Scope,
  lab: LabForTests,
  admin: string,
  head: number,
): Promise<Waiting> {
  // Of their names there may be some from before, whose end is not known yet.
  await until(
    'those of before are gone',
    () => getStatus(admin),
    ({ deliveries }) =>
      !deliveries.some(({ name, state }) => ['late', 'early'].includes(name) && state !== 'down'),
  );
  const late = await remote(t, lab, 'late');
  const early = await remote(t, lab, 'early');
  for (const one of [late, early]) await one.next('welcome');
  const outcome = upgradeHead(admin).then(
    () => 'done' as const,
    () => 'failed' as const,
  );
  for (const one of [late, early]) await one.next('successor');
  const [successor] = childrenOf(head);
  const again = await remote(t, lab, 'early');
  const { lanes } = await again.next('ahead');
  const leave = () => {
    for (const one of [late, early, again]) one.die();
  };
  return { outcome, successor: successor!, again, lanes, leave };
}

/** d1 and d2 are up, and at this head. */
export const untilBothAreUp = (admin: string, head: number) =>
  until(
    'both are up, and at this head',
    () => getStatus(admin).catch(() => undefined),
    (status) =>
      status?.pid === head &&
      ['d1', 'd2'].every((name) => status.deliveries.some((one) => one.name === name && one.state === 'up')),
  );
