import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AdminDoor } from '../../../head/admin.ts';
import { ResponseParser } from '../../../infra/visits/response.ts';
import { BatonError, errorCatalogue } from '../../../shared/errors.ts';
import { Metrics } from '../../../shared/metrics.ts';
import { type HeadStatus, type Mode, modes } from '../../../shared/status.ts';
import { hold, same, type Target } from '../target.ts';

const directory = mkdtempSync(join(tmpdir(), 'baton-fuzz-'));
const path = join(directory, 'admin.sock');
const draining = new Map([['d1', false]]);
let moving = false;
let upgrades = 0;
let takeOvers: string[] = [];
let mode: Mode = 'handoff';
const metrics = new Metrics();
metrics.gauge('baton_deliveries', 'Deliveries.', (set) => set(draining.size));
const door = new AdminDoor(
  path,
  {
    status: () => ({ mode }) as HeadStatus,
    ready: () => ({ ready: mode === 'handoff', why: mode }),
    setMode(wanted) {
      mode = wanted;
    },
    drain(name, on, move) {
      if (!draining.has(name))
        throw new BatonError('UNKNOWN_DELIVERY', { name, known: [...draining.keys()].join(', ') });
      draining.set(name, on);
      moving = on && move;
      return true;
    },
    reload: async () => ({ changed: [], restart: [] }),
    metrics,
    upgrade() {
      upgrades++;
      return Promise.reject(new BatonError('TAKE_OVER_FAILED', { problem: 'there is no head' }));
    },
    takeOver(socket, versions) {
      takeOvers.push(versions);
      socket.destroy();
    },
  },
  pino({ level: 'silent' }),
);
await door.listen();
await door.open();
const routes = [
  'GET /status',
  'GET /ready',
  'GET /metrics',
  'PUT /mode',
  'POST /deliveries/d1/drain',
  'POST /deliveries/d1/drain?move',
  'POST /deliveries/d1/undrain?move',
  'POST /reload',
  'POST /upgrade',
  'GET /upgrade',
  'GET /take-over',
  'POST /take-over',
  'POST /deliveries/d1/undrain',
  'POST /deliveries/%ff/drain',
  'DELETE /status',
  'GET /status?x',
];

async function ask(input: Uint8Array): Promise<Buffer> {
  const socket = connect(path);
  const parts: Buffer[] = [];
  // A door that refuses what it is sent resets over what it has not read.
  socket.on('error', () => {});
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.end(input);
  await once(socket, 'close');
  return Buffer.concat(parts);
}

/** Whoever may open the admin socket says anything: each answer is whole and says why, and nothing changes but what was asked for. */
export const admin: Target = {
  about: "requests to a head's admin socket",
  code: ['head/admin.ts'],
  words: [
    ...routes,
    ...modes.map((one) => `{"mode":"${one}"}`),
    ' HTTP/1.1\r\nHost: x\r\n',
    'Content-Length: 20\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Connection: close\r\n',
    'Expect: 100-continue\r\n',
    'Upgrade: x\r\nConnection: upgrade\r\n',
    'Upgrade: baton-take-over/1\r\nConnection: Upgrade\r\n',
    '?move',
    '\r\n\r\n',
    '{"mode":',
    'null',
    '%2e%2e',
    '%',
    '__proto__',
  ],
  generate(dice) {
    const requests = [0, ...dice.some(2, () => 0)].map(() => {
      const route = dice.pick(routes);
      const body =
        route.startsWith('PUT') || dice.oneIn(8)
          ? dice.pick([
              ...modes.map((one) => `{"mode":"${one}"}`),
              '{"mode":"x\u001b[2J"}',
              '{"mode":1}',
              'null',
              '{',
              '"'.repeat(5000),
            ])
          : '';
      const length = dice.mostly(body.length, body.length + 1, 0);
      return `${route} HTTP/1.1\r\nHost: x\r\n${body === '' ? '' : `Content-Length: ${length}\r\n`}${dice.oneIn(4) ? 'Connection: close\r\n' : route.endsWith('take-over') ? 'Connection: Upgrade\r\nUpgrade: baton-take-over/1\r\n' : ''}\r\n${body}`;
    });
    return Buffer.from(requests.join(''), 'latin1');
  },
  async check(input) {
    mode = 'handoff';
    draining.set('d1', false);
    moving = false;
    upgrades = 0;
    takeOvers = [];
    const all = await ask(input);
    const statuses: number[] = [];
    const text = Buffer.from(input).toString('latin1');
    const parser = new ResponseParser();
    // An answer to HEAD looks as if its body were missing.
    for (let at = 0; at < all.length && !/HEAD/.test(text); ) {
      parser.reset();
      const end = parser.read(all, at, all.length);
      if (end === all.length) parser.end();
      hold(parser.complete, `${parser.problem || 'cut'}: ${all.toString('latin1', at, at + 200)}`);
      // An interim answer may stand before its head.
      if (parser.bodyBytes > 0) checkBody(parser.status, all.toString('utf8', end - parser.bodyBytes, end));
      statuses.push(parser.status);
      at = end;
    }
    hold(modes.includes(mode) && draining.size === 1, 'something else has changed');
    // Nobody's word but these makes them.
    if (moving) hold(text.includes('drain') && text.includes('?move'), 'it moves, and nobody has said so');
    if (upgrades > 0)
      hold(text.includes('POST ') && text.includes('/upgrade'), 'an upgrade that nobody asked for');
    for (const versions of takeOvers) {
      hold(text.includes('/take-over') && text.includes(versions.slice(0, 1)), `a take-over by ${versions}`);
      hold(!/[\r\n\0]/.test(versions), `versions ${JSON.stringify(versions)}`);
    }
    if (mode !== 'handoff') hold(text.includes(mode) && text.includes('PUT '), `the mode has become ${mode}`);
    // Others are served as before.
    const next = await ask(Buffer.from('GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    same(next.subarray(0, 15).toString(), 'HTTP/1.1 200 OK', 'the next request');
    hold(next.includes(`{"mode":"${mode}"}`), 'the next request');
    return statuses.join(' ');
  },
  async close() {
    door.close();
    rmSync(directory, { recursive: true, force: true });
  },
};

function checkBody(status: number, body: string): void {
  if (body.startsWith('# HELP ')) return hold(status === 200, 'metrics with another status');
  const value = JSON.parse(body) as { error?: { code: string; message: string } };
  hold((value.error === undefined) === (status === 200), `${status} ${body}`);
  if (!value.error) return;
  const { code, message } = value.error;
  hold(code in errorCatalogue, `an error that nobody knows: ${body}`);
  hold(!/[\r\n]/.test(message), `an error of several lines: ${body}`);
}
