/**
 * The tables of faults in docs/: each row names a test, or code, that is there and says so; and of each row is known which step of
 * which model it is, or why it is none.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

interface Row {
  readonly fault: string;
  readonly shownBy: string;
}

/** Its models, and where tests of a document are that it calls by their names alone. */
const documents = {
  handoff: { models: ['handoff'], tests: 'test/head/', titles: ['handoff-faults', 'handoff-processes'] },
  migration: { models: ['migration'], tests: 'test/head/migrate/', titles: [] },
  moving: { models: ['move', 'move-remote'], tests: 'test/head/', titles: [] },
  upgrade: { models: ['takeover', 'links'], tests: 'test/head/', titles: ['take-over', 'take-over-rogues'] },
  failover: { models: ['failover'], tests: 'test/head/migrate/', titles: [] },
} as const;
type Name = keyof typeof documents;
const names = Object.keys(documents) as Name[];

const modelsOf = (name: Name): string =>
  documents[name].models.map((model) => read(`docs/model/${model}.pml`)).join('\n');

function rowsOf(name: Name): Row[] {
  const [, after = ''] = read(`docs/${name}.md`).split('\n## Faults\n');
  const [section = ''] = after.split('\n## ');
  const tables = section.split('\n\n').filter((part) => part.trimStart().startsWith('| if,'));
  return tables.flatMap((table) => {
    const [head = '', , ...rows] = table.split('\n').filter((line) => line.startsWith('| '));
    // A table may say where its tests are, if not where the document's are.
    const [, tests = documents[name].tests] = /`(test\/[^`]*\/)`/.exec(head) ?? [];
    const called = tests === documents[name].tests ? '$&' : `\`${tests}$1\``;
    return rows.map((line) => {
      const cells = line.replace(/^\| | \|\s*$/g, '').split(' | ');
      const shownBy = cells[2]?.replace(/\|$/, '').trim() ?? '';
      return { fault: cells[0]!, shownBy: shownBy.replace(/`([a-z-]+)`/g, called) };
    });
  });
}

/** Test files that a name stands for: `two-heads`, `test/head/steer/packets`, `failover.alone`. */
function filesOf(name: Name, called: string): string[] {
  const within = called.startsWith('test/') ? called : `${documents[name].tests}${called}`;
  const exact = [called, `${within}`].filter((path) => /\.ts$/.test(path) && existsSync(`${root}${path}`));
  return [
    ...exact,
    ...globSync([`${within}{,.*}.test.ts`, `${within}/**/*.test.ts`, `test/**/${called}{,.*}.test.ts`], {
      cwd: root,
    }),
  ];
}

