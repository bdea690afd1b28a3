/**
 * ClientHellos of real clients, cut into segments and into records of TLS at many places, late, broken off and wrong: which
 * of the servers that choose by the name in it find the right receiver, and what does a client get from the others? One that
 * reads too little does not fail: it chooses as if no name had been there, which leads to the wrong site.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';
import { parseHostPort } from '../../shared/units.ts';
import type { Host, Lab, Service } from '../lab/lab.ts';
import type { Table } from '../report/chart.ts';
import { formatMicros } from '../terminal/figures.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { haproxy, nginx, type RivalKind, startRival, versionOn } from './kit/rivals.ts';
import { hellos, SERVER_NAME } from './split-hello/hellos.ts';
import { answerSchema, NAMED, type Orders, OTHERS, type Outcomes } from './split-hello/result.ts';
import { shapes } from './split-hello/shapes.ts';

/** How long each server waits for the rest of a hello, and a client for an answer. */
const SERVER_WAITS_S = 2;
const CLIENT_WAITS_MS = 4000;
const full = { step: 1, clientMs: 22_000 };
const quick = { step: 40, clientMs: 12_000 };

export const splitHello: Experiment = {
  name: 'split-hello',
  title: 'ClientHellos cut into segments and records anywhere: who still chooses by their name',
  question: 'Which servers that choose by the name in a ClientHello do so however it arrives?',
  seconds: { full: 75, quick: 40 },
  run,
};

interface Receivers {
  readonly named: string;
  readonly others: string;
}

/** One of the servers that are asked; the text is why it is not. */
interface Asked {
  readonly name: string;
  readonly about: string;
  readonly outcomes: readonly Outcomes[];
}

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const lab = await context.startLab({
    mode: 'handoff',
    deliveries: 0,
    headArguments: ['--policy', 'name-hash', '--head-timeout', `${SERVER_WAITS_S}s`],
  });
  const { host, listen } = lab.head;
  const at = parseHostPort(listen)!.host;
  const closing: (() => Promise<void>)[] = [];
  const asked: Asked[] = [];
  const missing: string[] = [];
  const ask = async (name: string, about: string, address: string) => {
    if (context.signal.aborted) return;
    const orders: Orders = { address, step: size.step, withinMs: CLIENT_WAITS_MS };
    const text = await context.progress.during(name, size.clientMs, () =>
      lab.client.run([process.execPath, clientProgram, JSON.stringify(orders)], { signal: context.signal }),
    );
    if (!context.signal.aborted) asked.push({ name, about, outcomes: parse(text) });
  };
  try {
    context.progress.expect(3 * size.clientMs);
    const receivers = await startReceivers(lab, at, closing);
    const { version } = await lab.head.status();
    await ask('Baton', version, listen);
    for (const [kind, body] of rivals) {
      const about = await versionOn(host, kind.version);
      if (about === undefined) {
        missing.push(`${kind.name} is not installed: sudo apt-get install ${kind.package}`);
        continue;
      }
      const address = await startRivalFor(host, kind, at, receivers, body, closing);
      await ask(kind.name, about, address);
    }
  } finally {
    for (const close of closing.reverse()) await close();
  }
  return {
    answer: answer(asked),
    parameters: {
      'server name': SERVER_NAME,
      hellos: hellos.map(({ client, bytes }) => `${client}: ${bytes.length} bytes`).join(', '),
      'places to cut at': size.step === 1 ? 'every one' : `every ${size.step}th, and the first and last ones`,
      'a server waits for the rest of a hello': `${SERVER_WAITS_S} s`,
      'a client waits for an answer': `${CLIENT_WAITS_MS / 1000} s`,
      ...Object.fromEntries(asked.map(({ name, about }) => [name, about])),
    },
    tables: asked.length === 0 ? [] : [byShape(asked), times(asked), byClient(asked)],
    notes: [
      'By name: the receiver for that name got every byte as it was sent. Default: the one for whoever has no other got it. Both are told by what they say themselves.',
      'Baton: two deliveries, one that serves the name and one that serves every name; policy name-hash. HAProxy: mode tcp, tcp-request inspect-delay, content accept if { req.ssl_hello_type 1 }, use_backend by req.ssl_sni. nginx: stream, ssl_preread, a map of $ssl_preread_server_name.',
      'Segments are written 5 ms apart, so that a server which is idle sees them one by one; each byte by itself, as fast as they go.',
      ...missing,
    ],
    warnings: [],
  };
}

