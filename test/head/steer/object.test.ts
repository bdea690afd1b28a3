/** The committed object is what the committed source compiles to; addresses are read and written as they should be. */
import test from 'ava';
import fc from 'fast-check';
import { readSteeringObject } from '../../../head/steer/object.ts';
import { readAddress, writeAddress } from '../../../shared/addresses.ts';
import { linkMaps } from '../../../shared/bpf/object.ts';
import { testCompiled } from '../../support/compiled.ts';

testCompiled('head/steer/steer.bpf.c', readSteeringObject);

test('each use of a map gets its fd, and nothing else changes', (t) => {
  const object = readSteeringObject();
  const fds: Record<string, number> = { flows: 77, fragments: 78, unknown: 79 };
  const linked = linkMaps(object, fds);
  for (const { at, map } of object.mapUses) {
    t.is(object.code[at], 0x18);
    t.is(linked[at + 1]! >> 4, 1);
    t.is(linked.readInt32LE(at + 4), fds[map]!);
    linked[at + 1]! &= 0x0f;
    linked.writeInt32LE(0, at + 4);
  }
  t.deepEqual(linked, object.code);
});

const bytesOf = (address: string): number[] => {
  const bytes = Buffer.alloc(18, 0xee);
  writeAddress(bytes, 1, address);
  if (bytes[0] !== 0xee || bytes[17] !== 0xee) throw new Error('wrote beyond its 16 bytes');
  return [...bytes.subarray(1, 17)];
};

test('addresses become the bytes that packets have', (t) => {
  const zeros = (n: number) => Array<number>(n).fill(0);
  t.deepEqual(bytesOf('10.77.0.255'), [...zeros(10), 255, 255, 10, 77, 0, 255]);
  t.deepEqual(bytesOf('::ffff:10.77.0.255'), bytesOf('10.77.0.255'));
  t.deepEqual(bytesOf('::'), zeros(16));
  t.deepEqual(bytesOf('::1'), [...zeros(15), 1]);
  t.deepEqual(bytesOf('fd77::'), [0xfd, 0x77, ...zeros(14)]);
  t.deepEqual(bytesOf('1:2:3:4:5:6:7:8'), [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]);
  for (const bad of ['', 'localhost', '10.77.0', '10.77.0.256', 'fe80::1%eth0', '::g'])
    t.throws(() => bytesOf(bad), { instanceOf: RangeError }, bad);
});

test('any address survives writing and reading', (t) => {
  const bytes = Buffer.alloc(16);
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      writeAddress(bytes, 0, address);
      const once = Buffer.from(bytes);
      writeAddress(bytes, 0, readAddress(bytes, 0));
      return once.equals(bytes);
    }),
  );
  t.pass();
});
