/** What is asked of a lab with two heads is asked of both; one may be gone, in whichever way. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getStatus, setDrain, setMode } from '../../../infra/admin-client.ts';
import { askHeads } from '../../../infra/cli/running-head.ts';
import type { NamedHead } from '../../../infra/lab/kinds/kind.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';

const undo: (() => Promise<void>)[] = [];
let clusters: Cluster[];
let two: NamedHead[];
test.before(async () => {
  const scope = { teardown: (step: () => Promise<void>) => void undo.push(step) };
  clusters = [await startCluster(scope, [], ['d1']), await startCluster(scope, [], [])];
  two = clusters.map(({ admin }, index) => ({ name: ['head', 'head2'][index]!, admin }));
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

/** The second of two, behind a path where nobody listens, or where whoever listens hangs up: a way that leads to no head. */
async function gone(t: ExecutionContext, hangsUp: boolean): Promise<NamedHead> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const admin = join(directory, 'admin.sock');
  if (hangsUp) {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(admin, resolve));
    t.teardown(() => void server.close());
  }
  return { name: 'head2', admin };
}

test.serial('both are told, and both answer, in their order', async (t) => {
  const said: string[] = [];
  const modes = await askHeads(
    two,
    async (admin) => {
      await setMode(admin, 'redirect');
      return (await getStatus(admin)).mode;
    },
    (line) => said.push(line),
  );
  t.deepEqual(
    [...modes],
    [
      ['head', 'redirect'],
      ['head2', 'redirect'],
    ],
  );
  t.deepEqual(said, []);
});

for (const hangsUp of [false, true]) {
  test(`one that is gone is said, and the other is asked all the same${hangsUp ? ', also when something leads to it' : ''}`, async (t) => {
    const said: string[] = [];
    const answers = await askHeads([await gone(t, hangsUp), two[0]!], getStatus, (line) => said.push(line));
    t.deepEqual([...answers.keys()], ['head']);
    t.is(said.length, 1);
    t.regex(said[0]!, /^head2 does not answer: \S/);
  });
}

test('when none answers, that is the answer', async (t) => {
  await t.throwsAsync(askHeads([await gone(t, false)], getStatus), { code: 'NOT_RUNNING' });
  const both = [await gone(t, true), await gone(t, false)];
  await t.throwsAsync(askHeads(both, getStatus, t.fail), { code: 'SOCKET_UNUSABLE' });
});

test('what one of them refuses is an error, though the other does it', async (t) => {
  // The second one has no d1.
  await t.throwsAsync(
    askHeads(two, (admin) => setDrain(admin, 'd1', true), t.fail),
    { message: /d1/ },
  );
});
