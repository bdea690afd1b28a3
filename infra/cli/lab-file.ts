/** `baton lab run FILE` and `baton lab up --file FILE`: a lab that a person describes. */
import { BatonError } from '../../shared/errors.ts';
import { experimentFrom } from '../experiments/from-file.ts';
import { type LabKindName, type ReadLab, readLabFile } from '../lab/file/read.ts';
import { type Happened, World } from '../lab/file/world.ts';
import { headNames } from '../lab/heads.ts';
import { labKinds } from '../lab/kinds/index.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import type { Lab } from '../lab/lab.ts';
import { otherSignals, stopSignals } from '../processes/signals.ts';
import { formatTable } from '../terminal/table.ts';
import { type LabFlags, runAll } from './lab-run.ts';

function read(file: string, on: LabKind, given: boolean): { readonly lab: ReadLab; readonly kind: LabKind } {
  const lab = readLabFile(file, given ? (on.name as LabKindName) : undefined);
  return { lab, kind: labKinds.find(({ name }) => name === lab.kind)! };
}

export async function runFile(file: string, flags: LabFlags, onIsGiven: boolean): Promise<void> {
  const { lab, kind } = read(file, flags.on, onIsGiven);
  await runAll([experimentFrom(lab)], { ...flags, on: kind });
}

/** Starts it, lets happen what the file says, and removes it when it is told to. */
export async function upFile(file: string, on: LabKind, onIsGiven: boolean): Promise<void> {
  const { lab: wanted, kind } = read(file, on, onIsGiven);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  const signals = [...stopSignals, ...otherSignals];
  for (const signal of signals) process.on(signal, interrupt);
  let lab: Lab | undefined;
  try {
    const world = await World.start(wanted, async (options) => {
      lab = await kind.start(options);
      return lab;
    });
    try {
      process.stdout.write(`${describe(world.lab, wanted)}\n`);
      const began = Date.now();
      if (!stop.signal.aborted) await world.follow(began, stop.signal, (happened) => tell(happened, began));
      await untilAborted(stop.signal);
    } finally {
      await world.close();
    }
  } catch (error) {
    if (!(error instanceof BatonError && stop.signal.aborted)) throw error;
  } finally {
    await lab?.stop();
    for (const signal of signals) process.off(signal, interrupt);
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    // Nothing else keeps this process: what it has started does not.
    const alive = setInterval(() => {}, 60_000);
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });

function tell({ text, from, problem }: Happened, began: number): void {
  const at = `${((from - began) / 1000).toFixed(1)} s`;
  process.stdout.write(
    `${at.padStart(8)}  ${text}${problem === undefined ? '' : `: could not be done: ${problem}`}\n`,
  );
}

function describe({ head, heads, deliveries, on }: Lab, { file, timetable }: ReadLab): string {
  const names = headNames(heads.length);
  const rows = [
    ...heads.map(({ host, listen, pid }, index) => [names[index]!, host.name, listen, String(pid)]),
    ...deliveries.map(({ name, host, direct, pid }) => [name, host.name, direct, String(pid)]),
  ];
  return [
    formatTable(['process', 'host', 'address', 'pid'], rows),
    '',
    `the lab of ${file} is up, on ${on}, until Ctrl-C`,
    ...(on === 'loopback' ? [`visit it:   curl http://${head.listen}/whoami`] : []),
    ...(on === 'vagrant' ? ["visit it:   vagrant ssh client -c 'curl -s http://vip:8080/whoami'"] : []),
    ...heads.map(({ admin }) => `steer it:   baton status --admin-socket ${admin}`),
    ...(timetable.length > 0 ? ['what happens:'] : []),
  ].join('\n');
}
