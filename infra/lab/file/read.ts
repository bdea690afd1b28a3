/** A file as a lab, or an error that says where in it something is wrong and what to do. */
import { basename, extname } from 'node:path';
import { parseDuration } from '../../../shared/units.ts';
import type { Cable, Link } from '../delay/wire.ts';
import { headNames } from '../heads.ts';
import { type Action, noCable, parseAction } from './actions.ts';
import { type Document, readDocument } from './document.ts';
import { suggest } from './nearest.ts';
import { type FileCable, type LabFile, labFileSchema } from './schema.ts';

export type LabKindName = NonNullable<LabFile['on']>;

export interface Step {
  readonly atMs: number;
  readonly action: Action;
  /** As it is written. */
  readonly text: string;
}

export interface ReadLab {
  readonly file: string;
  readonly name: string;
  readonly lab: LabFile;
  readonly kind: LabKindName;
  readonly cables: Readonly<Record<string, Cable>>;
  /** In the order of their times. */
  readonly timetable: readonly Step[];
}

/** `on`: what the command line says. `heads`: how many the labs of each kind can have. Throws LAB_FILE. */
export function readLabFile(file: string, on?: LabKindName): ReadLab {
  return checkLab(file, readDocument(file), on);
}

export function checkLab(file: string, document: Document, on?: LabKindName): ReadLab {
  const lab = read(document);
  const kind = on ?? lab.on ?? 'loopback';
  checkDeliveries(document, lab, kind);
  if (lab.heads > headsOf[kind])
    throw document.wrong(['heads'], `the ${kind} lab has one head; write heads: 1`);
  const hosts = kind === 'loopback' ? [] : ['client', ...headNames(lab.heads), ...ownHosts(lab)];
  return {
    file,
    name: lab.name ?? nameOf(file),
    lab,
    kind,
    cables: readCables(document, lab, kind, hosts),
    timetable: readTimetable(document, lab, kind, hosts),
  };
}

/** What a kind of lab can have. */
const headsOf: Readonly<Record<LabKindName, number>> = { loopback: 1, netns: 2, vagrant: 2 };

const nameOf = (file: string): string =>
  basename(file, extname(file))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 40) || 'lab';

const ownHosts = ({ deliveries }: LabFile) =>
  deliveries.filter(({ host }) => host === 'own').map(({ name }) => name);

function read(document: Document): LabFile {
  const value = document.value ?? {};
  // An editor's pointer to the schema is no setting.
  if (typeof value === 'object' && '$schema' in value) delete value.$schema;
  const result = labFileSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message, unknownKey } = result.issue;
  if (unknownKey !== undefined) {
    const known = knownKeys(path);
    throw document.wrong(
      [...path, unknownKey],
      `there is no "${unknownKey}" here; ${suggest(unknownKey, known)}`,
      'key',
    );
  }
  const missing = path.length > 0 && valueAt(value, path) === undefined;
  const key = String(path.at(-1) ?? '');
  throw missing
    ? document.wrong(path.slice(0, -1), `"${key}" is missing here: ${message}`)
    : document.wrong(path, path.length === 0 ? `${message} with deliveries in it` : `${key}: ${message}`);
}

const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((inside, key) => (inside as Record<string, unknown> | undefined)?.[key], value);

/** Of the map at this path, as the schema describes it. */
function knownKeys(path: readonly (string | number)[]): string[] {
  interface Described {
    properties?: Record<string, Described>;
    items?: Described;
    additionalProperties?: Described | false;
  }
  let at: Described | undefined = labFileSchema.json as Described;
  for (const step of path) {
    const inside: Described | undefined = at?.properties?.[String(step)];
    at = inside ?? (typeof step === 'number' ? at?.items : at?.additionalProperties || undefined);
  }
  return Object.keys(at?.properties ?? {});
}

function checkDeliveries(document: Document, { deliveries, ways, heads }: LabFile, kind: LabKindName): void {
  if (deliveries.length === 0)
    throw document.wrong(['deliveries'], 'a lab takes a delivery: write - name: d1 below it');
  for (const [index, { name }] of deliveries.entries()) {
    const place = ['deliveries', index, 'name'];
    if (name === 'client' || headNames(heads).includes(name))
      throw document.wrong(place, `"${name}" is a host that the lab has; give the delivery another name`);
    if (deliveries.findIndex((each) => each.name === name) < index)
      throw document.wrong(place, `"${name}" is used twice; give one of the two another name`);
  }
  const own = kind !== 'loopback' && deliveries.some(({ host }) => host === 'own');
  const local = kind === 'loopback' || deliveries.some(({ host }) => host === 'head');
  for (const [index, way] of (ways ?? []).entries()) {
    if (way === 'handoff-migrate' && !own)
      throw document.wrong(
        ['ways', index],
        kind === 'loopback'
          ? 'connections move between hosts, and loopback has one; use --on netns, or the way handoff-fd'
          : 'connections move to hosts of their own, and no delivery has one; write host: own for one of them',
      );
    if (way === 'handoff-fd' && !local)
      throw document.wrong(
        ['ways', index],
        "an fd goes to a delivery on the head's own host, and none is there; write host: head for one of them",
      );
  }
}

