/**
 * Runs of the models in which a head and two deliveries of its host hand connections to and fro, in the lines of a trace. In these 9 is
 * the head, 0 and 1 are the deliveries; pids begin with 1. Each delivery has one lane.
 */
import { checkTrace } from '../../infra/trace/index.ts';

const HEAD = 9;
const DELIVERIES = [0, 1] as const;
const pidOf = (process: number): number => process + 1;

export interface Run {
  readonly trace: string;
  readonly killed: readonly number[];
  readonly steps: ReadonlySet<string>;
  /** It came to where nothing moves any more. */
  readonly isStill: boolean;
}

/** What the model prints of a step: by whom; with which connection and which delivery's lane; and whatever there is to say of it. */
export interface Printed {
  readonly c: number;
  readonly d: number;
  readonly details?: readonly number[];
}

const OF_LANES = ['shutdown', 'emptied'];
const COUNTED = ['hearEnded', 'ended'];
const BY_SLOT = ['regain', 'decline'];

export class ModelTrace {
  readonly #lines: string[] = [];
  readonly #killed: number[] = [];
  readonly #steps = new Set<string>();
  /** Of each lane, by connection: its number there, and the one by which the delivery has it. */
  readonly #offered = DELIVERIES.map(() => new Map<number, number>());
  readonly #has = DELIVERIES.map(() => new Map<number, number>());
  readonly #numbers = [0, 0];
  #isStill = false;

  /** `credits`: of each delivery. */
  constructor(credits: number) {
    for (const d of DELIVERIES) {
      this.#say(HEAD, `s${d}`, 'member', pidOf(d), credits, 0, 'fd');
      this.#say(HEAD, `l${d}`, 'open', d);
      this.#say(d, `l${d}`, 'join', `d${d}`);
    }
  }

  #say(process: number, ...rest: (string | number)[]): void {
    this.#lines.push(`${this.#lines.length} ${pidOf(process)}.0 ${rest.join(' ')}\n`);
  }

  isKilled(process: number): boolean {
    return this.#killed.includes(pidOf(process));
  }

  take(process: number, step: string, { c, d, details = [] }: Printed): void {
    if (step === 'still') this.#isStill = true;
    else {
      this.#steps.add(step);
      if (step === 'dies') this.#killed.push(pidOf(process));
      else if (process === HEAD) this.#takeAtHead(step, c, d);
      else this.#takeAtDelivery(process, step, c, details);
    }
  }

  #takeAtHead(step: string, c: number, d: number): void {
    if (step === 'accept') this.#say(HEAD, `c${c}`, step, '-', 0);
    else if (step === 'answer') this.#say(HEAD, `c${c}`, step, 'unavailable');
    else if (OF_LANES.includes(step)) this.#say(HEAD, `l${d}`, step);
    else if (COUNTED.includes(step)) this.#say(HEAD, `l${d}`, step, 1);
    else if (BY_SLOT.includes(step)) this.#say(HEAD, `c${c}`, step, d);
    else {
      if (step === 'offer') this.#offered[d]!.set(c, this.#numbers[d]!++);
      this.#say(HEAD, `c${c}`, step, `l${d}`, this.#offered[d]!.get(c)!);
      if (step === 'hearTaken') this.#say(HEAD, `c${c}`, 'close');
    }
  }

  #takeAtDelivery(d: number, step: string, c: number, details: readonly number[]): void {
    const number = this.#offered[d]!.get(c)!;
    if (COUNTED.includes(step)) this.#say(d, `l${d}`, step, 1);
    else if (step === 'return') this.#say(d, `l${d}`, step, number);
    else if (step === 'take' || step === 'drop') this.#say(d, `l${d}`, step, number, `c${c}`);
    else this.#say(d, `ad${d}-${this.#has[d]!.get(c)}`, step, ...details);
    if (step !== 'take') return;
    this.#has[d]!.set(c, number);
    this.#say(d, `ad${d}-${number}`, 'serve');
  }

  get run(): Run {
    const trace = this.#lines.join('');
    return { trace, killed: this.#killed, steps: this.#steps, isStill: this.#isStill };
  }
}

/** What a run has printed, in the order of its steps, with the numbers behind each. */
export function* printedBy(stdout: string): Iterable<[process: number, step: string, numbers: number[]]> {
  for (const [, who, step, rest] of stdout.matchAll(/^\s*TRACE (\d) (\w+)((?: \d+)*)$/gm))
    yield [Number(who), step!, rest!.split(' ').slice(1).map(Number)];
}

/** `read`: what the numbers behind a step are. */
export function readRun(
  stdout: string,
  trace: ModelTrace,
  read: (numbers: readonly number[]) => Printed,
): Run {
  for (const [process, step, numbers] of printedBy(stdout)) trace.take(process, step, read(numbers));
  return trace.run;
}

export const faultsOf = ({ trace, killed, isStill }: Run): readonly string[] =>
  checkTrace(trace, { killed, isStill, running: [HEAD, ...DELIVERIES].map(pidOf) }).faults;
