/** A good trace is accepted, and no other that is like it: whatever is left out, doubled, swapped or somebody else's. */
import test, { type ExecutionContext } from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';
import { D1, D2, goodSteps, HEAD, KILLED, LATE, NEXT, REMOTE, traceOf } from './good-trace.ts';

const faultsOf = (steps: readonly string[]): readonly string[] =>
  checkTrace(traceOf(steps), { killed: KILLED }).faults;

test('it is good', (t) => {
  const { faults, connections, processes } = checkTrace(traceOf(goodSteps), { killed: KILLED });
  t.deepEqual(faults, []);
  t.is(connections, 13);
  t.is(processes, 7);
});

/** What says nothing that another step would contradict. */
const MAY_BE_MISSING = [
  // Threads are known by whatever they do first.
  / - begin$/,
  // One that its process has ended writes none.
  /\.1 - end$/,
  // A connection that waits is as one that is yet to be placed; TLS that the head ends, until it has answered.
  / postpone$/,
  / terminate$/,
  // It says the same as the end of the way back.
  / decline \d+$/,
  // Ends of what ends with its process in any case.
  / l\d+ leave$/,
  /\.0 m\d+ (closed|confirmed|abandon)$/,
  / l\d+ drop /,
  /\.0 m\d+ serve$/,
  // The kernel of the host may have ended it before.
  / outdated$/,
  // The scoreboard is looked at once more.
  / vacated \d+$/,
  // Of a process that is killed.
  /^204\./,
  // It may give up before it has come to that.
  / t1 frozen$/,
  // A server may be told to leave before it has got what was taken.
  / a\S+ serve$/,
  // What nobody would be told of again may be read as well as asked about, and by whoever.
  / a\S+ (read|wait|told|unwatch)( |$)/,
];

test('no step can be left out', (t) => {
  for (const [at, step] of goodSteps.entries()) {
    if (MAY_BE_MISSING.some((pattern) => pattern.test(step))) continue;
    t.true(faultsOf(goodSteps.toSpliced(at, 1)).length > 0, `without "${step}"`);
  }
});

/** Written twice they say the same. */
const MAY_COME_TWICE = [
  / - (begin|end)$/,
  / postpone$/,
  / decline \d+$/,
  / (read \d+ \d+|wait|told|unwatch)$/,
];

test('no step can come twice', (t) => {
  for (const [at, step] of goodSteps.entries()) {
    if (MAY_COME_TWICE.some((pattern) => pattern.test(step))) continue;
    t.true(faultsOf(goodSteps.toSpliced(at, 0, step)).length > 0, `twice "${step}"`);
  }
});

const subjectOf = (step: string): string => {
  const [, subject, transition, lane, number] = step.split(' ') as [string, string, string, string?, string?];
  // What a delivery calls it by its lane is a connection that the head has another name for.
  if (subject.startsWith('a')) return subject.replace('aaa-0-', 'l10 ').replace('abb-0-', 'l20 ');
  if (subject.startsWith('l') && ['take', 'drop', 'return'].includes(transition)) return `${subject} ${lane}`;
  return lane?.startsWith('l') ? `${lane} ${number}` : subject;
};

test('two steps with the same connection, lane or move cannot be swapped, where one of them needs the other', (t) => {
  let swapped = 0;
  for (const [at, step] of goodSteps.entries()) {
    const next = goodSteps.findIndex((other, i) => i > at && subjectOf(other) === subjectOf(step));
    if (next < 0 || [step, goodSteps[next]!].some((one) => MAY_SWAP.test(one))) continue;
    if (isServed(step) !== isServed(goodSteps[next]!)) continue;
    const steps = [...goodSteps];
    steps[at] = goodSteps[next]!;
    steps[next] = step;
    swapped++;
    t.true(faultsOf(steps).length > 0, `"${step}" and "${goodSteps[next]}"`);
  }
  t.true(swapped > 30, `${swapped}`);
});

/** An application has it, whatever the head does with its own copy; or a copy stands ready, which the head wants no more. */
const isServed = (step: string): boolean => / (serve|finish|watch)$| prepare /.test(step);

/** Two processes may do these at once; or they have no fellow. */
const MAY_SWAP =
  / (begin|end|former|vacated|member|leave|confirmed|postpone|drop|closed|outdated|terminate|counts|hearEnded|handOver|goOn|succeed)( |$)/;

test('nobody can do what another has done', (t) => {
  const threads = [`${HEAD}.1`, `${NEXT}.0`, `${NEXT}.1`, `${D1}.0`, `${D2}.0`, `${REMOTE}.0`];
  for (const [at, step] of goodSteps.entries()) {
    // A main thread's book is its own; and anybody may begin.
    if (/ (begin|end|counts|accept|open|join) ?/.test(step) || / s\d /.test(step)) continue;
    // Of a head's main thread what it does with moves.
    if (step.startsWith(`${HEAD}.0 m`)) continue;
    for (const thread of threads) {
      const forged = step.replace(/^\S+/, thread);
      if (forged === step) continue;
      t.true(faultsOf(goodSteps.toSpliced(at, 1, forged)).length > 0, `"${step}" by ${thread}`);
    }
  }
});