/** Its titles may be made of what it imports. */
function says(file: string, title: string): boolean {
  const text = read(file);
  if (text.includes(title)) return true;
  const imports = [...text.matchAll(/ from '(\.[^']+)'/g)].map(([, path]) => join(dirname(file), path!));
  return imports.some((path) => /^(infra|test\/support)\//.test(path) && read(path).includes(title));
}

/** What is wrong with what shows it. */
function problemsOf(name: Name, { shownBy }: Row): string[] {
  const { titles } = documents[name];
  if (shownBy === '' || shownBy === '-') return ['it names nothing'];
  const problems: string[] = [];
  const text = modelsOf(name);
  for (const [macro] of shownBy.matchAll(/\b[A-Z]+_[A-Z_]+\b/g))
    if (!text.includes(macro)) problems.push(`${macro} is not in the model`);
  /** Those that the titles behind them are to be found in. */
  let files: string[] = titles.flatMap((called) => filesOf(name, called));
  let hasNamed = /\bthe model\b|\.pml/.test(shownBy) || shownBy.startsWith('the same');
  for (const [, called, title] of shownBy.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (called !== undefined) {
      if (/^[a-z]+$/i.test(called) && /in `/.test(shownBy) && !filesOf(name, called).length) continue;
      const isThere = existsSync(`${root}${called}`);
      const found = filesOf(name, called);
      if (found.length === 0 && !isThere && !/^[a-z]+\.md$/.test(called))
        problems.push(`there is no ${called}`);
      files = called === 'migration.md' ? filesOf('migration', '*') : found;
      hasNamed = true;
    } else {
      if (!files.some((file) => says(file, title!))) problems.push(`no test says "${title}"`);
      hasNamed = true;
    }
  }
  // Code that is named together with what to look for in it.
  const [, word, file] = /`(\w+)` in `([^`]+)`/.exec(shownBy) ?? [];
  if (word !== undefined && !read(file!).includes(word)) problems.push(`${file} has no ${word}`);
  if (!hasNamed) problems.push(`it names nothing: ${shownBy}`);
  return problems;
}

for (const name of names)
  test(`each row of ${name}.md names a test, code or a model that is there`, (t) => {
    const rows = rowsOf(name);
    t.true(rows.length > 10, `${rows.length} rows`);
    for (const row of rows) t.deepEqual(problemsOf(name, row), [], row.fault);
  });

/** The beginning of a row, and what stands for it in the document's model; or, in words, why it is no step of it. */
const inModels: Readonly<Record<Name, readonly (readonly [row: string, step: string | RegExp])[]>> = {
  handoff: [
    ['a delivery dies before *taken*', /lane\[d\]\.lives = false/],
    ['it dies after *taken*', /lane\[d\]\.lives = false/],
    ['it freezes', /lane\[d\]\.frozen = true/],
    ['it is busy', 'time: the model has none, and a slow process is one that is not scheduled'],
    ['it takes nothing of what waits', /SUSPECT/],
    ['it says *taken* too late', /:: else -> printf\("TRACE %d drop/],
    ['it answers twice', /mayRepeat/],
    ['it talks nonsense', 'parsing: it is dropped as one that is silent (letGo); fuzzed'],
    ['it cannot open the fds', /mayReturn/],
    ['nobody serves the name', 'a choice before any handoff'],
    ['a hello of TLS', 'inspection, before any handoff'],
    ['a hello comes byte by byte', 'inspection, before any handoff'],
    ['nobody can take a connection that speaks TLS', /settle\(c, FALLBACK\)/],
    ['the TLS thread of the head fails', 'connections that the head answers itself'],
    ['all are full', /!CAN_TAKE\(0\) && !CAN_TAKE\(1\)/],
    ['the head is killed', /mayKill -> goto killed/],
    ['the head is told to stop', 'it passes on what it has, by the steps of any other moment'],
    ['a client leaves a silent answer', 'TCP, between a client and its application'],
    ['a busy delivery is told to stop', 'its own address, which the head is not at'],
    ['a peer closes in the middle of anything', 'sockets of strangers; fuzzed'],
    ['peers connect and say nothing', 'sockets of strangers'],
    ["the log's disk is full", 'no connection is in it'],
    ["a head's own code fails", 'as it is told to stop'],
    ['a socket file is deleted', 'no connection is in it'],
    [
      'the head itself was stopped',
      'time: the model has none, and a slow process is one that is not scheduled',
    ],
  ],
  migration: [
    ['the connection cannot be saved', /mayFill -> mayFill = false; keep/],
    ['the table of flows is full', /mayFill -> mayFill = false; keep/],
    ['packets come while it moves', /copyAgain/],
    ['a packet slips in although it is held', /isHeld/],
    ['a crowd comes', 'connections that wait are not frozen, and have begun nothing'],
    ['its client is in any other state', "the kernel's: every state of TCP is a test (reliability.md)"],
    ['its client has reset it', /mayLeave/],
    ['an urgent byte waits in it', /mayFill -> mayFill = false; keep/],
    ['the delivery refuses', /mayRefuse -> mayRefuse = false; say\(d, REFUSED/],
    ['it dies before `adopted` reached the head', /mayDie\[d\] && at\[d\]\.lives/],
    ['it does not answer within', /takeBack\(/],
    ['its process ends after `commit`', /resetAway\(m\)/],
    ['it is dropped, or cannot be heard', /MAY_DROP/],
    ['it cannot bring it to life', /:: mayFail -> /],
    ['it freezes', /mayFreeze\[d\]/],
    ['the link is reset, by whoever it is, before', /mayCut\[d\] = false; at\[d\]\.cutDown = false/],
    ['it is reset after `commit`', /mayCut\[d\] = false; at\[d\]\.cutDown = false/],
    ['the link breaks without a word', /mayCut\[d\] && !at\[d\]\.cutUp/],
    ['the control port cannot be reached', /mayCut\[d\] && !at\[d\]\.cutUp/],
    ["a delivery's process ends while the head", /inline die\(d\)/],
    ["a delivery's host dies", /mayGoDown\[d\]/],
    ['the head is killed while it moves', /mayKill && headLives/],
    ['the filter is removed', "the card's: the table is not steered by then (network)"],
    ["a delivery's host has another MAC", 'addresses below the table'],
    ["a link on the client's way is narrow", 'addresses and sizes below the table'],
    ['somebody forges packets', 'what the program does with one packet (test/head/steer/packets)'],
    ['strangers fill the control port', 'strangers'],
    ['the head is killed between', /mayKill && headLives/],
    ['the head is killed at any other time', /mayKill && headLives/],
    ['somebody talks nonsense', 'parsing: the link ends; fuzzed'],
    ['two heads give the same number', 'there is one head; the second is refused (mayRefuse)'],
    ['somebody has another secret', 'strangers'],
    ['a lane ends, and its link does not', 'a lane and its link are one thing there, as the model says'],
    [
      'any of the faults above, where workers move',
      'a lane and its link are one thing there, as the model says',
    ],
    ['somebody between the two changes', 'what is sealed: it is opened, or the link ends'],
    ['somebody without the key opens a lane', 'strangers'],
    ['a client uses its port again', /connections = 2/],
    ['and the delivery still has the old connection', /NO_SUPERSEDE/],
    ['and the old one was on its way', /NO_ID/],
    ['and the old one is claimed', /ANY_CLAIM/],
    ['the head is stopped for longer', /TRUST_HOLD/],
  ],
  moving: [
    ['nobody else can take it', /lane\[d\]\.words ! KEPT, n/],
    ['the delivery dies when it has given one', /lane\[d\]\.lives = false/],
    ['it dies before', /lane\[d\]\.fails -> goto dies/],
    ['it is dropped, or talks nonsense', /inline letGo/],
    ['it freezes, and wakes', /NO_WORDS/],
    ['it gives what is no connection', /lane\[d\]\.words ! KEPT, n/],
    ['it asks whose the next request is, and dies', /lane\[d\]\.lives = false/],
    ['it asks, and nobody can be chosen', /lane\[d\]\.words ! KEPT, n/],
    ['a delivery dies where a request was to go', /printf\("TRACE 9 takeBack/],
    ['it was told of deliveries that have gone', 'what it knows decides whether it asks, not who is chosen'],
    ['the head freezes, is killed, or is replaced', /NO_RESUME/],
    ['it gives and does not hear', 'how many words are owed: a bound on memory'],
    ['its application closes', /mayClose/],
    ['a request comes while it is held', 'bytes: they wait in the socket, which is passed on'],
    ['the head dies before *moved*', /NO_RESUME/],
    ['the head dies after *moved*', /mayKill -> goto killed/],
    ['the head freezes', 'time: the model has none, and a slow process is one that is not scheduled'],
    ['the head is about to stop', /:: k == 0 ->/],
    ['who was to have it dies', /printf\("TRACE 9 takeBack/],
    ['and nobody is left', /printf\("TRACE 9 answer/],
    ['the head has no fd left', /lane\[d\]\.words ! KEPT, n/],
    ['the head or the delivery is of an older release', 'nobody is asked to give, and nothing is given'],
    ['the head was another one', 'one head; who has no way back of its own lane gives on another'],
    // Of a delivery on another host.
    ['nobody else can take it; the head stops', /mute && !chosen -> say\(KEPT\)/],
    ['it cannot be saved', 'nothing is given'],
    ['the head has no file left for a copy', /:: !MAY_GIVE \|\| mute -> say\(KEPT\)/],
    ['packets come while it is frozen', /NO_DEAFEN/],
    ['a packet is on its way to it', /NO_LINGER/],
    ['its application closes what is given', "the delivery's own, once there is a word (mayClose)"],
    ['its client ends or resets it', /mayLeave/],
    ['its client uses the port again', /isNewer = true/],
    ['the delivery dies', /mayDie && lives/],
    ['it freezes', /mayFreeze && lives/],
    ['the link is reset or breaks', /mayCut && !cutDown/],
    ['the head is killed before it has changed', /mayKill && headLives/],
    ['the head is killed after that', /NO_MARK/],
    ['no head comes back', 'time: what is in doubt stays mute and deaf there, for as long as it likes'],
    ['it comes back to an older release', 'versions: as where no head comes back'],
    ['the delivery gives what is not its own', /ANY_GIVE/],
    ['it gives something twice', 'nonsense: its registration ends, as a link that breaks'],
    ['there are two heads', 'one head and its successor; the other one answers *kept*'],
    ['whoever was to have it refuses', 'what becomes of the copy that lives: handoff.pml and migration.pml'],
    ['a local delivery that gave it keeps its copy', 'an fd that stands for nothing has no step'],
  ],
  upgrade: [
    ['another user asks', 'strangers'],
    ['somebody says garbage', 'parsing: it is given up; fuzzed'],
    ['two want to take over', 'there is one successor at a time, and the second is told so'],
    ['the running head is of a release', 'nothing has begun'],
    ['the successor cannot start', /:: atomic \{ late > 0 -> late--; excused = true \}; goto give/],
    ['it dies before it is ready', /deaths > 0 && sAlive/],
    ['it dies after *ready*', /deaths > 0 && sAlive/],
    ['it dies after *confirmed*', /deaths > 0 && sAlive/],
    ['it freezes while it warms up', /late > 0 -> late--/],
    ['it freezes after *ready*', /NO_KILL/],
    ['it cannot open so many files', /:: atomic \{ late > 0 -> late--; excused = true \}; goto give/],
    ['the predecessor dies before its sockets', /:: else -> excused = true; goto give/],
    ['it dies while the successor warms up', /NO_STAND_IN/],
    ['it dies while it hands over', /deaths > 0 && pAlive/],
    ['it freezes before it has handed over', /late > 0 -> late--/],
    ['it freezes after *handed*', /NO_READ/],
    ['it freezes after *confirmed*', /late > 0 -> late--; printf\("TRACE 1 dies/],
    ['it is told to stop meanwhile', /down!KEPT/],
    ['a delivery is frozen', 'lanes end as in handoff.pml'],
    ['a delivery comes back late', 'it registers as with any head (handoff.pml)'],
    ["a request's head is half there", 'bytes: they wait in the socket, which is passed on'],
    ['an answer lingers', 'it has its outcome, and is passed on as any other'],
    ['a connection is moving to another host', 'links end as in migration.pml'],
    ['the settings are read again', 'settings: no connection is in them'],
    [
      'workers move connections, more of them',
      'how many may be under way: a bound, and in links.pml it is one',
    ],
    ['the successor dies when deliveries of other hosts', /deaths > 0 && alive\[S\] -> deaths--; kill\(S\)/],
    ['it freezes then', /alive\[S\] -> late--/],
    ['a delivery does not come, comes twice', /NO_WAIT/],
    ['it is of a release that does not know how', /word == DISMISSED -> assert\(!asked/],
    ['its link to the predecessor is lost', /losses > 0 && came\[P\]/],
    ['a head asks it again and again', /word == SUCCESSOR && next == NONE/],
    ['the successor speaks version 1', 'versions'],
    ['the TLS thread speaks with a client', 'what stays with the predecessor has its copy there alone'],
  ],
  failover: [
    ["the active head's host is lost", /inline kill\(h\)/],
    ['it comes back, as after a boot', /inline begin\(h\)/],
    ['its cable is pulled', /inline move\(h\)/],
    ['its process is killed', /inline kill\(h\)/],
    ['its process freezes', 'a process that is not scheduled is a slow one'],
    ['it is upgraded meanwhile', 'a take-over (upgrade.md): whoever has the address is one head here'],
    ['one head is gone when a delivery starts', /isNew/],
    ['both have the address', 'each steers what it knows, and to the same delivery'],
    ['a packet comes before the word', /NO_HOLD/],
    ["a packet is nobody's", /NO_HOLD/],
    ['clients connect meanwhile', "the head's own connections, which its kernel is asked for"],
    ['both heads give to one delivery', 'credits: in migration.pml a delivery refuses (mayRefuse)'],
    ['a client uses its port again', /NO_LATER/],
    ['a delivery that is late claims', /NO_LATER/],
    [
      'two heads give the same number',
      'taken for granted: numbers differ, and a delivery refuses the second',
    ],
    ['the address moves while a connection is on its way', 'the steps of migration.pml'],
    ['somebody says a number that is far ahead', 'numbers are as high as they are'],
    ['a delivery says `holding`', 'versions'],
    ["the standby's table is full", 'the size of a table'],
  ],
};

for (const name of names)
  test(`of each row of ${name}.md is known what it is in the model, or why it is nothing there`, (t) => {
    const text = modelsOf(name);
    const rows = rowsOf(name);
    const known = new Set<string>();
    for (const { fault } of rows) {
      // The longest beginning: some rows begin alike.
      const found = inModels[name]
        .filter(([beginning]) => fault.startsWith(beginning))
        .toSorted(([one], [other]) => other.length - one.length)[0];
      t.truthy(found, `${fault}: a row of ${name}.md that nobody has looked for in the model`);
      if (!found) continue;
      known.add(found[0]);
      const [, step] = found;
      if (step instanceof RegExp) t.regex(text, step, fault);
      else t.true(step.length > 5, fault);
    }
    t.deepEqual(
      inModels[name].map(([beginning]) => beginning).filter((beginning) => !known.has(beginning)),
      [],
      'of rows that are gone',
    );
  });
