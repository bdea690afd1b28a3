import { copyFile } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { batonHello, batonPlain } from '../../../infra/bench/contenders/baton.ts';
import { haproxyHello, nginxHello } from '../../../infra/bench/contenders/hello.ts';
import { nginxTls } from '../../../infra/bench/contenders/nginx-proxy.ts';
import { nodeReuseportTls } from '../../../infra/bench/contenders/node-http.ts';
import { writePair } from '../../../infra/bench/contenders/pair.ts';
import { writeHello } from '../../../infra/bench/hello.ts';
import { type LoadReport, warmUpLoad } from '../../../infra/bench/loads.ts';
import { openStage, type Stage } from '../../../infra/bench/stage.ts';
import { needing, type Tool } from '../../support/needs.ts';

function staged(
  title: string,
  tools: readonly Tool[],
  body: (t: ExecutionContext, stage: Stage) => Promise<void>,
) {
  needing(['cc', ...tools])(title, async (t) => {
    const stage = await openStage(new AbortController().signal);
    try {
      await body(t, stage);
    } finally {
      await stage.close();
    }
  });
}

const CONNECTIONS = 100;
const load = warmUpLoad(20, CONNECTIONS, 20);

const none = { notConnected: 0, reset: 0, wrongStatus: 0, cutShort: 0, tooLate: 0 };
const outcomes = ({ ok, failed }: LoadReport) => ({ ok, failed });
const allAnswered = { ok: CONNECTIONS, failed: none };

staged(
  'a head hands hellos to the receiver that serves their name, and to no other',
  [],
  async (t, stage) => {
    for (const contender of [batonHello('large'), batonHello('small'), batonPlain]) {
      const running = await contender.start(stage);
      t.deepEqual(outcomes(await load.run(stage, { ...running, status: 200 })), allAnswered, contender.about);
    }
    const program = new URL('../../../infra/cli/main.ts', import.meta.url).pathname;
    const socket = `${stage.folder}/other.sock`;
    const options = ['--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1'];
    const head = await stage.launch(process.execPath, [program, 'head', ...options]);
    const args = ['baton', socket, 'other', '192.0.2.1:8080', 'other.example'];
    await stage.launch(stage.programs['fd-drain'], args);
    const hello = await writeHello(stage, 'large');
    const { address, pid } = head;
    const report = await load.run(stage, { address, subject: pid, status: 200, hello });
    // The head's own alert, which is not the receiver's.
    t.deepEqual(outcomes(report), { ok: 0, failed: { ...none, wrongStatus: CONNECTIONS } });
  },
);

for (const [tool, contender] of [
  ['haproxy', haproxyHello],
  ['nginx', nginxHello],
] as const) {
  staged(`${tool} brings a hello to the receiver of its name`, [tool], async (t, stage) => {
    for (const kind of ['large', 'small'] as const) {
      const running = await contender(kind).start(stage);
      t.deepEqual(outcomes(await load.run(stage, { ...running, status: 200 })), allAnswered);
    }
  });
}

staged(
  'the TLS load counts whole handshakes with the right server, and others as failures',
  [],
  async (t, stage) => {
    const running = await nodeReuseportTls.start(stage);
    t.deepEqual(outcomes(await load.run(stage, { ...running, status: 200 })), allAnswered);
    const teapot = outcomes(await load.run(stage, { ...running, status: 418 }));
    t.deepEqual(teapot, { ok: 0, failed: { ...none, wrongStatus: CONNECTIONS } });

    // Another certificate for the same name. Each of the 20 clients that cannot even begin is given up.
    await copyFile((await writePair(stage, 'another')).certificate, running.trusted!);
    const distrusted = outcomes(await load.run(stage, { ...running, status: 200 }));
    t.deepEqual(distrusted, { ok: 0, failed: { ...none, notConnected: 20 } });
  },
);

staged('nginx ends TLS before Node servers', ['nginx'], async (t, stage) => {
  const running = await nginxTls.start(stage);
  t.deepEqual(outcomes(await load.run(stage, { ...running, status: 200 })), allAnswered);
});
