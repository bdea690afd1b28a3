/** What people get: the packed package, installed in a project that knows nothing of this one. */
import { existsSync } from 'node:fs';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { dirname, join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import type { HeadStatus } from '../shared/status.ts';
import { version } from '../shared/version.ts';
import { getHttps, pair, readAll, trust } from './support/encrypted.ts';
import {
  ask,
  baton,
  checkout,
  here,
  installed,
  packAndInstall,
  project,
  remove,
  start,
  startHead,
} from './support/package.ts';
import { fromCommonJs, importing, typed } from './support/package-types.ts';

let alone: readonly string[] = [];
let kilobytes = 0;

test.before('pack and install', async (t) => {
  t.timeout(300_000);
  ({ alone, kilobytes } = await packAndInstall(t));
});

test.after.always('clean up', remove);

test('what is installed is what a production server loads: few packages, and small', (t) => {
  t.true(alone.length > 1 && alone.length <= 25, alone.join('\n'));
  t.true(kilobytes > 1000 && kilobytes <= 20_000, `${kilobytes} kB`);
});

test('importing a delivery loads neither a logger nor what the lab needs', async (t) => {
  const code = `
    import { createRequire, registerHooks } from 'node:module';
    const seen = new Set();
    registerHooks({ load(url, context, next) { seen.add(/.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]); return next(url, context); } });
    await import('baton/delivery');
    console.log(JSON.stringify([...seen].filter((name) => name)));`;
  const { stdout } = await execa(here)`${process.execPath} --input-type=module -e ${code}`;
  const loaded = JSON.parse(stdout) as string[];
  for (const name of ['koffi', 'msgpackr', 'baton']) t.true(loaded.includes(name), stdout);
  for (const name of ['node-unix-socket', 'msgpackr-extract', 'pino', 'zod', 'commander', 'execa'])
    t.false(loaded.includes(name), stdout);
});

test('what only a lab needs is asked for in one line', async (t) => {
  for (const args of [
    ['visit', 'http://127.0.0.1:1/'],
    ['lab', 'list'],
    ['lab', 'modes'],
  ]) {
    const { exitCode, stderr } = await execa(baton, args, { ...here, reject: false });
    t.is(exitCode, 1);
    t.regex(
      stderr,
      /^baton: [\w-]+ is needed for this .*; run: npm install autocannon@\S+ execa@\S+ .*zod@\S+$/,
    );
  }
});

test('what the README and the documents point at is in the package, and the manual and schemas are', async (t) => {
  let found = 0;
  for await (const file of glob(['README.md', 'docs/*.md', 'shared/wire/PROTOCOL.md'], { cwd: installed })) {
    const text = await readFile(join(installed, file), 'utf8');
    for (const [, path] of text.matchAll(
      /`((?:docs|shared|test|infra)\/[\w./-]+\.(?:md|py|service|socket))`/g,
    )) {
      found++;
      t.true(existsSync(join(installed, path!)), `${file} points at ${path}`);
    }
  }
  t.true(found >= 4, String(found));
  for (const file of ['dist/man/baton.1', 'dist/schema/head.json', 'dist/schema/delivery.json'])
    t.true(existsSync(join(installed, file)), file);
});

test('baton runs from the package: version, help, and a wrong word', async (t) => {
  t.is((await execa(here)`npx --no-install baton --version`).stdout, version);
  t.regex((await execa(here)`${baton} --help`).stdout, /Commands:[\s\S]*head[\s\S]*delivery/);
  const wrong = await execa({ ...here, reject: false })`${baton} haed`;
  t.is(wrong.exitCode, 2);
  t.regex(wrong.stderr, /^baton: .*haed.*$/);
});

test('a head and a delivery run from the package, workers too', async (t) => {
  const head = await startHead(t, 'commands');
  const { socket, listen } = head.ready as { socket: string; listen: string };
  await start(t, baton, 'delivery', '--name', 'd1', '--head', socket);
  const { body } = await ask(listen, '/whoami', '127.0.0.1');
  t.is(body.delivery, 'd1');
  t.is(body.transport, 'fd');
  const { stdout } = await execa(here)`${baton} status --json --socket ${socket}`;
  const status = JSON.parse(stdout) as HeadStatus;
  t.is(status.version, version);
  t.is(status.workers, 2);
  t.is(status.deliveries[0]!.taken, 1);
  head.child.kill('SIGTERM');
  t.is((await head.child).exitCode, 0);
});

test('an Express application serves what a head hands over, and its process ends by itself after close', async (t) => {
  await writeFile(
    join(project, 'app.js'),
    `import { createServer } from 'node:http';
     import { connectionInfo, receiveConnections } from 'baton/delivery';
     import express from 'express';

     const app = express();
     app.get('/hello/:name', (request, response) => {
       const { remoteAddress, remotePort } = request.socket;
       const { transport, delivery } = connectionInfo(request.socket);
       const { name } = request.params;
       response.json({ name, ip: request.ip, remoteAddress, remotePort, transport, delivery });
     });
     const receiver = receiveConnections(createServer(app), { name: 'express', head: process.argv[2] });
     await receiver.ready;
     console.log(JSON.stringify({ ready: receiver.name }));
     process.once('SIGTERM', () => receiver.close());`,
  );
  const head = await startHead(t, 'express');
  const app = await start(t, process.execPath, 'app.js', head.ready.socket!);
  const { status, body, localPort } = await ask(head.ready.listen!, '/hello/you', '127.0.0.5');
  t.is(status, 200);
  t.deepEqual(body, {
    name: 'you',
    ip: '127.0.0.5',
    remoteAddress: '127.0.0.5',
    remotePort: localPort,
    transport: 'fd',
    delivery: 'express',
  });
  app.child.kill('SIGTERM');
  const ended = await app.child;
  t.is(ended.exitCode, 0);
  t.false(ended.timedOut);
});

test('Express and Fastify serve what a head hands over before its TLS handshake, each its own name', async (t) => {
  await writeFile(join(project, 'pair.json'), JSON.stringify(pair));
  await writeFile(
    join(project, 'secure.js'),
    `import { createServer } from 'node:https';
     import { readFileSync } from 'node:fs';
     import { connectionInfo, receiveConnections } from 'baton/delivery';
     import express from 'express';
     import Fastify from 'fastify';

     const { cert, key } = JSON.parse(readFileSync('pair.json', 'utf8'));
     const seen = ({ socket, httpVersion }, name) => {
       const { remoteAddress, encrypted, servername } = socket;
       const { transport, delivery } = connectionInfo(socket);
       return { name, remoteAddress, encrypted, servername, transport, delivery, httpVersion };
     };
     const app = express();
     app.get('/hello/:name', (request, response) => response.json(seen(request, request.params.name)));
     const fastify = Fastify({ http2: true, https: { cert, key, allowHTTP1: true } });
     fastify.get('/hello/:name', (request, reply) => reply.send(seen(request.raw, request.params.name)));
     await fastify.ready();
     const [, , head] = process.argv;
     const receivers = [
       receiveConnections(createServer({ cert, key }, app), { name: 'express', head, serves: ['shop.test'] }),
       receiveConnections(fastify.server, { name: 'fastify', head, serves: ['*.img.test'] }),
     ];
     await Promise.all(receivers.map(({ ready }) => ready));
     console.log(JSON.stringify({ ready: 'both' }));
     process.once('SIGTERM', () => Promise.all([receivers[0].close(), fastify.close()]));`,
  );
  const head = await startHead(t, 'secure');
  const app = await start(t, process.execPath, 'secure.js', head.ready.socket!);
  const { listen } = head.ready;
  const common = { name: 'you', remoteAddress: '127.0.0.1', encrypted: true, transport: 'fd' };
  for (const [servername, delivery] of [
    ['shop.test', 'express'],
    ['a.img.test', 'fastify'],
  ] as const) {
    const { status, body } = await getHttps(listen!, '/hello/you', { servername });
    t.is(status, 200);
    t.deepEqual(JSON.parse(body), { ...common, servername, delivery, httpVersion: '1.1' });
  }
  const session = connectHttp2(`https://${listen}`, { ...trust, servername: 'b.img.test' });
  const body = await readAll(session.request({ ':path': '/hello/you' }));
  t.deepEqual(JSON.parse(body), {
    ...common,
    servername: 'b.img.test',
    delivery: 'fastify',
    httpVersion: '2.0',
  });
  app.child.kill('SIGTERM');
  // An idle session does not keep it: it is told to go.
  const ended = await app.child;
  t.is(ended.exitCode, 0);
  t.false(ended.timedOut);
  session.destroy();
});

test('the types stand up to a strict compiler that checks them too', async (t) => {
  await writeFile(join(project, 'typed.ts'), typed);
  const tsc = join(checkout, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node'];
  const { stdout } = await execa(tsc, [...options, 'typed.ts'], { ...here, reject: false });
  t.is(stdout, '');
});

/** TypeScript 7 knows `node10` no more. */
const five = join(project, 'node_modules', 'typescript-5', 'bin', 'tsc');
const seven = join(checkout, 'node_modules', '.bin', 'tsc');
for (const [compiler, file, code, ...options] of [
  [five, 'm.ts', importing, '--module', 'commonjs', '--moduleResolution', 'node10', '--esModuleInterop'],
  [five, 'm.ts', importing, '--module', 'esnext', '--moduleResolution', 'bundler'],
  [five, 'm.ts', importing, '--module', 'node16'],
  [five, 'm.cts', importing, '--module', 'nodenext'],
  [seven, 'm.ts', importing, '--module', 'esnext', '--moduleResolution', 'bundler'],
  [seven, 'm.ts', importing, '--module', 'node16'],
  [seven, 'm.cts', importing, '--module', 'node20'],
  [seven, 'm.cts', fromCommonJs, '--module', 'node16'],
] as const) {
  const release = compiler === five ? 5 : 7;
  test.serial(`types resolve for ${file} under ${options.join(' ')} of TypeScript ${release}`, async (t) => {
    await writeFile(join(project, file), code);
    // Whether the package's own types hold was asked above.
    const common = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2023',
      '--lib',
      'es2024,esnext.disposable',
    ];
    const { stdout, exitCode } = await execa(compiler, [...common, '--types', 'node', ...options, file], {
      ...here,
      reject: false,
    });
    t.deepEqual([stdout, exitCode], ['', 0]);
  });
}

test('a bundle that leaves the package outside runs, as the README has it', async (t) => {
  const readme = await readFile(join(installed, 'README.md'), 'utf8');
  const [command] = /esbuild --bundle --platform=node --external:baton/.exec(readme)!;
  await writeFile(
    join(project, 'bundled.js'),
    `import { receiveConnections } from 'baton/delivery'; console.log(typeof receiveConnections);`,
  );
  const [, ...options] = command.split(' ');
  for (const [format, out] of [
    ['esm', 'out.mjs'],
    ['cjs', 'out.cjs'],
  ] as const) {
    const esbuild = join(project, 'node_modules', '.bin', 'esbuild');
    await execa(here)(esbuild, [...options, `--format=${format}`, 'bundled.js', `--outfile=${out}`]);
    t.is((await execa(here)(process.execPath, [out])).stdout, 'function');
  }
});

test('every file that the code reads beside itself is in the package', async (t) => {
  let found = 0;
  for await (const file of glob('dist/**/*.js', { cwd: installed })) {
    const code = await readFile(join(installed, file), 'utf8');
    for (const [, path] of code.matchAll(/(?:new URL|import\.meta\.resolve)\('(\.[^']+)'/g)) {
      found++;
      t.true(existsSync(join(installed, dirname(file), path!)), `${file} reads ${path}`);
    }
  }
  t.true(found > 0);
});