function refuses(t: ExecutionContext, change: (steps: string[]) => void, reason: RegExp): void {
  const steps = [...goodSteps];
  change(steps);
  t.regex(faultsOf(steps).join('\n'), reason);
}

const after = (steps: string[], step: string, ...more: readonly string[]): void => {
  const at = steps.indexOf(step);
  if (at < 0) throw new Error(`no step ${step}`);
  steps.splice(at + 1, 0, ...more);
};

for (const [what, change, reason] of [
  [
    'two applications',
    (steps) => after(steps, `${HEAD}.1 c6 offer l20 1`, `${D1}.0 l10 take 2 c6`),
    /l10: take .* by 201.0: it could not say so: it is emptied/,
  ],
  [
    'a connection that is taken back although it was taken',
    (steps) => after(steps, `${HEAD}.1 c6 offer l10 2`, `${D1}.0 l10 take 2 c6`),
    /c6: takeBack .*: 201.0 had said in time that it is TAKEN/,
  ],
  [
    'an answer to what an application has',
    (steps) => after(steps, `${HEAD}.1 c2 hearTaken l20 0`, `${HEAD}.1 c2 answer redirected`),
    /c2: answer .*: the head's is TAKEN_BY_ONE/,
  ],
  [
    'an application that serves what it has returned',
    (steps) => after(steps, `${D1}.0 l10 return 1`, `${D1}.0 aaa-0-1 serve`),
    /aaa-0-1: serve .*: the delivery's is RETURNED/,
  ],
  [
    'a request that has begun on what goes',
    (steps) => after(steps, `${D1}.0 aaa-0-9 wait`, `${D1}.0 aaa-0-9 request`),
    /aaa-0-9: ask .*: a request of it has begun/,
  ],
  [
    'a request that has begun on what is given back',
    (steps) => after(steps, `${D1}.0 aaa-0-9 wait`, `${D1}.0 aaa-0-9 request`, `${D1}.0 aaa-0-9 give`),
    /aaa-0-9: give .*: a request of it has begun/,
  ],
  [
    'a request that is read by who has asked about it',
    (steps) => after(steps, `${D1}.0 aaa-0-9 told`, `${D1}.0 aaa-0-9 read 90 4096`),
    /aaa-0-9: read .*: the delivery's is ASKED/,
  ],
  [
    'a request that is read by its server while it is asked about',
    (steps) => after(steps, `${D1}.0 aaa-0-9 told`, `${D1}.0 aaa-0-9 request`),
    /aaa-0-9: request .*: the delivery's is ASKED/,
  ],
  [
    'a request that is read where it is another one to have it',
    (steps) => after(steps, `${HEAD}.1 c15 regain 0`, `${D1}.0 aaa-0-9 stay`),
    /aaa-0-9: stay .*: it was moved/,
  ],
  [
    'a request of which there may be more than was looked at',
    (steps) =>
      steps.splice(steps.indexOf(`${D1}.0 aaa-0-9 read 90 4096`), 1, `${D1}.0 aaa-0-9 read 4096 4096`),
    /aaa-0-9: read .*: there may be more than 4096/,
  ],
  [
    'a request that comes back to who has given it away',
    (steps) => steps.splice(steps.indexOf(`${HEAD}.1 c15 offer l20 9`), 1, `${HEAD}.1 c15 offer l10 10`),
    /c15: offer .*: it was given back from slot 0/,
  ],
  [
    'two outcomes',
    (steps) => after(steps, `${HEAD}.1 c3 answer redirected`, `${HEAD}.1 c3 fail client_gone`),
    /c3: fail .*: the head's is FALLBACK/,
  ],
  [
    'a credit that does not come back',
    (steps) => steps.splice(steps.indexOf(`${HEAD}.0 s1 vacated 0`), 1, `${HEAD}.0 s1 vacated 1`),
    /s1: vacated .*: 0 credits are in use, and 1 on the scoreboard/,
  ],
  [
    'more than the credits',
    (steps) => {
      steps[5] = `${HEAD}.0 s0 member ${D1} 1 1 fd`;
      steps.splice(steps.indexOf(`${HEAD}.0 s0 former 1`), 1);
    },
    /c1: offer .*: 2 are in use, of 1 credits/,
  ],
  [
    'accounts that are not even',
    (steps) =>
      steps.splice(steps.indexOf(`${HEAD}.1 - counts 15 0 13 1 0`), 1, `${HEAD}.1 - counts 15 0 12 1 0`),
    /-: counts .* are 15 0 13 1 0, and counted as 15 0 12 1 0/,
  ],
  [
    'another connection than the one that was offered',
    (steps) => steps.splice(steps.indexOf(`${D1}.0 l10 take 0 c1`), 1, `${D1}.0 l10 take 0 c2`),
    /l10: take .*: 0 is c1, and came as c2/,
  ],
  [
    'two that live with the same ends, under two ids',
    (steps) => {
      const at = steps.indexOf(`${REMOTE}.0 m2 outdated`);
      steps.splice(at, 1);
      const [accept] = steps.splice(steps.indexOf(`${HEAD}.1 c8 accept 10.0.0.1:7-10.0.0.2:80 0`), 1);
      after(steps, `${HEAD}.1 c7 accept 10.0.0.1:7-10.0.0.2:80 0`, accept!);
    },
    /m3: activate .*: m2 lives with the same ends, at 203.0/,
  ],
  [
    'a head that goes on although its successor is the head',
    (steps) => steps.splice(steps.indexOf(`${HEAD}.0 t2 depart`), 1, `${HEAD}.0 t2 goOn`),
    /t2: goOn .*: its successor is the head/,
  ],
  [
    'a successor that stands in for a head which lives',
    (steps) => steps.splice(steps.indexOf(`${LATE}.0 t1 giveUp`), 1, `${LATE}.0 t1 standIn`),
    /t1: standIn .*: its predecessor lives, and is GOES_ON/,
  ],
  [
    'a connection that a head accepts when it has handed over',
    (steps) => after(steps, `${HEAD}.0 t2 frozen`, `${HEAD}.1 c13 accept 10.0.0.1:13-10.0.0.2:80 0`),
    /c13: accept .*: it is FROZEN/,
  ],
  [
    'a connection that a successor begins with before it is the head',
    (steps) => after(steps, `${HEAD}.0 t2 frozen`, `${NEXT}.1 c14 accept 10.0.0.1:14-10.0.0.2:80 0`),
    /c14: accept .*: it is not the head: it is READY/,
  ],
  [
    'two successors at once',
    (steps) => after(steps, `${HEAD}.0 t1 frozen`, `${HEAD}.0 t3 handOver 103`),
    /t3: handOver .*: it is FROZEN for t1/,
  ],
  [
    'a process that came to no end',
    (steps) => steps.splice(steps.indexOf(`${D2}.0 - end`), 1),
    /202.0: has neither ended, nor is it known to be killed/,
  ],
] as [string, (steps: string[]) => void, RegExp][]) {
  test(`${what}: refused, and said why`, (t) => refuses(t, change, reason));
}

