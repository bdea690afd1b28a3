/** The command line as a whole: its listing, its completions and its manual say what the commands themselves say. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { program } from '../../../infra/cli/commands.ts';
import { completionFor } from '../../../infra/cli/completion.ts';
import { manualPage } from '../../../infra/cli/manual.ts';
import { experimentNames, loadExperiments } from '../../../infra/experiments/index.ts';
import { baton } from '../../../infra/lab/service.ts';
import { needing } from '../../support/needs.ts';

const all = await program('all');

test('what is listed of a command without loading it is what the command says', async (t) => {
  const listed = await program('');
  for (const [index, command] of all.commands.entries()) {
    const other = listed.commands[index]!;
    t.is(other.name(), command.name());
    t.is(other.description(), command.summary() || command.description());
    t.is(other.usage(), command.usage());
  }
  t.deepEqual(
    [...experimentNames],
    (await loadExperiments()).map(({ name }) => name),
  );
});

test('every option that takes a value says in capitals or in its words what that is', (t) => {
  for (const command of [...all.commands, ...all.commands.flatMap(({ commands }) => commands)])
    for (const { flags, long } of command.options) {
      const [, value] = /<(.*)>$/.exec(flags) ?? [];
      if (value !== undefined)
        t.regex(value, /^([A-Z][A-Z:|.,]*|[a-z]+\|[a-z]+)$/, `${command.name()} ${long}`);
    }
  const flagsOf = (name: string) =>
    all.commands.find((one) => one.name() === name)!.options.map(({ flags }) => flags);
  for (const flags of [
    ...['--listen <HOST:PORT>', '--control <HOST:PORT>', '--secret <FILE>', '--interface <NAME>'],
    ...['--group <GROUP>', '--defer-accept <DURATION>', '--forget-after <DURATION>', '--head-bytes <SIZE>'],
    ...['--first-delivery-within <DURATION>', '--workers <N>', '--io-uring <auto|off>'],
  ])
    t.true(flagsOf('head').includes(flags), flags);
  for (const flags of [
    ...[
      '--name <NAME>',
      '--head <PATH|HOST:PORT>',
      '--vip <ADDRESS>',
      '--app <FILE>',
      '--half-open <on|off>',
    ],
    ...['--credits <N>', '--weight <N>', '--advertise <HOST:PORT>', '--drain-timeout <DURATION>'],
  ])
    t.true(flagsOf('delivery').includes(flags), flags);
});

test('help of the whole does not load what a command needs', async (t) => {
  const code = `
    process.argv.splice(1, Infinity, 'baton', '--help');
    await import(${JSON.stringify(new URL('../../../infra/cli/main.ts', import.meta.url).href)});
    const loaded = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node'));
    process.stderr.write(JSON.stringify(loaded));`;
  const { stdout, stderr } = await execa(process.execPath, ['--input-type=module', '-e', code]);
  t.regex(stdout, /Commands:[\s\S]*completion/);
  t.is(stderr, '[]', 'no native part was loaded');
});

test('bash completes commands, options and what may follow them', async (t) => {
  const script = completionFor('bash', all);
  const complete = async (...words: string[]): Promise<string[]> => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const ask = `${script}\nCOMP_WORDS=(baton ${quoted}); COMP_CWORD=${words.length}; _baton; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await execa('bash', ['-c', ask])).stdout.split('\n').filter((word) => word !== '');
  };
  t.deepEqual(await complete('d'), ['delivery', 'drain', 'doctor']);
  t.deepEqual(await complete('mode', 're'), ['redirect']);
  t.deepEqual(await complete('head', '--mode', ''), ['handoff', 'redirect', 'created']);
  t.deepEqual(await complete('lab', 'ses'), ['session']);
  t.true((await complete('head', '--config', '/etc/passw')).includes('/etc/passwd'));
  const options = await complete('head', '--');
  for (const option of all.commands.find((one) => one.name() === 'head')!.options)
    t.true(options.includes(option.long!), option.long);
});

test('zsh and fish know every command and every option, and bash accepts its script', async (t) => {
  const scripts = (['bash', 'zsh', 'fish'] as const).map((shell) => completionFor(shell, all));
  for (const script of scripts)
    for (const command of all.commands) {
      t.true(script.includes(command.name()));
      for (const option of command.options) t.true(script.includes(option.long!.slice(2)), option.long);
    }
  t.is((await execa('bash', ['-n'], { input: scripts[0]! })).stderr, '');
});

needing('zsh')('zsh accepts its script', async (t) => {
  t.is((await execa('zsh', ['-n'], { input: completionFor('zsh', all) })).stderr, '');
});

needing('groff')('the manual names every command and option, and groff has nothing against it', async (t) => {
  const page = await manualPage();
  const args = ['-man', '-ww', '-Tutf8', '-P-c', '-rLL=78n'];
  const { stdout, stderr } = await execa('groff', args, { input: page });
  t.is(stderr, '');
  t.true(stdout.length > 5000);
  for (const command of all.commands) {
    t.true(page.includes(`.SS baton ${command.name()}\n`));
    for (const option of command.options)
      t.true(page.includes(option.long!.replaceAll('-', '\\-')), option.long);
  }
  t.false(page.includes(String(process.pid)), 'nothing of the process that made it');
});

test('an unknown shell is said, and output that nobody reads to its end is no error', async (t) => {
  const { exitCode, stderr } = await execa(baton[0]!, [...baton.slice(1), 'completion', 'csh'], {
    reject: false,
  });
  t.is(exitCode, 2);
  t.regex(stderr, /^baton: there is no completion for "csh"; there is one for bash, zsh, fish$/);
  const piped = await execa('bash', ['-c', `${baton.join(' ')} head --help | head -1`]);
  t.is(piped.stderr, '');
});

test('an installed package says in one line which parts a lab needs', async (t) => {
  const { peerDependencies, devDependencies } = JSON.parse(
    await readFile(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as Record<string, Record<string, string>>;
  for (const part of Object.keys(peerDependencies!)) t.truthy(devDependencies![part], part);
});
