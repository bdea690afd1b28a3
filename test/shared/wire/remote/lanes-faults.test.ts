/** What a lane's other side, or a full table of files, may do to who has it. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { laneKeys, Opener, Sealer } from '../../../../shared/wire/remote/sealed.ts';
import { pair, take } from '../../../support/lane-pair.ts';
import { needing } from '../../../support/needs.ts';

const { toHead, toDelivery } = laneKeys(Buffer.alloc(32, 7), 0);

test('the last words of who goes on and on have an end', async (t) => {
  const [one, other] = await pair(t);
  const head = take(t, one, new Sealer(toDelivery), new Opener(toHead));
  const flood = take(t, other, new Sealer(toHead), new Opener(toDelivery));
  // As much as it has read comes again, for as long as it reads.
  const read = head.read.bind(head);
  let came = 0;
  head.read = () => {
    flood.send({ state: Buffer.alloc(200_000) });
    flood.flush();
    const said = read();
    came += said.length;
    return said;
  };
  t.is(head.readAll().length, came);
  t.true(came > 50 && came < 120, `${came}`);
});

needing('prlimit')('a head without a file refuses a lane, which may be opened when it has one', async (t) => {
  const program = new URL('../../../support/full-door.ts', import.meta.url);
  const { stdout } = await execa('prlimit', ['--nofile=200', process.execPath, fileURLToPath(program)]);
  const { refused, opened } = JSON.parse(stdout) as { refused: string[]; opened: number[] };
  t.deepEqual(opened, [0]);
  t.is(refused.length, 1);
  t.regex(refused[0]!, /lane cannot be had: .*EMFILE/);
});
