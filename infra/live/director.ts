/**
 * What is wanted of a stage at this moment, and making it so: which way visits go, at which rate, what each delivery and each
 * cable does. Deeds come one after the other, through `perform` in deeds.ts.
 */
import { writeFile } from 'node:fs/promises';
import type { DeliveryStatus, HeadStatus } from '../../shared/status.ts';
import { getStatus, reload, setDrain, setMode } from '../admin-client.ts';
import type { Hindrance, Stage } from './stage.ts';
import type { Visitors } from './visitors/visitors.ts';
import { hostsOf, isLeftOut, type LiveWay } from './ways.ts';

/** What this page has done to the process of a delivery. */
export type Running = 'running' | 'frozen' | 'ended';

export interface CableSetting {
  readonly rttMs: number;
  /** In each direction. */
  readonly lossPercent: number;
}

export type EventKind = 'switched' | 'killed' | 'changed' | 'head' | 'noted' | 'problem';

export interface DirectorOptions {
  readonly stage: Stage;
  readonly ways: readonly LiveWay[];
  readonly status: HeadStatus;
  readonly rate: number;
  readonly onEvent: (kind: EventKind, text: string) => void;
  /** Somebody waits to see what that changes. */
  readonly onSwitched: () => void;
  /** Writes the report and ends everything. */
  readonly onFinish: () => Promise<void>;
}

/** A window of steady visits, as long as a round of `baton lab modes`. */
const WINDOW_MS = 1000;
/** Of two ways in turns: visits after each switch that are not counted, as the other's may be among them. */
const WARM_UP_MS = 300;
const TIMEOUT_MS = 5000;
/** How long a turn waits for the last visits of the one before. */
const TAIL_MS = 1000;

/** A delivery that comes again may have another slot. */
const inOrder = (deliveries: readonly DeliveryStatus[]) =>
  deliveries.toSorted((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true }));

/** To another host, where the mode may mean two ways: that is what a lab with hosts is for. */
const wayOf = (ways: readonly LiveWay[], { mode }: HeadStatus) => ways.findLast((each) => each.mode === mode);

export class Director {
  readonly stage: Stage;
  readonly ways: readonly LiveWay[];
  readonly finish: () => Promise<void>;
  readonly tell: (kind: EventKind, text: string) => void;
  readonly #onSwitched: () => void;
  /** Undefined while nobody can visit from here. */
  visits: Visitors | undefined;
  /** How the head was when it was asked last; undefined while it does not answer. */
  status: HeadStatus | undefined;
  /** Deeds that were begun, and that go on: what the head says of the time before a deed's end says nothing against it. */
  deeds = 0;
  underWay = 0;
  whyNoReport: Hindrance | undefined;
  #way: LiveWay;
  #rate: number;
  #turns: readonly [string, string] | null = null;
  #turning: Promise<void> | undefined;
  #known: readonly DeliveryStatus[];
  readonly #drained = new Set<string>();
  readonly #running = new Map<string, Running>();
  readonly #cables = new Map<string, CableSetting>();

  constructor({ stage, ways, status, rate, onEvent, onSwitched, onFinish }: DirectorOptions) {
    this.stage = stage;
    this.ways = ways;
    this.status = status;
    this.#known = inOrder(status.deliveries);
    this.#rate = rate;
    this.#way = wayOf(ways, status)!;
    this.tell = onEvent;
    this.#onSwitched = onSwitched;
    this.finish = onFinish;
    for (const { name } of stage.lab?.deliveries ?? []) this.#running.set(name, 'running');
    for (const { name, state } of status.deliveries) if (state === 'draining') this.#drained.add(name);
    for (const host of stage.cables) this.#cables.set(host, { rttMs: 0, lossPercent: 0 });
  }

  get way(): string {
    return this.#way.name;
  }
  get turns(): readonly [string, string] | null {
    return this.#turns;
  }
  get rate(): number {
    return this.visits ? this.#rate : 0;
  }
  get cables(): ReadonlyMap<string, CableSetting> {
    return this.#cables;
  }
  /** Those that the head knows, or knew when it was asked last. */
  get deliveries(): readonly DeliveryStatus[] {
    return this.#known;
  }
  running(delivery: string): Running | undefined {
    return this.#running.get(delivery);
  }
  isDrained(delivery: string): boolean {
    return this.#drained.has(delivery);
  }
  get headIsThere(): Hindrance | undefined {
    return this.status ? undefined : { reason: 'the head does not answer', mend: 'wait until it is back' };
  }

