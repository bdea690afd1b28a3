/** A lab in which a test plays a delivery of another host: `d1` is a real one, whose direct address the rogue claims as its own. */
import type { ExecutionContext } from 'ava';
import { type LabForTests, startTestLab, untilNothingIsLeft } from './netns-lab.ts';
import { send } from './raw-client.ts';
import { type RogueRemote, startRogueRemote } from './rogue-remote.ts';

export const REQUEST = 'GET /bytes/10 HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n';
/** A rogue is a process that others may keep from the processor. */
export const ADOPT_TIMEOUT_MS = 1000;

/** Its only delivery is drained, so that what comes goes to the rogue. */
export async function startRogueLab(): Promise<LabForTests> {
  const lab = await startTestLab({
    deliveries: 1,
    headArguments: ['--adopt-timeout', `${ADOPT_TIMEOUT_MS}ms`, '--stall-timeout', '2s', '--flows', '64'],
  });
  await lab.head.drain('d1', true);
  return lab;
}

/** A rogue that the head has welcomed. It comes from d1's host, and this file is on the client again when it is there. */
export async function enlist(
  lab: LabForTests,
  t: ExecutionContext,
  hello: object = {},
  holding?: { ids: number[]; keys: Buffer; doubtful?: number[] },
): Promise<RogueRemote> {
  lab.enter('d1');
  const rogue = await startRogueRemote(lab.control, lab.secret, {
    direct: lab.deliveries[0]!.direct,
    ...hello,
    ...(holding ? { flows: holding.ids.length, active: holding.ids.length } : {}),
  });
  if (holding) rogue.say({ type: 'holding', ...holding });
  lab.enter('client');
  t.teardown(async () => {
    rogue.die();
    await lab.untilStatus('the rogue has gone', ({ deliveries }) =>
      deliveries.every(({ name, state }) => name !== 'rogue' || state === 'down'),
    );
    await untilNothingIsLeft(lab);
  });
  await rogue.next('welcome');
  return rogue;
}

export async function outcomesDuring(
  lab: LabForTests,
  work: () => Promise<void>,
): Promise<Record<string, number>> {
  const before = (await lab.head.status()).migration!.outcomes;
  await work();
  const after = (await lab.head.status()).migration!.outcomes;
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - before[name]!] as const)
      .filter(([, count]) => count !== 0),
  );
}

/** The head's 307 came on the client's own connection, and leads to the answer. */
export async function isRedirected(
  lab: LabForTests,
  t: ExecutionContext,
  reply: ReturnType<typeof send>,
): Promise<void> {
  const { status, headers } = await reply;
  t.is(status, 307);
  t.is(headers.location, `http://${lab.deliveries[0]!.direct}/bytes/10`);
  t.is((await send(new URL(headers.location!).host, REQUEST)).status, 200);
}