test('a killed process may have lost its last step, and who was not killed may not', (t) => {
  t.deepEqual(checkTrace(traceOf(goodSteps), { killed: KILLED }).faults, []);
  const faults = checkTrace(traceOf(goodSteps), {}).faults.join('\n');
  t.regex(faults, /c9: hearTaken .*: 204.0 has not said so: there it is OFFERED/);
  t.regex(faults, /204.0: has neither ended/);
});

test('of a process that goes on nothing need be over', (t) => {
  const begun = goodSteps.slice(0, goodSteps.indexOf(`${HEAD}.1 l10 shutdown`));
  const running = [HEAD, D1, D2, ...KILLED];
  t.deepEqual(checkTrace(traceOf(begun), { running }).faults, []);
});

const second = 1_000_000_000n;

/** One whose next request stays, and what its delivery does with others meanwhile: seconds later. */
const waiting = (...later: readonly [second: bigint, step: string][]): string => {
  const at = goodSteps.indexOf(`${D1}.0 aaa-0-9 stay`) + 1;
  const lines = goodSteps.slice(0, at).map((step, i) => `${i} ${step}\n`);
  return [...lines, ...later.map(([seconds, step]) => `${seconds * second} ${step}\n`)].join('');
};

test('what stays and is not looked at again waits in vain, where its delivery does other things meanwhile', (t) => {
  const running = [HEAD, D1, D2, ...KILLED];
  const other = `${D1}.0 l10 ended 0`;
  const end = `${D1}.0 aaa-0-9 leaveToServer`;
  const faults = (text: string, isStill = false) => checkTrace(text, { running, isStill }).faults.join('\n');
  t.is(faults(waiting([5n, end])), '', 'it was stopped itself');
  t.is(faults(waiting([1n, other], [4n, end])), '');
  t.regex(faults(waiting([3n, other], [6n, end])), /aaa-0-9: leaveToServer .*: it has waited since/);
  t.regex(faults(waiting([3n, other], [6n, other])), /aaa-0-9: its next request waits since/);
  t.regex(faults(waiting(), true), /aaa-0-9: its next request waits since/);
  t.is(faults(waiting([1n, end]), true), '');
});
