import test from 'ava';
import { createProgress, formatLeft } from '../../../infra/terminal/progress.ts';

function record(isTTY: boolean, laterMs?: number) {
  const said: string[] = [];
  return { said, progress: createProgress({ isTTY, write: (text) => said.push(text) }, laterMs) };
}
const nothing = async () => {};

for (const isTTY of [false, true]) {
  const where = isTTY ? 'on a terminal' : 'in a log';
  test(`what is left is not told before anybody knows, ${where}`, async (t) => {
    const { said, progress } = record(isTTY, 60_000);
    await progress.during('starting', 1000, nothing);
    t.true(
      said.every((text) => text.includes('starting') && !text.includes('left')),
      said.join(),
    );
    progress.expect(90_000);
    await progress.during('round 1', 30_000, nothing);
    t.true(said.at(-1)!.includes('150 s left') || said.at(-1)!.includes('2 min 30 s left'), said.at(-1));
    await progress.during('round 2', 30_000, nothing);
    t.true(said.at(-1)!.includes('2 min 0 s left'), said.at(-1));
  });

  test(`what takes longer than it was expected to is not said to have 0 s left, ${where}`, async (t) => {
    const { said, progress } = record(isTTY);
    progress.expect(1000);
    await progress.during('one', 1000, nothing);
    await progress.during('another', 1000, nothing);
    t.true(said.at(-1)!.includes('another') && !said.join().includes('0 s left'), said.join());
  });
}

test('seconds below two minutes, then minutes', (t) => {
  t.is(formatLeft(100), '1 s left');
  t.is(formatLeft(119_000), '119 s left');
  t.is(formatLeft(120_001), '2 min 1 s left');
});
