/**
 * Where a suite's tests come from: a folder that somebody names or has put into the cache, or Debian's source packages,
 * through apt and its own sources. Nothing of it is in this repository.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import type { Suite } from './suite.ts';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'baton-suites');

/** Debian's releases whose sources are looked through for one that fits, the steadiest first. */
const RELEASES = ['stable', 'testing', 'sid'];
const APT_WITHIN_MS = 120_000;
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The tests' folder, or why there is none, in a line that says what to do. */
export async function obtain(
  suite: Suite,
  from: string | undefined,
): Promise<{ directory: string } | { missing: string }> {
  const there = resolve(from ?? join(cache, suite.name));
  if (existsSync(join(there, suite.landmark))) return { directory: there };
  if (from !== undefined) return { missing: `${there} is no checkout of it: ${suite.landmark} is not there` };
  const byHand = `put a checkout of the project at ${there}, or name one with --from DIR`;
  if (!suite.debian) return { missing: byHand };
  try {
    await fromDebian(suite.debian, suite.fits ?? (() => true), there);
  } catch (error) {
    const problem = ((error as Error).message.trim().split('\n').at(-1) ?? '').slice(0, 300);
    return {
      missing: `Debian's source package ${suite.debian.source} is not available (${problem}); ${byHand}`,
    };
  }
  return { directory: there };
}

async function fromDebian(
  { source, members }: NonNullable<Suite['debian']>,
  fits: (version: string) => boolean,
  to: string,
): Promise<void> {
  const apt = await openApt();
  const versions = (await apt('apt-cache', ['showsrc', source])).match(/^Version: .*$/gm) ?? [];
  const fitting = versions.map((line) => line.slice('Version: '.length)).filter(fits);
  const folder = `${to}.part`;
  let problem: unknown = new Error(`no version fits among ${versions.join(', ') || 'none'}`);
  for (const version of fitting) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    try {
      await apt(
        'apt-get',
        ['source', '-qq', '--download-only', '--tar-only', `${source}=${version}`],
        folder,
      );
    } catch (error) {
      // The package's other parts are not needed.
      problem = error;
    }
    const archive = (await readdir(folder)).find((name) => /\.orig\.tar\.\w+$/.test(name));
    if (!archive) continue;
    const wanted = members.length > 0 ? ['--wildcards', ...members] : [];
    await execa('tar', ['xf', archive, '--strip-components=1', ...wanted], { cwd: folder });
    await rename(folder, to);
    return;
  }
  await rm(folder, { recursive: true, force: true });
  throw problem;
}

/** apt with lists of its own, so that the machine's stay as they are; sources come from where its packages come from. */
async function openApt(): Promise<(program: string, args: string[], cwd?: string) => Promise<string>> {
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
    'Origin: Debian',
  ]);
  const [mirror] = stdout.split('\n');
  if (!mirror) throw new Error("apt knows no source of Debian's packages here");
  const home = join(cache, 'apt');
  await mkdir(join(home, 'lists/partial'), { recursive: true });
  await mkdir(join(home, 'cache/archives/partial'), { recursive: true });
  const sources = join(home, 'sources.list');
  const lines = RELEASES.map((release) => `deb-src [signed-by=${KEYRING}] ${mirror} ${release} main\n`);
  await writeFile(sources, lines.join(''));
  const configuration = join(home, 'apt.conf');
  await writeFile(
    configuration,
    `Dir::Etc::SourceList "${sources}";\nDir::Etc::SourceParts "/dev/null";\n` +
      `Dir::State::Lists "${join(home, 'lists')}";\nDir::Cache "${join(home, 'cache')}";\nAPT::Sandbox::User "";\n` +
      // A mirror that does not answer, or not in time, is one that has not got it.
      'Acquire::Retries "1";\nAcquire::http::Timeout "15";\nAcquire::https::Timeout "15";\n',
  );
  const run = async (program: string, args: string[], cwd: string = home): Promise<string> =>
    (await execa(program, args, { cwd, env: { APT_CONFIG: configuration }, timeout: APT_WITHIN_MS })).stdout;
  await run('apt-get', ['update', '-qq']);
  return run;
}
