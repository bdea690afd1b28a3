/**
 * Connections that move over and over, in all four directions: a delivery at the head to one on another host, from there to a
 * third host, back to the head, and from one process to the other there. BATON_MOVES says how many moves there are in all.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { type Kept, keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';

const labTest = asRoot([], test.serial);
const MOVES = Number(process.env.BATON_MOVES ?? 8000);
const CLIENTS = Number(process.env.BATON_MOVING_CLIENTS ?? (MOVES >= 50_000 ? 200 : 100));
const around = ['l1', 'd1', 'd2', 'l2'];
const ROUND_WITHIN_MS = 60_000;

const megabytesOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
/** Of the processor, seconds: user and system time, in the hundredths that proc(5) counts. */
const secondsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const filesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function footprint(lab: LabForTests) {
  const all = [{ name: 'head', pid: lab.head.pid }, ...lab.deliveries];
  return all.map(({ name, pid }) => ({
    name,
    files: filesOf(pid),
    megabytes: Math.round(megabytesOf(pid)),
    seconds: secondsOf(pid),
  }));
}

labTest('connections move around without end, and every answer is right', async (t) => {
  t.timeout(3_600_000);
  const lab = await startTestLab({ deliveries: 2, local: 2, headArguments: ['--workers', '2'] });
  const move = (name: string) => drainByMoving(join(lab.network.directory, 'head.admin.sock'), name);
  for (const name of around) await lab.head.drain(name, name !== around[0]);
  const clients = await keepAliveMany(lab.head.listen, CLIENTS);
  const whose = async () => [...new Set(await Promise.all(clients.map((client) => client.who())))];
  t.deepEqual(await whose(), [around[0]]);
  let asked = 0;
  let goesOn = true;
  let round = 0;
  const failed: string[] = [];
  async function converse(client: Kept, i: number): Promise<void> {
    for (let n = 0; goesOn; n++) {
      const body = `${i}-${n}-`.repeat(1 + ((i + n) % 60) * 30);
      const answer = await client.ask('/echo', body);
      if (answer.body !== body) failed.push(`client ${i} got ${answer.body.slice(0, 100)}`);
      asked++;
      // A tenth hardly rests; the others never for the 5 s that a server waits.
      await new Promise((resolve) => setTimeout(resolve, i % 10 === 0 ? 20 : 500 + Math.random() * 1000));
    }
  }
  const asking = clients.map((client, i) =>
    converse(client, i).catch(({ message }: Error) =>
      failed.push(`client ${i} in round ${round}: ${message}`),
    ),
  );

  const rounds = Math.ceil(MOVES / CLIENTS);
  const began = performance.now();
  let before: ReturnType<typeof footprint> | undefined;
  for (; round < rounds && failed.length === 0; round++) {
    const from = around[round % around.length]!;
    const to = around[(round + 1) % around.length]!;
    await lab.head.drain(to, false);
    t.true(await move(from));
    const until = performance.now() + ROUND_WITHIN_MS;
    for (;;) {
      const { deliveries } = await lab.head.status();
      if (deliveries.find(({ name }) => name === from)!.inUse === 0) break;
      if (performance.now() > until)
        return t.fail(`round ${round}: ${from} keeps ${JSON.stringify(deliveries)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Once all have had all.
    if (round === Math.min(2 * around.length - 1, rounds - 1)) before = footprint(lab);
  }
  const took = (performance.now() - began) / 1000;
  goesOn = false;
  await Promise.all(asking);
  t.deepEqual(failed, []);
  t.deepEqual(await whose(), [around[rounds % around.length]]);
  for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
  const after = footprint(lab);
  const status = await lab.head.status();
  t.true(status.givenBack >= rounds * CLIENTS, `${status.givenBack}`);
  t.log(
    `${status.givenBack} moves of ${CLIENTS} connections, ${asked} answers, ${took.toFixed(0)} s: ` +
      `${((took / status.givenBack) * 1e6).toFixed(0)} us a move`,
  );
  for (const [i, { name, files, megabytes, seconds }] of after.entries()) {
    const first = before![i]!;
    const cpu = (seconds - first.seconds).toFixed(1);
    t.log(
      `${name}: ${first.files} -> ${files} files, ${first.megabytes} -> ${megabytes} MB, ${cpu} s of the processor`,
    );
  }
  for (const { socket } of clients) socket.destroy();
  const { accepted, givenBack, outcomes, inspectionFailures } = await untilNothingIsLeft(lab);
  const sum = (counts: object) => Object.values(counts).reduce((all, one) => all + (one as number), 0);
  const settled = Object.values(outcomes).reduce((all, one) => all + sum(one), 0) + sum(inspectionFailures);
  t.is(settled, accepted + givenBack);
  t.is(outcomes.handoff!.taken, accepted + givenBack);
});
