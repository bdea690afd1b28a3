import test from 'ava';
import { readResumeObject } from '../../../shared/tcp-repair/resume.ts';
import { testCompiled } from '../../support/compiled.ts';

testCompiled('shared/tcp-repair/resume.bpf.c', readResumeObject);

/** linux/bpf.h: stores of a register or a number, and r10, which is the stack's top. */
const STORES = new Set([0x63, 0x6b, 0x73, 0x62, 0x6a, 0x72]);
const FRAME = 10;

test('no place of the stack is written twice in a way that Linux 6.1 refuses without CAP_PERFMON', (t) => {
  // A narrow store at a multiple of 8 is a spilled register to it, and the next narrow one there "corrupts" that
  // (check_stack_write_fixed_off).
  const { code } = readResumeObject();
  const places: number[] = [];
  for (let at = 0; at < code.length; at += 8) {
    const narrow = STORES.has(code[at]!) && (code[at + 1]! & 0xf) === FRAME;
    const offset = code.readInt16LE(at + 2);
    if (narrow && offset % 8 === 0) places.push(offset);
  }
  t.true(places.length > 0);
  t.is(new Set(places).size, places.length, places.join());
});