const rivals: readonly [RivalKind, (receivers: Receivers) => (address: string) => string][] = [
  [
    haproxy,
    ({ named, others }) =>
      (address) =>
        `frontend hellos
  mode tcp
  bind ${address}
  tcp-request inspect-delay ${SERVER_WAITS_S}s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend named if { req.ssl_sni -i ${SERVER_NAME} }
  default_backend others
backend named
  mode tcp
  server named ${named}
backend others
  mode tcp
  server others ${others}`,
  ],
  [
    nginx,
    ({ named, others }) =>
      (address) =>
        `map $ssl_preread_server_name $receiver { ${SERVER_NAME} ${named}; default ${others}; }
server { listen ${address}; ssl_preread on; preread_timeout ${SERVER_WAITS_S}s; proxy_pass $receiver; }`,
  ],
];

// Built, they are .js files as this one is.
const programAt = (name: string) =>
  fileURLToPath(new URL(`./split-hello/${name}-main${extname(import.meta.url)}`, import.meta.url));
const clientProgram = programAt('client');
const receiverProgram = programAt('receiver');

async function startReceivers(lab: Lab, at: string, closing: (() => Promise<void>)[]): Promise<Receivers> {
  const { host } = lab.head;
  const { socket } = await lab.head.status();
  const start = async (name: string, ...serves: string[]): Promise<string> => {
    const service: Service = await host.start([
      process.execPath,
      receiverProgram,
      at,
      name,
      socket,
      ...serves,
    ]);
    closing.push(() => service.stop());
    return String(service.ready.listen);
  };
  return { named: await start(NAMED, SERVER_NAME), others: await start(OTHERS) };
}

async function startRivalFor(
  host: Host,
  kind: RivalKind,
  at: string,
  receivers: Receivers,
  body: (receivers: Receivers) => (address: string) => string,
  closing: (() => Promise<void>)[],
): Promise<string> {
  const rival = await startRival(host, kind, at, body(receivers));
  closing.push(() => rival.stop());
  return rival.address;
}

function parse(text: string): Outcomes[] {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new BatonError(
      'LAB_FAILED',
      { problem: 'the client of hellos answered something that is not its result' },
      error,
    );
  }
}

/** Of some of what was sent to one server: how many ended how. */
function together(all: readonly Outcomes[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { outcomes } of all)
    for (const [name, count] of Object.entries(outcomes)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function inWords(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  return sorted.length === 1 ? sorted[0]![0] : sorted.map(([name, count]) => `${name} ${count}`).join(', ');
}

const countOf = (all: readonly Outcomes[]) =>
  Object.values(together(all)).reduce((sum, count) => sum + count, 0);

function byShape(asked: readonly Asked[]): Table {
  return {
    title: 'What became of each shape',
    lead: 'All hellos together; where they were not treated alike, how many were treated how.',
    columns: ['shape', 'connections', ...asked.map(({ name }) => name)],
    rows: shapes.map(({ name: shape }) => {
      const of = ({ outcomes }: Asked) => outcomes.filter((each) => each.shape === shape);
      return [shape, String(countOf(of(asked[0]!))), ...asked.map((each) => inWords(together(of(each))))];
    }),
  };
}

function byClient(asked: readonly Asked[]): Table {
  return {
    title: 'The same by client',
    lead: 'The hellos of OpenSSL and curl fit into one segment; those of Node and Chromium do not, on most networks.',
    columns: ['shape', 'hello', ...asked.map(({ name }) => name)],
    rows: shapes.flatMap(({ name: shape }) =>
      hellos.map(({ client }) => [
        shape,
        client,
        ...asked.map(({ outcomes }) =>
          inWords(together(outcomes.filter((each) => each.shape === shape && each.client === client))),
        ),
      ]),
    ),
  };
}

function times(asked: readonly Asked[]): Table {
  return {
    title: 'From the last byte of a hello until it was served',
    lead: 'Medians, the slowest client’s; a server that is on its own waits for the receiver’s answer as well.',
    columns: ['shape', ...asked.map(({ name }) => name)],
    rows: shapes
      .filter(({ right }) => right !== undefined)
      .map(({ name: shape }) => [
        shape,
        ...asked.map(({ outcomes }) => {
          const found = outcomes.flatMap((each) => (each.shape === shape ? (each.medianMs ?? []) : []));
          return found.length === 0 ? '-' : formatMicros(1000 * Math.max(...found));
        }),
      ]),
  };
}

function answer(asked: readonly Asked[]): string {
  if (asked.length === 0) return 'Too little was seen to answer.';
  const said = asked.map(({ name, outcomes }) => {
    const wanted = outcomes.filter(({ shape }) =>
      shapes.some((each) => each.name === shape && each.right === 'by name'),
    );
    const counts = together(wanted);
    const right = counts['by name'] ?? 0;
    const { 'by name': _, ...wrong } = counts;
    const rest = Object.entries(wrong).map(([outcome, count]) => `${outcome} ${count}`);
    return `${name} chose by name for ${right} of ${countOf(wanted)}${rest.length > 0 ? ` (${rest.join(', ')})` : ''}`;
  });
  return `Of hellos that are right, in whatever segments and records, ${said.join('; ')}.`;
}
