/**
 * The tables of faults in docs/: each row names a test, or code, that is there and says so; and of each row is known which step of
 * which model it is, or why it is none.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { inModels } from './support/fault-rows.ts';

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

/** Test files that a name stands for: `two-heads`, `test/head/steer/packets`, `failover.proof`. */
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
