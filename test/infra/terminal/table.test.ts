import test from 'ava';
import { render } from '../../../infra/cli/status.ts';
import { fitTable } from '../../../infra/terminal/table.ts';
import { wrap } from '../../../infra/terminal/width.ts';
import type { HeadStatus } from '../../../shared/status.ts';

const big = 4_294_967_295;
/** As wide as a status gets. */
const status: HeadStatus = {
  version: '0.1.0',
  pid: 4_194_304,
  mode: 'handoff',
  policy: 'least-connections',
  distribute: 'requests',
  distributesBy: 'ask',
  nextRequests: { moved: big, chosen: big, stayed: big },
  listen: '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535',
  socket: '/run/baton/head.sock',
  workers: 16,
  backlog: 4096,
  uptimeSeconds: 1e7,
  cpu: { userMicros: 1, systemMicros: 1 },
  givenBack: 0,
  accepted: big,
  open: 100_000,
  lingering: 100_000,
  outcomes: {
    handoff: { taken: big, redirected: big, unavailable: big },
    redirect: { answered: big, unavailable: big },
    created: { answered: big, unavailable: 0 },
  },
  inspectionFailures: {
    not_http: big,
    head_too_large: big,
    too_slow: big,
    tls: big,
    http2: big,
    incomplete: big,
  },
  listeners: Array.from({ length: 16 }, (_, worker) => ({
    worker,
    queued: 4096,
    backlog: 4096,
    drops: 1000,
  })),
  kernel: { listenOverflows: 1, listenDrops: 1 },
  migration: {
    control: '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:8090',
    interface: 'enp0s31f6.4094',
    isActive: false,
    unknownHeld: big,
    outcomes: { adopted: big, refused: big, late: big, unknown: big },
    moving: 100,
    flows: {
      count: 30,
      capacity: 4_194_304,
      listed: [
        {
          client: '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535',
          server: '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:fffe]:65535',
          delivery: 'a-delivery-with-a-long-name',
          action: 'forward',
          packets: big,
          bytes: big * 1000,
        },
      ],
    },
  },
  deliveries: ['d1', 'x'.repeat(64)].map((name) => ({
    name,
    pid: 1,
    state: 'draining',
    transport: 'migrate',
    direct: '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535',
    serves: name === 'd1' ? null : Array.from({ length: 100 }, (_, i) => `${'n'.repeat(50)}${i}.example`),
    weight: 1,
    credits: 1_000_000,
    inUse: 1_000_000,
    untaken: big,
    taken: big,
    returned: big,
    redirected: big,
    created: big,
    looks: name === 'd1',
    left: name === 'd1' ? { busy: big, stays: big } : null,
    ...(name === 'd1' && { beginsAnew: 'bpf(PROG_LOAD): operation not permitted (EPERM)' }),
  })),
};

test('a status fits the terminal, whatever is in it, and keeps what matters most', (t) => {
  for (const width of [64, 72, 80, 100, 132]) {
    const lines = render(status, undefined, width).split('\n');
    for (const line of lines) t.true(line.length <= width, `${width}: ${line.length}: ${line}`);
    t.true(
      lines.some((line) => /^d1 +draining +.*1000000\/1000000 +.*4294967295/.test(line)),
      `${width}`,
    );
  }
});

test('a status of every day fits 80 columns with its addresses', (t) => {
  const deliveries = ['d1', 'd2'].map((name) => ({
    ...status.deliveries[0]!,
    name,
    state: 'up' as const,
    transport: 'fd' as const,
    direct: '127.0.0.1:34567',
    serves: null,
    credits: 10_000,
    inUse: 12,
    untaken: 0,
    taken: 123_456,
    returned: 0,
    redirected: 0,
    created: 0,
  }));
  const lines = render({ ...status, migration: null, deliveries }, undefined, 80).split('\n');
  for (const line of lines) t.true(line.length <= 80, line);
  t.true(
    lines.some((line) => /^d1 .*127\.0\.0\.1:34567 .*12\/10000 .*123456/.test(line)),
    lines.join('\n'),
  );
});

test('names of servers are shown where there are any, the first and how many more', (t) => {
  const named = (serves: readonly string[] | null) => ({ ...status.deliveries[0]!, serves });
  const show = (...deliveries: ReturnType<typeof named>[]) => render({ ...status, deliveries });
  t.false(show(named(null)).includes('serves'));
  const text = show(named(null), named(['shop.example']), named(['*.img.example', 'a', 'b']));
  t.regex(text, /serves/);
  t.regex(text, / shop\.example /);
  t.regex(text, / \*\.img\.example \+2 /);
  t.regex(text, / \* /);
});

test('what is piped is not cut', (t) => {
  const text = render(status);
  t.true(text.includes('x'.repeat(64)) && text.includes('returned'));
});

test('cells are shortened in their middle, and columns left out in their order', (t) => {
  const rows = [
    ['name', 'a', 'b'],
    ['one-two-three-four-five', '1', '2'],
  ];
  t.deepEqual(fitTable(rows, Infinity, ['b']), rows);
  t.deepEqual(fitTable(rows, 26, ['b']), [
    ['name', 'a'],
    ['one-two-three-four-five', '1'],
  ]);
  t.deepEqual(fitTable(rows, 18, ['b', 'a']), [['name'], ['one-two-thre…-five']]);
});

test('a line is broken between its parts', (t) => {
  t.is(wrap('mode handoff  policy x  up 5 s', 20), 'mode handoff\n  policy x  up 5 s');
  t.is(wrap('handoff: taken 10, returned 5, lost 1', 24), 'handoff: taken 10,\n  returned 5, lost 1');
  t.is(wrap('short', 80), 'short');
});

test('who restores no congestion windows is named, with the reason, and nobody else', (t) => {
  const text = render(status);
  t.regex(text, /^d1 restores no congestion windows: bpf\(PROG_LOAD\): operation not permitted \(EPERM\)$/m);
  t.is(text.split('no congestion windows').length, 2);
});

test('how next requests are distributed is told where they are, and who takes no part in it', (t) => {
  const of = (looks: readonly boolean[]) =>
    looks.map((each, i) => ({ ...status.deliveries[0]!, name: `d${i}`, state: 'up' as const, looks: each }));
  const all = render({
    ...status,
    deliveries: of([true, true]),
    nextRequests: { moved: 7, chosen: 2, stayed: 0 },
  });
  t.regex(all, /^next requests distributed by ask among 2$/m);
  t.regex(all, /^asked about: moved 7, chosen 2$/m);
  const some = render({ ...status, deliveries: of([true, false, false]) });
  t.regex(some, /^next requests distributed by ask among 1, and by connection at 2 more$/m);
  const none = render({ ...status, distribute: 'connections', distributesBy: null });
  t.false(/next requests|asked about/.test(none));
  const { distribute: _, distributesBy: __, nextRequests: ___, ...older } = status;
  t.false(/next requests/.test(render(older as HeadStatus)));
});
