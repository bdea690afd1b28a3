/**
 * Real clients ask for a page, send a form and open a WebSocket, plain and over TLS, while the head hands over, answers 307
 * and answers 201: who goes where the Location says, and does the body come along?
 */
import { createHash, X509Certificate } from 'node:crypto';
import type { Lab } from '../lab/lab.ts';
import type { Table } from '../report/chart.ts';
import {
  type Client,
  clientPrograms,
  type Method,
  methods,
  socketPrograms,
  type Trust,
} from './clients/programs.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { versionOn } from './kit/rivals.ts';
import { waysOf } from './kit/ways.ts';

/** One of each kind is enough: a client sees no difference between transports. */
const wayNames = ['direct', 'handoff', 'redirect', 'created'] as const;
type WayName = (typeof wayNames)[number];

const titles: Readonly<Record<WayName, string>> = {
  direct: 'direct',
  handoff: 'handed over',
  redirect: '307',
  created: '201',
};

const schemes = ['http', 'https'] as const;
type Scheme = (typeof schemes)[number];

const SOCKET = 'WebSocket';
type What = Method | typeof SOCKET;

export const clients: Experiment = {
  name: 'clients',
  title: 'what curl, Python, Node, wget and Chromium do with a handoff, a 307 and a 201, plain and over TLS',
  question: 'Do real clients follow a 307 and a 201, also with a body, and what do they notice of a handoff?',
  seconds: { full: 80, quick: 80 },
  run,
};

interface Trial {
  readonly client: Client;
  readonly scheme: Scheme;
  readonly way: WayName;
  readonly what: What;
}

interface Seen extends Trial {
  readonly became: string;
  readonly served: boolean;
}

interface Present {
  readonly client: Client;
  /** Undefined where it is not installed. */
  readonly version: string | undefined;
}

async function run({ startLab, progress, signal }: ExperimentContext): Promise<Findings> {
  const lab = await startLab({ mode: 'handoff', deliveries: 1, local: 1, tls: 'everywhere' });
  const trust = await trustOf(lab);
  const present: Present[] = [];
  for (const client of [...clientPrograms, ...socketPrograms])
    present.push({ client, version: await versionOn(lab.client, client.version) });
  const trials = trialsOf(present.flatMap(({ client, version }) => (version === undefined ? [] : [client])));
  const expectedMs = ({ client }: Trial) => (client.needs === 'chromium' ? 2500 : 500);
  progress.expect(trials.reduce((sum, trial) => sum + expectedMs(trial), 0));
  const seen: Seen[] = [];
  let current: WayName | undefined;
  for (const trial of trials) {
    if (signal.aborted) break;
    const { client, way, what, scheme } = trial;
    if (way !== current) await wayIn(lab, way).choose();
    current = way;
    const label = `${client.name}: ${what}, ${scheme}, ${titles[way]}`;
    const result = await progress.during(label, expectedMs(trial), () => attempt(lab, trial, trust, signal));
    if (!signal.aborted) seen.push({ ...trial, ...result });
  }
  return {
    answer: answer(seen),
    parameters: {
      GET: 'for /whoami',
      POST: 'to /echo, with a body of some bytes',
      [SOCKET]: 'one message, which comes back',
      ...Object.fromEntries(present.map(({ client, version }) => [client.name, version ?? 'not installed'])),
    },
    tables: [...schemes.map((scheme) => table(present, seen, scheme)), socketTable(present, seen)],
    notes: [
      'A client was served when it showed the delivery’s answer: who answered, for GET; for POST the very body that it had sent; of a WebSocket the message that it had sent.',
      'HTTP/2 where it is said so: by the word of the delivery that answered. The clients of a head that hands over agree on it with the delivery, as the head does not come into their handshake.',
      'Each client trusts the lab’s certificate by the option that it has for that, and checks it.',
      'A 307 promises that the method stays the same (RFC 9110 section 15.4.8). A 201 names what was made; no client takes its Location for an order to go there.',
      'Without TLS a head that answers 307 or 201 hands WebSockets over all the same, as their clients follow neither (RFC 6455). Where it has spoken TLS with them itself it cannot any more.',
    ],
    warnings: [],
  };
}

const wayIn = (lab: Lab, way: WayName) =>
  waysOf(lab).find(({ name, mode }) => (way === 'direct' ? name : mode) === way)!;

/** Way by way, as the head is switched between them. */
const trialsOf = (installed: readonly Client[]): Trial[] =>
  wayNames.flatMap((way) =>
    schemes.flatMap((scheme) =>
      installed.flatMap((client) => {
        const whats: readonly What[] = socketPrograms.includes(client) ? [SOCKET] : methods;
        return whats.map((what) => ({ client, scheme, way, what }));
      }),
    ),
  );

