import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { getMetrics, getStatus, setDrain, setMode } from '../../infra/admin-client.ts';
import { createServer } from '../../shared/node-http.ts';

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const path = join(directory, 'admin.sock');
  const server = createServer(listener).listen(path);
  await once(server, 'listening');
  t.teardown(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });
  return path;
}

test('each function asks what the admin interface says', async (t) => {
  const asked: string[] = [];
  const path = await serve(t, async (request, answer) => {
    asked.push(`${request.method} ${request.url} ${await text(request)}`);
    answer.end('metrics');
  });
  await setMode(path, 'redirect');
  await setDrain(path, 'd 1', true);
  await setDrain(path, 'd2', false);
  t.is(await getMetrics(path), 'metrics');
  t.deepEqual(asked, [
    'PUT /mode {"mode":"redirect"}',
    'POST /deliveries/d%201/drain ',
    'POST /deliveries/d2/undrain ',
    'GET /metrics ',
  ]);
});

test('a head that is not there is not running', async (t) => {
  await t.throwsAsync(getMetrics('/nowhere/admin.sock'), { code: 'NOT_RUNNING' });
});

test('what the head refuses keeps its code and its message, on one line', async (t) => {
  const path = await serve(t, (_, answer) =>
    answer
      .writeHead(404)
      .end(JSON.stringify({ error: { code: 'UNKNOWN_DELIVERY', message: 'no delivery\n called "x"' } })),
  );
  await t.throwsAsync(setDrain(path, 'x', true), {
    code: 'UNKNOWN_DELIVERY',
    message: 'no delivery called "x"',
  });
});

test('a refusal without a reason is an error with the status', async (t) => {
  const path = await serve(t, (_, answer) => answer.writeHead(500).end('<html>'));
  await t.throwsAsync(getMetrics(path), { message: /the head answered 500/ });
});

test('a code that no error has, though every object has something of that name, is none', async (t) => {
  const path = await serve(t, (_, answer) =>
    answer.writeHead(400).end(JSON.stringify({ error: { code: 'constructor', message: 'a\u001b[2Jb' } })),
  );
  await t.throwsAsync(getMetrics(path), { code: 'SOCKET_UNUSABLE', message: /a\\u001b\[2Jb/ });
});

test('what answers with no status is no head', async (t) => {
  for (const body of ['', '{', 'null', '[]', '{"mode":1}', '{"mode":"handoff"}']) {
    const path = await serve(t, (_, answer) => answer.end(body));
    await t.throwsAsync(getStatus(path), { code: 'SOCKET_UNUSABLE', message: /no head/ }, body);
  }
});
