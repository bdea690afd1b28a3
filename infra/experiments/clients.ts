/**
 * Real clients ask for a page, and send a form, while the head hands over, answers 307 and answers 201: who goes where
 * the Location says, and does the body come along?
 */
import type { Host, Lab } from '../lab/lab.ts';
import type { Table } from '../report/chart.ts';
import { type Client, clientPrograms, type Method, methods } from './clients/programs.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { waysOf } from './kit/ways.ts';

/** One of each kind is enough: a client sees no difference between transports. */
const wayNames = ['handoff', 'redirect', 'created'] as const;
type WayName = (typeof wayNames)[number];

const titles: Readonly<Record<WayName, string>> = {
  handoff: 'handed over',
  redirect: '307',
  created: '201',
};

export const clients: Experiment = {
  name: 'clients',
  title: 'what curl, Python, Node, wget and Chromium do with a handoff, a 307 and a 201, for GET and POST',
  question: 'Do real clients follow a 307 and a 201, also with a body, and what do they notice of a handoff?',
  seconds: { full: 40, quick: 40 },
  run,
};

interface Asked {
  readonly client: Client;
  readonly way: WayName;
  readonly method: Method;
  readonly what: string;
  readonly served: boolean;
}

async function run({ startLab, progress, signal }: ExperimentContext): Promise<Findings> {
  const lab = await startLab({ mode: 'handoff', deliveries: 1, local: 1 });
  const present: { client: Client; version: string | undefined }[] = [];
  for (const client of clientPrograms) present.push({ client, version: await versionOf(lab.client, client) });
  const installed = present.flatMap(({ client, version }) => (version === undefined ? [] : [client]));
  const expectedMs = ({ needs }: Client) => (needs === 'chromium' ? 2500 : 500);
  const rounds = wayNames.length * methods.length;
  progress.expect(rounds * installed.reduce((sum, client) => sum + expectedMs(client), 0));
  const asked: Asked[] = [];
  for (const way of wayNames) {
    await waysOf(lab)
      .find(({ mode }) => mode === way)!
      .choose();
    for (const client of installed) {
      for (const method of methods) {
        if (signal.aborted) break;
        const label = `${client.name}: ${method}, ${titles[way]}`;
        const result = await progress.during(label, expectedMs(client), () =>
          ask(lab, client, method, signal),
        );
        if (!signal.aborted) asked.push({ client, way, method, ...result });
      }
    }
  }
  return {
    answer: answer(asked),
    parameters: {
      GET: 'for /whoami',
      POST: 'to /echo, with a body of some bytes',
      ...Object.fromEntries(present.map(({ client, version }) => [client.name, version ?? 'not installed'])),
    },
    tables: [table(present, asked)],
    notes: [
      'A client was served when it showed the delivery’s answer: who answered, for GET; for POST the very body that it had sent.',
      'A 307 promises that the method stays the same (RFC 9110 section 15.4.8). A 201 names what was made; no client takes its Location for an order to go there.',
    ],
    warnings: [],
  };
}

/** The first line of what it says; undefined when it is not installed. */
async function versionOf(host: Host, { needs, version }: Client): Promise<string | undefined> {
  const script = `command -v ${needs} >/dev/null && "$@" 2>/dev/null | head -n 1`;
  const text = await host.run(['sh', '-c', `${script}; true`, 'sh', ...version]);
  return text.trim() === '' ? undefined : text.trim();
}

async function ask(lab: Lab, client: Client, method: Method, signal: AbortSignal) {
  const body = `sent-${Math.random().toString(36).slice(2, 10)}`;
  const url = `http://${lab.head.listen}${method === 'GET' ? '/whoami' : '/echo'}`;
  // Whatever it answers and however it ends is the result.
  const text = await lab.client.run(
    ['sh', '-c', '"$@" 2>&1; true', 'sh', ...client.command(method, url, body)],
    { signal },
  );
  const statuses = [...text.matchAll(/^status=(\d{3})$/gm)].map((match) => match[1]!);
  const served = method === 'GET' ? /"delivery":\s*"/.test(text) : text.includes(body);
  return { served, what: describe(text, statuses.at(-1), served, method) };
}

function describe(text: string, status: string | undefined, served: boolean, method: Method): string {
  if (served) return method === 'POST' ? 'served, with the body' : 'served';
  if (status === '200') return 'went there without the body';
  const error = /^(\w+Error)\b/m.exec(text)?.[1];
  if (status !== undefined) return `stopped at the ${status}${error ? ` (${error})` : ''}`;
  if (text.includes('<a href=')) return 'showed the page with the link';
  return `failed: ${text.trim().split('\n').at(-1)?.slice(0, 80) || 'no output'}`;
}

function table(
  present: readonly { client: Client; version: string | undefined }[],
  asked: readonly Asked[],
): Table {
  const columns = wayNames.flatMap((way) => methods.map((method) => ({ way, method })));
  return {
    title: 'What each client did',
    lead: 'One request each, on a new connection.',
    columns: ['client', ...columns.map(({ way, method }) => `${method}, ${titles[way]}`)],
    rows: present.map(({ client, version }) => [
      client.name,
      ...columns.map(({ way, method }) =>
        version === undefined
          ? `not installed: sudo apt-get install ${client.package}`
          : (asked.find((each) => each.client === client && each.way === way && each.method === method)
              ?.what ?? '-'),
      ),
    ]),
  };
}

function answer(asked: readonly Asked[]): string {
  if (asked.length === 0) return 'Too little was seen to answer.';
  const said = wayNames.flatMap((way) =>
    methods.map((method) => {
      const all = asked.filter((each) => each.way === way && each.method === method);
      return `${all.filter(({ served }) => served).length} of ${all.length} for ${method} ${titles[way]}`;
    }),
  );
  return `Of these clients the delivery’s answer reached ${said.join(', ')}.`;
}
