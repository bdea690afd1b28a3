import test from 'ava';
import { findHeads } from '../../delivery/head-address.ts';
import { farHeads } from '../../delivery/remote/heads.ts';
import { deliverySchema, resolveSettings } from '../../shared/config.ts';
import { createLogger } from '../../shared/log.ts';

const log = createLogger('delivery');

test('several heads are heads of other hosts', (t) => {
  const mixed = { head: ['/run/baton/head.sock', '10.0.0.2:8090'] };
  t.throws(() => findHeads(mixed, log, farHeads), {
    message: /several heads are heads of other hosts, HOST:PORT each/,
  });
  t.throws(() => findHeads({ head: ['/a.sock', '/b.sock'] }, log, farHeads), { message: /several heads/ });
  t.throws(() => findHeads({ head: [] }, log, farHeads), { message: /several heads/ });
});

test('one in a list is one', (t) => {
  const [head, ...more] = findHeads({ head: ['/tmp/a.sock', '/tmp/a.sock'] }, log, farHeads);
  t.is(head!.name, '/tmp/a.sock');
  t.is(more.length, 0);
});

test('heads of other hosts need a secret and the address', (t) => {
  t.throws(() => findHeads({ head: ['10.0.0.2:8090', '10.0.0.3:8090'] }, log, farHeads), {
    message: /--secret/,
  });
});

test('a file of settings may name one, or several', (t) => {
  const read = (head: unknown) => resolveSettings(deliverySchema, { head }).head;
  t.is(read('/a.sock'), '/a.sock');
  t.deepEqual(read(['a:1', 'b:2']), ['a:1', 'b:2']);
  for (const wrong of [[], [''], [1], '', Array(9).fill('a:1')])
    t.throws(() => read(wrong), { message: /a path or HOST:PORT, or a list of 8 at most/ });
});
