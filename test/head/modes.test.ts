import test from 'ava';
import { countsOf, takeSnapshot } from '../../head/counts.ts';
import { modeHandlers, modeOutcomes } from '../../head/modes/index.ts';
import { defineMode } from '../../head/modes/mode.ts';
import { createScoreboardMemory, totals, WorkerCounters } from '../../head/scoreboard.ts';
import { modes } from '../../shared/status.ts';

test('what a mode declares is counted, and told by its name', (t) => {
  const counters = new WorkerCounters(createScoreboardMemory(1), 0);
  let accepted = 0;
  for (const [number, { outcomes }] of modeHandlers.entries()) {
    for (const [index, outcome] of outcomes.entries()) {
      for (let i = 0; i <= index; i++) {
        counters.add('accepted');
        counters.addOutcome(number, outcome);
        accepted++;
      }
    }
  }
  const { outcomes, open } = countsOf(takeSnapshot([counters]));
  t.deepEqual(Object.keys(outcomes), [...modes]);
  for (const [number, name] of modes.entries()) {
    t.deepEqual(
      outcomes[name],
      Object.fromEntries(modeHandlers[number]!.outcomes.map((outcome, index) => [outcome, index + 1])),
    );
  }
  t.is(counters.get('accepted'), accepted);
  t.is(open, 0, 'each accepted connection has one outcome');
  t.is(new Set(totals).size, totals.length, 'no two counts share a name');
  t.is(modeOutcomes.length, modeHandlers.flatMap(({ outcomes: words }) => words).length);
});

test('a mode that counts under a word that it does not declare does not compile', (t) => {
  defineMode({
    answers: true,
    outcomes: ['answered'],
    act(desk, fd, found) {
      // @ts-expect-error
      desk.refuse(fd, found, 'unavailable');
      // @ts-expect-error Without `taken` nothing may be handed over.
      desk.hand?.(fd, found, -1);
    },
  });
  t.pass();
});