  #named(name: string): LiveWay {
    return this.ways.find((each) => each.name === name)!;
  }

  async go(name: string): Promise<void> {
    await this.#endTurns();
    this.#way = this.#named(name);
    await this.goAgain();
    this.#onSwitched();
  }

  /** Makes the head go the way that is chosen, and visits with it. */
  async goAgain(): Promise<void> {
    await this.#steer();
    this.#visit();
  }

  visitAt(rate: number): void {
    this.#rate = rate;
    // Those who take turns have the new rate with the next one.
    if (!this.#turns) this.#visit();
  }

  #visit(windowMs = WINDOW_MS, windows: number | null = null, warm = false): number {
    const { name } = this.#way;
    const hosts = hostsOf(this.#way, this.stage.head, { deliveries: this.#known });
    const urls =
      this.#rate > 0 ? this.stage.paths.flatMap((path) => hosts.map((host) => `http://${host}${path}`)) : [];
    return (
      this.visits?.go({
        ...{ way: name, urls, rate: this.#rate, windowMs, windows, warm },
        timeoutMs: TIMEOUT_MS,
      }) ?? 0
    );
  }

  /** Those who are to get connections first, so that at no moment nobody does. */
  async #steer(): Promise<void> {
    const { admin } = this.stage;
    // What it said up to a second ago may have been before the last switch.
    const status = await getStatus(admin);
    this.#known = inOrder(status.deliveries);
    await this.#drainWhere(false);
    const { mode } = this.#way;
    if (mode !== undefined && status.mode !== mode) await setMode(admin, mode);
    await this.#drainWhere(true);
  }

  #wantsDrained(delivery: DeliveryStatus): boolean {
    const transports = this.#known.map(({ transport }) => transport);
    // Beside a head that others use nothing is drained that nobody has asked for.
    const leftOut = this.stage.lab !== undefined && isLeftOut(this.#way, delivery, transports);
    return leftOut || this.#drained.has(delivery.name);
  }

  async #drainWhere(wanted: boolean): Promise<void> {
    for (const delivery of this.#known) {
      const isSo = wanted === (delivery.state === 'draining');
      if (delivery.state === 'down' || isSo || this.#wantsDrained(delivery) !== wanted) continue;
      await setDrain(this.stage.admin, delivery.name, wanted);
    }
  }

  async takeTurns(pair: readonly [string, string] | null): Promise<void> {
    await this.#endTurns();
    this.#turns = pair;
    if (pair) this.#turning = this.#alternate(pair);
    else await this.goAgain();
  }

  async #endTurns(): Promise<void> {
    this.#turns = null;
    await this.#turning;
    this.#turning = undefined;
  }

  async #alternate(pair: readonly [string, string]): Promise<void> {
    for (let turn = 0; this.#turns === pair; turn++) {
      this.#way = this.#named(pair[turn % 2]!);
      // What the head says meanwhile is not from elsewhere.
      this.deeds++;
      try {
        await this.#steer();
      } catch {
        // It is away; the next turn may find it back.
      }
      await this.#overWithin(this.#visit(WARM_UP_MS, 1), WARM_UP_MS);
      if (this.#turns !== pair) return;
      await this.#overWithin(this.#visit(WINDOW_MS, 1, true), WINDOW_MS);
    }
  }

  async #overWithin(stretch: number, beginMs: number): Promise<void> {
    await this.visits!.over(stretch, beginMs + TAIL_MS);
  }

  async choosePolicy(name: string): Promise<void> {
    await writeFile(this.stage.settings!, JSON.stringify({ policy: name }), { mode: 0o600 });
    await reload(this.stage.admin);
  }

  async setCable(host: string, wanted: CableSetting): Promise<void> {
    const lab = this.stage.lab!;
    const hosts = [lab.client, lab.head.host, ...lab.deliveries.map((each) => each.host)];
    const { rttMs, lossPercent } = wanted;
    await hosts.find(({ name }) => name === host)!.setLink({ delayMs: rttMs / 2, lossPercent });
    this.#cables.set(host, wanted);
    this.#visitAnew();
  }

  /** What is measured from now on is something else than before. */
  #visitAnew(): void {
    if (!this.#turns) this.#visit();
  }

  async drain(name: string, on: boolean): Promise<void> {
    if (on) this.#drained.add(name);
    else this.#drained.delete(name);
    const delivery = this.#known.find((each) => each.name === name)!;
    await setDrain(this.stage.admin, name, this.#wantsDrained(delivery));
    this.#visitAnew();
  }

  async bring(name: string, to: Running): Promise<void> {
    const delivery = this.stage.lab!.deliveries.find((each) => each.name === name)!;
    const from = this.#running.get(name);
    if (to === 'ended') await delivery.kill();
    else if (to === 'frozen') await delivery.freeze();
    else if (from === 'frozen') await delivery.resume();
    else await delivery.restart();
    this.#running.set(name, to);
    this.#visitAnew();
  }

  /**
   * The head says how it is. What others have switched meanwhile counts; what a head that was started again does not know
   * any more is said to it again.
   */
  async heed(status: HeadStatus | undefined, deedsBefore: number): Promise<void> {
    const before = this.status;
    this.status = status;
    if (status) this.#known = inOrder(status.deliveries);
    if (!status || deedsBefore !== this.deeds || this.underWay > 0 || this.#turns) return;
    if (this.stage.lab && before && before.pid !== status.pid) return;
    const { mode } = this.#way;
    if (mode !== undefined && status.mode !== mode) {
      this.#way = wayOf(this.ways, status)!;
      this.tell('switched', `mode ${status.mode}, switched from elsewhere`);
      this.#visit();
    }
    const wrong = status.deliveries.filter(
      (each) => each.state !== 'down' && this.#wantsDrained(each) !== (each.state === 'draining'),
    );
    for (const each of wrong) {
      const isNew = before?.deliveries.find(({ name }) => name === each.name)?.pid !== each.pid;
      if (isNew && this.stage.lab) await setDrain(this.stage.admin, each.name, this.#wantsDrained(each));
      else if (each.state === 'draining') this.#drained.add(each.name);
      else this.#drained.delete(each.name);
    }
  }

  async end(): Promise<void> {
    await this.#endTurns();
    await this.visits?.end();
  }
}
