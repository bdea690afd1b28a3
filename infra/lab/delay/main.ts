/**
 * The delay line of one link, as a process of its own: two TAP devices, and what goes into one comes out of the other
 * later. For kernels without netem. It says ready when both are there, and ends when one of them is removed.
 *
 *     node infra/lab/delay/main.ts NEAR FAR LINK
 *
 * LINK is a file with what the link does (see encodeCable); whoever writes it changes the link at once.
 *
 * Measured on a 2-core machine with others at work, 10 ms at 5,000 packets a second: 0.03 ms late at p50, 0.15 at p99.
 */
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { mapFile } from '../../../shared/sys/memory.ts';
import { becomeRealtime, createExactWait } from '../../../shared/sys/realtime.ts';
import { sharpenTimers } from '../../../shared/sys/sleep.ts';
import { openTap, readFrame, writeFrame } from '../../../shared/sys/tap.ts';
import { createWire, FRAME_MAX, LINK_BYTES, type Wire } from './wire.ts';

/** Below the kernel's own threads, whose default is 50. */
const PRIORITY = 40;
/** Between a frame's leaving the card and our reading it, measured (a line without delay adds 18 us). */
const INTAKE_MICROS = 18;
/** A timer's lateness is measured and made up for, up to this much. */
const LATENESS_MAX_MICROS = 100;
/** Frames read in one go, so that those which are due do not wait for a flood to end. */
const BURST = 16;

const [near, far, file] = process.argv.slice(2) as [string, string, string];
const link = mapFile(file, 2 * LINK_BYTES).view.buffer;
const direction = (index: number) => new Float64Array(link, index * LINK_BYTES, LINK_BYTES / 8);
const taps = [openTap(near), openTap(far)] as const;
/** wires[i] leads from taps[i] to the other one. */
const wires = [createWire(direction(0), 1), createWire(direction(1), 2)] as const;

sharpenTimers();
const realtime = becomeRealtime(PRIORITY);
process.stdout.write(`${JSON.stringify({ ready: 'delay-line', near, far, pid: process.pid, realtime })}\n`);

const micros = () => performance.now() * 1000;
const wait = createExactWait(taps);
/** How late a wait has ended lately, microseconds: a frame this close to its time goes now. */
let lateness = 0;
for (;;) {
  const due = Math.min(wires[0].nextMicros, wires[1].nextMicros) - lateness;
  const rest = due - micros();
  if (rest > 0) {
    if (wait.wait(rest)) {
      if (wait.isReady(0)) takeIn(taps[0], wires[0]);
      if (wait.isReady(1)) takeIn(taps[1], wires[1]);
    } else {
      const late = Math.min(micros() - due, LATENESS_MAX_MICROS);
      lateness += (late - lateness) / 64;
    }
  } else if (wait.wait(0)) {
    if (wait.isReady(0)) takeIn(taps[0], wires[0]);
    if (wait.isReady(1)) takeIn(taps[1], wires[1]);
  }
  letOut(wires[0], taps[1]);
  letOut(wires[1], taps[0]);
}

function takeIn(tap: number, wire: Wire): void {
  for (let i = 0; i < BURST; i++) {
    const entry = wire.entry;
    // Without room the frames stay with the card, which drops what it cannot keep.
    if (entry < 0) return;
    const now = micros();
    const length = readFrame(tap, wire.memory, entry, FRAME_MAX);
    if (length === EAGAIN) return;
    // One of the cards is gone, with its host.
    if (length < 0) process.exit(0);
    wire.enter(length, now - INTAKE_MICROS);
  }
}

/** A frame that the card does not take (it is down) is lost, as on a real wire. */
function letOut(wire: Wire, tap: number): void {
  const now = micros() + lateness;
  while (wire.nextMicros <= now) {
    writeFrame(tap, wire.memory, wire.exit, wire.exitLength);
    wire.leave();
  }
}