function readCables(
  document: Document,
  { cables = {} }: LabFile,
  kind: LabKindName,
  hosts: readonly string[],
): Record<string, Cable> {
  for (const host of Object.keys(cables)) {
    if (kind === 'loopback')
      throw document.wrong(
        ['cables', host],
        'the loopback lab has no cables; use --on netns, or leave them out',
        'key',
      );
    if (!hosts.includes(host)) throw document.wrong(['cables', host], noCable(host, hosts), 'key');
    const problem = headCable(kind, host);
    if (problem) throw document.wrong(['cables', host], problem, 'key');
  }
  return Object.fromEntries(Object.entries(cables).map(([host, cable]) => [host, toCable(cable)]));
}

/** Its card steers what comes in. */
const headCable = (kind: LabKindName, host: string): string | undefined =>
  kind === 'vagrant' && headNames(2).includes(host)
    ? "a head's cable cannot be changed in the Vagrant lab; change the client's and the deliveries', or use --on netns"
    : undefined;

function toCable({ out, in: into, ...both }: FileCable): Cable {
  const link = { ...toLink(both) };
  return out || into
    ? { out: { ...link, ...toLink(out ?? {}) }, in: { ...link, ...toLink(into ?? {}) } }
    : link;
}

const toLink = ({ delay, jitter, loss, rate }: Omit<FileCable, 'out' | 'in'>): Link => ({
  ...(delay === undefined ? {} : { delayMs: delay }),
  ...(jitter === undefined ? {} : { jitterMs: jitter }),
  ...(loss === undefined ? {} : { lossPercent: loss }),
  ...(rate === undefined ? {} : { rateMbit: rate }),
});

function readTimetable(
  document: Document,
  { timetable = {}, deliveries, heads: count }: LabFile,
  kind: LabKindName,
  hosts: readonly string[],
): Step[] {
  const names = deliveries.map(({ name }) => name);
  const heads = headNames(count);
  const placed = Object.entries(timetable).flatMap(([when, said]) => {
    const [, text = ''] = /^at\s+(\S+)$/.exec(when) ?? [];
    const atMs = text === '0' || /[a-z]$/.test(text) ? parseDuration(text) : undefined;
    if (atMs === undefined || atMs > 24 * 3_600_000)
      throw document.wrong(['timetable', when], `"${when}" is no time; write at 10s, or at 500ms`, 'key');
    const list = typeof said === 'string' ? [said] : said;
    return list.map((step, index) => {
      const place = typeof said === 'string' ? ['timetable', when] : ['timetable', when, index];
      const action = parseAction(step, { heads, names, hosts });
      const problem = 'problem' in action ? action.problem : cannot(action, kind);
      if (problem !== undefined || 'problem' in action) throw document.wrong(place, problem!);
      return { atMs, action, text: step.trim(), place };
    });
  });
  placed.sort((one, other) => one.atMs - other.atMs);
  const state = new Map<string, 'up' | 'down' | 'frozen'>();
  for (const { action, place, text } of placed) {
    const problem = outOfPlace(action, state, heads);
    if (problem !== undefined) throw document.wrong(place, `"${text}": ${problem}`);
  }
  return placed.map(({ atMs, action, text }) => ({ atMs, action, text }));
}

function cannot(action: Action, kind: LabKindName): string | undefined {
  if (action.verb === 'cable') return headCable(kind, action.target);
  if (action.verb === 'policy' && kind === 'vagrant')
    return 'in the Vagrant lab the policy is that of the start: write it as policy of head, or use --on netns';
  return undefined;
}

type State = 'up' | 'down' | 'frozen';

/** What cannot be by then: `state` has what each process is, and is brought forward. */
function outOfPlace(action: Action, state: Map<string, State>, heads: readonly string[]): string | undefined {
  const { verb } = action;
  if ('cable' in action) return undefined;
  const asked = verb === 'upgrade' ? [action.target] : heads;
  const states = asked.map((name) => state.get(name) ?? 'up');
  const [head] = states;
  if (asksHeads.has(verb) && head && head !== 'up' && !states.includes('up'))
    return `${asked.length > 1 ? 'no head runs' : `the ${asked[0]} is ${head === 'down' ? 'gone' : 'frozen'}`} then; write ${mend[head]} ${asked[0]} before`;
  if ('value' in action || action.verb === 'drain' || action.verb === 'undrain') return undefined;
  const { target } = action;
  const now = state.get(target) ?? 'up';
  if (verb === 'start' && now !== 'down') return `${target} runs then; kill or stop it before`;
  if (verb === 'continue' && now !== 'frozen') return `${target} is not frozen then; freeze it before`;
  if (verb !== 'start' && now === 'down') return `${target} has ended by then; start it before`;
  state.set(target, after[action.verb]);
  return undefined;
}

const asksHeads = new Set<Action['verb']>(['mode', 'policy', 'drain', 'undrain', 'upgrade']);
const mend = { down: 'start', frozen: 'continue' } as const;
const after = {
  kill: 'down',
  stop: 'down',
  freeze: 'frozen',
  continue: 'up',
  start: 'up',
  upgrade: 'up',
} as const;
