import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { compilerHint, findCompiler } from '../../../infra/bench/compile.ts';
import { batonHandoff, batonRedirect } from '../../../infra/bench/contenders/baton.ts';
import { fdLoop } from '../../../infra/bench/contenders/fd-loop.ts';
import { haproxyProxy } from '../../../infra/bench/contenders/haproxy-proxy.ts';
import { haproxyRedirect } from '../../../infra/bench/contenders/haproxy-redirect.ts';
import { nginxProxy } from '../../../infra/bench/contenders/nginx-proxy.ts';
import { nginxRedirect } from '../../../infra/bench/contenders/nginx-redirect.ts';
import { nodeCluster } from '../../../infra/bench/contenders/node-cluster.ts';
import { notesRedirect } from '../../../infra/bench/contenders/notes-redirect.ts';
import { cpuBetween, readCpu } from '../../../infra/bench/cpu.ts';
import { burstLoad, type LoadReport } from '../../../infra/bench/loads.ts';
import { openStage, type Stage } from '../../../infra/bench/stage.ts';
import { needing } from '../../support/needs.ts';

interface Context {
  stage: Stage;
}

const test = anyTest as TestFn<Context>;
// Where CI is set a missing compiler is a failure, not a skip: the tests run and say what is missing.
const runnable = process.env.CI !== undefined || (await findCompiler()) !== undefined;

function compiledTest(title: string, body: (t: ExecutionContext<Context>) => Promise<void>): void {
  if (!runnable) {
    test.skip(`${title} (needs a C compiler: ${compilerHint})`, body);
    return;
  }
  test(title, async (t) => {
    t.context.stage = await openStage(new AbortController().signal);
    try {
      await body(t);
    } finally {
      await t.context.stage.close();
    }
  });
}

const allAnswered = (ok: number) => ({
  ok,
  failed: { notConnected: 0, reset: 0, wrongStatus: 0, cutShort: 0, tooLate: 0 },
});

/** `connections` one after another in groups of 20, each expecting `status`. */
async function load(stage: Stage, address: string, status: number, connections: number) {
  const args = [address, status, 20, 20, connections].map(String);
  const { ok, failed } = JSON.parse(await stage.run(stage.programs.load, args)) as LoadReport;
  return { ok, failed };
}

/** Sends `bytes` and returns everything that comes back. */
function ask(address: string, bytes: string): Promise<string> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  socket.write(bytes);
  return text(socket);
}

compiledTest('the least C head hands every connection to its receiver, and both end cleanly', async (t) => {
  const { stage } = t.context;
  const socket = `${stage.folder}/head.sock`;
  const head = await stage.launch(stage.programs['fd-loop'], [socket]);
  const receiver = await stage.launch(stage.programs['fd-drain'], ['raw', socket]);
  t.deepEqual(await load(stage, head.address, 200, 300), allAnswered(300));
  t.is((await head.stop()).exitCode, 0);
  t.deepEqual(await receiver.ended, { exitCode: 0, lastLine: '{"answered":300}' });
});

compiledTest("the notes' design sends clients to its servers in turn, and ends cleanly", async (t) => {
  const { stage } = t.context;
  const head = await stage.launch(stage.programs['notes-redirect'], ['192.0.2.1:80', '192.0.2.2:80']);
  t.deepEqual(await load(stage, head.address, 307, 300), allAnswered(300));
  for (const server of ['192.0.2.1:80', '192.0.2.2:80']) {
    const answer = await ask(head.address, 'GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n');
    t.regex(answer, /^HTTP\/1\.1 307 Temporary Redirect\r\n/);
    t.true(answer.includes(`\r\nLocation: http://${server}/a?b=1\r\n`), answer);
  }
  t.regex(await ask(head.address, 'what is this\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.is((await head.stop()).exitCode, 0);
});

compiledTest('the load generator counts a wrong status and a closed port as failures', async (t) => {
  const { stage } = t.context;
  const head = await stage.launch(stage.programs['notes-redirect'], ['192.0.2.1:80']);
  const wrong = await load(stage, head.address, 200, 50);
  t.is(wrong.ok, 0);
  t.is(wrong.failed.wrongStatus, 50);
  await head.stop();
  const refused = await load(stage, head.address, 200, 50);
  t.is(refused.ok, 0);
  t.is(refused.failed.notConnected, 20); // one for each client: a client that cannot begin is given up
});

compiledTest(
  "the C receiver serves as a head's delivery, and redirected clients get its direct address",
  async (t) => {
    const { stage } = t.context;
    const handoff = await batonHandoff.start(stage);
    t.deepEqual(await load(stage, handoff.address, 200, 300), allAnswered(300));
    const redirect = await batonRedirect.start(stage);
    t.deepEqual(await load(stage, redirect.address, 307, 300), allAnswered(300));
  },
);

compiledTest('a run breaks off when a contender ends, and says which', async (t) => {
  const { stage } = t.context;
  const { subject, address } = await fdLoop.start(stage);
  process.kill(subject, 'SIGKILL');
  await t.throwsAsync(load(stage, address, 200, 1000), {
    message: /fd-loop .*ended by itself \(ended by SIGKILL\)/,
  });
});

compiledTest('a burst is answered in full by a head that was stopped while it arrived', async (t) => {
  const { stage } = t.context;
  const running = await fdLoop.start(stage);
  const { ok, failed } = await burstLoad(1).run(stage, { ...running, status: 200 });
  t.deepEqual({ ok, failed }, allAnswered(3000));
});

compiledTest("a head's CPU time grows with the connections that it handles", async (t) => {
  const { stage } = t.context;
  const { subject, address } = await notesRedirect.start(stage);
  const idle = await readCpu(subject);
  await load(stage, address, 307, 500);
  const { totalMicros, userMicros, systemMicros } = cpuBetween(idle, await readCpu(subject));
  t.true(totalMicros > 500 && totalMicros < 500_000, `${totalMicros} us for 500 connections`);
  t.true(Math.abs(userMicros + systemMicros - totalMicros) < 1);
});

compiledTest(
  'the workers of node:cluster answer, and none is left when its primary is stopped',
  async (t) => {
    const { stage } = t.context;
    const { subject, address } = await nodeCluster.start(stage);
    t.deepEqual(await load(stage, address, 200, 300), allAnswered(300));
    await stage.close();
    t.throws(() => process.kill(subject, 0), { code: 'ESRCH' });
    await t.throwsAsync(ask(address, 'GET / HTTP/1.1\r\n\r\n'), { code: 'ECONNREFUSED' });
  },
);

for (const [tool, redirect, proxy] of [
  ['nginx', nginxRedirect, nginxProxy],
  ['haproxy', haproxyRedirect, haproxyProxy],
] as const) {
  needing([tool, 'cc'])(
    `${tool} redirects with path and query, and passes requests on to Node servers`,
    async (t) => {
      const stage = await openStage(new AbortController().signal);
      try {
        const { address } = await redirect.start(stage);
        const answer = await ask(address, 'GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n');
        t.regex(answer, /^HTTP\/1\.1 307 /);
        t.regex(answer, /\r\nlocation: http:\/\/192\.0\.2\.1:8080\/a\?b=1\r\n/i);
        const proxied = await proxy.start(stage);
        t.deepEqual(await load(stage, proxied.address, 200, 100), allAnswered(100));
      } finally {
        await stage.close();
      }
    },
  );
}
