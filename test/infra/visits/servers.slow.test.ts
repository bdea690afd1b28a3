/** Visits over TLS to servers that are not Node's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createAuthority } from '../../support/authority.ts';
import { needing } from '../../support/needs.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost']);
const directory = mkdtempSync(join(tmpdir(), 'baton-test-'));
const file = (name: string) => join(directory, name);
writeFileSync(file('cert'), pair.cert);
writeFileSync(file('key'), pair.key);
test.after.always(() => {
  authority.remove();
  rmSync(directory, { recursive: true });
});

/** Free a moment ago; these servers cannot be asked which one they got. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function started(t: ExecutionContext, child: ChildProcess, port: number): Promise<void> {
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, '127.0.0.1');
    const is = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (is) return;
    await delay(100);
  }
  throw new Error('the server did not start');
}

const visit = (port: number, path: string, options: Partial<VisitOptions> = {}) =>
  runVisits({
    urls: [`https://localhost:${port}${path}`],
    rate: 20,
    durationMs: 1000,
    timeoutMs: 20_000,
    tls: { ca: authority.ca },
    ...options,
  });

async function nginx(t: ExecutionContext, more = ''): Promise<number> {
  const port = await freePort();
  const folder = mkdtempSync(join(directory, 'nginx-'));
  writeFileSync(join(folder, 'large'), Buffer.alloc(1_000_000, 'x'));
  writeFileSync(
    join(folder, 'conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/errors;
     events {}
     http {
       access_log off; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
       uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5; root ${folder};
       server {
         listen 127.0.0.1:${port} ssl http2 backlog=1024; server_name localhost;
         ssl_certificate ${file('cert')}; ssl_certificate_key ${file('key')}; ssl_protocols TLSv1.2 TLSv1.3; ${more}
         location = /small { return 200 "hello"; }
         location = /moved { return 307 https://localhost:${port}/small; }
       }
     }`,
  );
  const child = spawn('nginx', ['-c', join(folder, 'conf'), '-e', join(folder, 'errors')], {
    stdio: 'ignore',
  });
  await started(t, child, port);
  return port;
}

const withNginx = needing(['nginx', 'openssl'], test.serial);

for (const http2 of [false, true]) {
  const by = http2 ? 'HTTP/2' : 'HTTP/1.1';
  withNginx(`nginx is visited by ${by}: small and large answers, several requests, redirects`, async (t) => {
    const port = await nginx(t);
    const protocols = { [http2 ? 'h2' : 'http/1.1']: 20 };
    for (const version of ['1.2', '1.3'] as const) {
      const tls = { ca: authority.ca, version };
      const small = await visit(port, '/small', { http2, tls, requestsPerVisit: 3 });
      t.like(small, { succeeded: 20, connections: 20, requests: 60, bodyBytes: 300 });
      t.deepEqual(small.tls?.protocols, protocols);
      t.like(await visit(port, '/large', { http2, tls }), { succeeded: 20, bodyBytes: 20_000_000 });
      t.like(await visit(port, '/moved', { http2, tls }), {
        succeeded: 20,
        redirects: { 307: 20 },
        connections: 40,
      });
      t.deepEqual((await visit(port, '/nothing', { http2, tls })).failures, { status_4xx: 20 });
    }
  });
}

withNginx('nginx resumes its sessions, by tickets and by numbers', async (t) => {
  for (const [more, version] of [
    ['', '1.3'],
    ['', '1.2'],
    ['ssl_session_tickets off; ssl_session_cache shared:a:1m;', '1.2'],
  ] as const) {
    const port = await nginx(t, more);
    const { tls, succeeded } = await visit(port, '/small', {
      tls: { ca: authority.ca, version, resume: true },
    });
    t.is(succeeded, 20);
    // The first cannot, nor those that begin before it has its ticket.
    t.true(tls!.resumed >= 10 && tls!.resumed < 20, `${more} ${version}: ${tls!.resumed}`);
  }
});

async function sServer(t: ExecutionContext, ...args: string[]): Promise<number> {
  const port = await freePort();
  const own = [
    's_server',
    '-accept',
    `127.0.0.1:${port}`,
    '-cert',
    file('cert'),
    '-key',
    file('key'),
    '-quiet',
  ];
  await started(t, spawn('openssl', [...own, ...args], { stdio: 'ignore' }), port);
  return port;
}

const withOpenssl = needing('openssl', test.serial);

withOpenssl('openssl s_server is visited, whose answers only the end of TLS ends', async (t) => {
  const port = await sServer(t, '-www');
  const result = await visit(port, '/');
  t.like(result, { succeeded: 20, failed: 0 });
  t.true(result.bodyBytes > 20 * 500);
});

withOpenssl('a server that asks for another hello is one handshake, with a round trip more', async (t) => {
  // No client offers a share of this group at first (RFC 8446 section 4.1.4).
  const port = await sServer(t, '-www', '-groups', 'P-384');
  const result = await visit(port, '/');
  t.like(result, { succeeded: 20, tls: { handshakes: 20, versions: { 'TLSv1.3': 20 } } });
});

withOpenssl('a server that wants a certificate of its client says so', async (t) => {
  for (const version of ['1.2', '1.3'] as const) {
    const port = await sServer(t, '-www', '-Verify', '1', '-verify_return_error');
    const { failures } = await visit(port, '/', { tls: { ca: authority.ca, version } });
    const name = version === '1.3' ? 'tls_alert_certificate_required' : 'tls_alert_handshake_failure';
    t.deepEqual(failures, { [name]: 20 });
  }
});