async function trustOf({ client, certificate }: Lab): Promise<Trust> {
  const { publicKey } = new X509Certificate(await client.run(['cat', certificate!]));
  const key = publicKey.export({ type: 'spki', format: 'der' });
  return { file: certificate!, keyDigest: createHash('sha256').update(key).digest('base64') };
}

async function attempt(lab: Lab, { client, scheme, way, what }: Trial, trust: Trust, signal: AbortSignal) {
  const secure = scheme === 'https';
  const body = `sent-${Math.random().toString(36).slice(2, 10)}`;
  const host = wayIn(lab, way).hosts[0]!;
  const url =
    what === SOCKET
      ? `${secure ? 'wss' : 'ws'}://${host}/`
      : `${scheme}://${host}${what === 'GET' ? '/whoami' : '/echo'}`;
  const command = client.command({
    method: what === SOCKET ? 'GET' : what,
    url,
    body,
    trust: secure ? trust : undefined,
    slowUrl: `http://${wayIn(lab, 'direct').hosts[0]}/delay/1000`,
  });
  // Whatever it answers and however it ends is the result.
  const text = await lab.client.run(['sh', '-c', '"$@" 2>&1; true', 'sh', ...command], { signal });
  const statuses = [...text.matchAll(/^status=(\d{3})$/gm)].map((match) => match[1]!);
  const served = isServed(text, what, body, client);
  return { served, became: describe(text, statuses.at(-1), served, what) };
}

function isServed(text: string, what: What, body: string, { needs }: Client): boolean {
  if (what === 'GET') return /"delivery":\s*"/.test(text);
  // The page's own source has the message as it was sent.
  const back = what === SOCKET && needs === 'chromium' ? body.replace('-', '_') : body;
  return text.includes(back);
}

function describe(text: string, status: string | undefined, served: boolean, what: What): string {
  if (served) {
    if (what === 'POST') return 'served, with the body';
    return /"protocol":\s*"HTTP\/2/.test(text) ? 'served, by HTTP/2' : 'served';
  }
  if (status === '200') return 'went there without the body';
  const error = /^(\w+Error)\b/m.exec(text)?.[1];
  if (status !== undefined) return `stopped at the ${status}${error ? ` (${error})` : ''}`;
  if (text.includes('<a href=')) return 'showed the page with the link';
  if (what === SOCKET) return 'refused the answer';
  return `failed: ${text.trim().split('\n').at(-1)?.slice(0, 80) || 'no output'}`;
}

const isNotInstalled = (client: Client) => `not installed: sudo apt-get install ${client.package}`;

function table(present: readonly Present[], seen: readonly Seen[], scheme: Scheme): Table {
  const columns = wayNames.flatMap((way) => methods.map((what) => ({ way, what })));
  return {
    title: scheme === 'http' ? 'What each client did' : 'What each client did over TLS',
    lead: 'One request each, on a new connection.',
    columns: ['client', ...columns.map(({ way, what }) => `${what}, ${titles[way]}`)],
    rows: present
      .filter(({ client }) => clientPrograms.includes(client))
      .map(({ client, version }) => [
        client.name,
        ...columns.map((column) =>
          version === undefined ? isNotInstalled(client) : becameOf(seen, { client, scheme, ...column }),
        ),
      ]),
  };
}

function socketTable(present: readonly Present[], seen: readonly Seen[]): Table {
  const rows = present.filter(({ client }) => socketPrograms.includes(client));
  return {
    title: 'What became of a WebSocket',
    lead: 'One message, which should come back.',
    columns: ['client', ...wayNames.map((way) => titles[way])],
    rows: rows.flatMap(({ client, version }) =>
      schemes.map((scheme) => [
        `${client.name}${scheme === 'https' ? ', over TLS' : ''}`,
        ...wayNames.map((way) =>
          version === undefined
            ? isNotInstalled(client)
            : becameOf(seen, { client, scheme, way, what: SOCKET }),
        ),
      ]),
    ),
  };
}

const becameOf = (seen: readonly Seen[], wanted: Trial): string =>
  seen.find((each) => (Object.keys(wanted) as (keyof Trial)[]).every((key) => each[key] === wanted[key]))
    ?.became ?? '-';

function answer(seen: readonly Seen[]): string {
  if (seen.length === 0) return 'Too little was seen to answer.';
  const said = schemes.map((scheme) => {
    const counts = wayNames.flatMap((way) =>
      methods.map((what) => {
        const all = seen.filter((each) => each.scheme === scheme && each.way === way && each.what === what);
        return `${all.filter(({ served }) => served).length} of ${all.length} for ${what} ${titles[way]}`;
      }),
    );
    return `${scheme === 'http' ? 'Of these clients the delivery’s answer reached' : 'over TLS'} ${counts.join(', ')}`;
  });
  return `${said.join('; ')}.`;
}
