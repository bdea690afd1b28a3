/** A lab of a file, running: what its timetable says is done to it, and undone. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { flagOf, headSchema } from '../../../shared/config.ts';
import type { Mode } from '../../../shared/status.ts';
import { reload } from '../../admin-client.ts';
import { allRegistered } from '../../experiments/kit/registered.ts';
import { askEach, drainAt, headNames } from '../heads.ts';
import type { Host, Lab, LabHead, LabOptions } from '../lab.ts';
import type { WantedDelivery } from '../wanted.ts';
import type { Action } from './actions.ts';
import type { ReadLab, Step } from './read.ts';
import type { FileDelivery } from './schema.ts';

export interface Happened {
  /** As it is written. */
  readonly text: string;
  /** Milliseconds since 1970: when it was begun, and had come about. */
  readonly from: number;
  readonly to: number;
  /** Why it could not be done. */
  readonly problem?: string;
}

export class World {
  readonly lab: Lab;
  readonly #read: ReadLab;
  readonly #config: PolicyFile | undefined;
  /** Processes that were ended or frozen, and cables that were changed. */
  readonly #ended = new Set<string>();
  readonly #frozen = new Set<string>();
  readonly #changed = new Set<string>();
  #policyChanged = false;

  private constructor(lab: Lab, read: ReadLab, config: PolicyFile | undefined) {
    this.lab = lab;
    this.#read = read;
    this.#config = config;
  }

  /** `start`: a lab of the file's kind. */
  static async start(read: ReadLab, start: (options: LabOptions) => Promise<Lab>): Promise<World> {
    const config = read.timetable.some(({ action }) => action.verb === 'policy')
      ? await PolicyFile.make(policyOf(read))
      : undefined;
    try {
      return new World(await start(optionsOf(read, config?.path)), read, config);
    } catch (error) {
      await config?.remove();
      throw error;
    }
  }

  /** The lab itself is stopped by who started it. */
  async close(): Promise<void> {
    await this.#config?.remove();
  }

  /** What the timetable says, each at its time after `startAt`; ends early, with what it has done, at the signal. */
  async follow(
    startAt: number,
    signal: AbortSignal,
    onStep: (happened: Happened) => void = () => {},
  ): Promise<Happened[]> {
    const all: Happened[] = [];
    for (const { atMs, action, text } of this.#read.timetable) {
      const wait = startAt + atMs - Date.now();
      if (wait > 0) await delay(wait, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      const from = Date.now();
      const problem = await this.#perform(action).then(
        () => undefined,
        (error: Error) => error.message,
      );
      const happened = { text, from, to: Date.now(), ...(problem === undefined ? {} : { problem }) };
      all.push(happened);
      onStep(happened);
    }
    return all;
  }

  async #perform(action: Action): Promise<void> {
    if ('value' in action) {
      if (action.verb === 'mode')
        return await askEach(this.#running, (head) => head.setMode(action.value as Mode));
      this.#policyChanged = true;
      await this.#config!.write(action.value);
      return await askEach(this.#running, (head) => reload(head.admin));
    }
    if ('cable' in action) {
      this.#changed.add(action.target);
      return await this.#host(action.target).setLink(action.cable);
    }
    const { verb, target } = action;
    if (verb === 'drain' || verb === 'undrain')
      return await askEach(this.#running, (head) => head.drain(target, verb === 'drain'));
    const head = this.#head(target);
    if (verb === 'upgrade') return void (await head!.upgrade());
    if (verb === 'freeze') this.#frozen.add(target);
    if (verb === 'kill' || verb === 'stop') this.#ended.add(target);
    const delivery = this.lab.deliveries.find(({ name }) => name === target);
    const process = (delivery ?? head)!;
    if (verb === 'freeze') return await process.freeze();
    if (verb === 'continue') {
      await process.resume();
      return void this.#frozen.delete(target);
    }
    if (verb === 'start') {
      await (delivery ? delivery.restart() : head!.start());
      return void this.#ended.delete(target);
    }
    await (delivery ? delivery[verb]() : head!.end(verb));
    this.#frozen.delete(target);
  }

  #head(name: string): LabHead | undefined {
    return this.lab.heads[headNames(this.lab.heads.length).indexOf(name)];
  }

  /** Those that can be asked. */
  get #running(): readonly LabHead[] {
    const names = headNames(this.lab.heads.length);
    return this.lab.heads.filter((_, at) => !this.#ended.has(names[at]!) && !this.#frozen.has(names[at]!));
  }

  #host(name: string): Host {
    if (name === 'client') return this.lab.client;
    const head = this.#head(name);
    if (head) return head.host;
    return this.lab.deliveries.find((each) => each.name === name)!.host;
  }

  /** As it was when it had started, whatever the timetable has left. Modes and drains are the ways'. */
  async restore(): Promise<void> {
    for (const name of this.#changed) await this.#host(name).setLink(this.#read.cables[name] ?? {});
    const process = (name: string) => this.lab.deliveries.find((each) => each.name === name);
    for (const name of this.#frozen) await (process(name) ?? this.#head(name))!.resume();
    if (this.#policyChanged) await this.#config!.write(policyOf(this.#read));
    // Heads first: deliveries wait for one that welcomes them.
    for (const name of this.#ended) await this.#head(name)?.start();
    for (const name of this.#ended) await process(name)?.restart();
    if (this.#policyChanged) await askEach(this.lab.heads, (head) => reload(head.admin));
    this.#changed.clear();
    this.#frozen.clear();
    this.#ended.clear();
    this.#policyChanged = false;
    await allRegistered(this.lab);
    await drainAt(this.lab, () => false);
  }
}

const policyOf = ({ lab }: ReadLab): string =>
  lab.head?.policy ?? String(headSchema.shape.policy.json.default);

/** A head's policy is changed by its configuration, which it reads again. */
class PolicyFile {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'head.json');
  }

  static async make(policy: string): Promise<PolicyFile> {
    const file = new PolicyFile(await mkdtemp(join(tmpdir(), 'baton-lab-')));
    await file.write(policy);
    return file;
  }

  write(policy: string): Promise<void> {
    return writeFile(this.path, JSON.stringify({ policy }));
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}

function optionsOf({ lab, kind, cables, timetable }: ReadLab, config: string | undefined): LabOptions {
  const { head = {}, deliveries } = lab;
  const own = (host: FileDelivery['host']) =>
    deliveries.filter((each) => (kind === 'loopback' ? 'own' : each.host) === host).map(wanted);
  const touched = timetable.flatMap(({ action }: Step) => (action.verb === 'cable' ? [action.target] : []));
  const plain = Object.fromEntries(touched.map((host) => [host, {}]));
  return {
    mode: head.mode ?? 'handoff',
    ...(lab.heads === 2 && { heads: 2 }),
    deliveries: own('own'),
    local: own('head'),
    ...(kind === 'loopback' ? {} : { links: { ...plain, ...cables } }),
    headArguments: [
      ...(config === undefined ? flags({ policy: head.policy }) : ['--config', config]),
      ...flags({ workers: head.workers, ...head.options }),
    ],
  };
}

const wanted = ({ name, weight, credits, serves, options }: FileDelivery): WantedDelivery => ({
  name,
  arguments: flags({ weight, credits, serves, ...options }),
});

const flags = (settings: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [flagOf(key), String(value)],
  );
