/** What a timetable may say, as people write it: `kill d1`, `mode redirect`, `cable client delay 50ms, loss 1%`. */
import { policyNames } from '../../../head/choose/index.ts';
import { modes } from '../../../shared/status.ts';
import type { Cable, Link } from '../delay/wire.ts';
import { nearest, suggest } from './nearest.ts';
import { bitRate, duration, percent } from './quantities.ts';

const ofProcesses = ['kill', 'stop', 'freeze', 'continue', 'start', 'upgrade'] as const;
const ofDeliveries = ['drain', 'undrain'] as const;
const verbs = [...ofProcesses, ...ofDeliveries, 'mode', 'policy', 'cable'] as const;

export type Action =
  | { readonly verb: (typeof ofProcesses)[number] | (typeof ofDeliveries)[number]; readonly target: string }
  | { readonly verb: 'mode' | 'policy'; readonly value: string }
  | { readonly verb: 'cable'; readonly target: string; readonly cable: Cable };

interface Known {
  /** Of heads. */
  readonly heads: readonly string[];
  /** Of deliveries. */
  readonly names: readonly string[];
  /** Hosts that have a cable. */
  readonly hosts: readonly string[];
}

/** The action, or what is wrong with it and what to do. */
export function parseAction(text: string, known: Known): Action | { readonly problem: string } {
  const [verb = '', target = '', ...rest] = text.trim().split(/\s+/);
  const wrong = (problem: string) => ({ problem: `"${text.trim()}": ${problem}` });
  if (!verbs.includes(verb as never)) return wrong(`there is no "${verb}"; ${suggest(verb, verbs)}`);
  if (target === '') return wrong(`of whom, or which? as in ${example(verb, known)}`);
  if (verb === 'cable') return parseCable(target, rest.join(' '), known.hosts, wrong);
  if (rest.length > 0) return wrong(`"${rest.join(' ')}" is too much; write each step for itself, in a list`);
  if (verb === 'mode' || verb === 'policy') {
    const all: readonly string[] = verb === 'mode' ? modes : policyNames;
    return all.includes(target)
      ? { verb, value: target }
      : wrong(`there is no ${verb} "${target}"; ${suggest(target, all)}`);
  }
  const drains = ofDeliveries.includes(verb as never);
  const isHead = known.heads.includes(target);
  if (verb === 'upgrade' && !isHead && known.names.includes(target))
    return wrong('only a head is upgraded: upgrade head');
  if (isHead && drains) return wrong(`deliveries are drained, as in ${verb} ${known.names[0]}`);
  const those = verb === 'upgrade' ? known.heads : drains ? known.names : [...known.heads, ...known.names];
  if (!those.includes(target)) return wrong(`there is no "${target}" here; ${suggest(target, those)}`);
  return { verb: verb as (typeof ofProcesses)[number], target };
}

const example = (verb: string, { names, hosts }: Known): string =>
  ({
    mode: 'mode redirect',
    policy: 'policy least-connections',
    upgrade: 'upgrade head',
    cable: `cable ${hosts[0] ?? 'client'} delay 50ms, loss 1%`,
  })[verb] ?? `${verb} ${names[0] ?? 'd1'}`;

/** `delay 50ms, loss 1%`, `out delay 50ms`, `in loss 2%`, `plain`, `down`. What is not said is not done. */
function parseCable(
  target: string,
  text: string,
  hosts: readonly string[],
  wrong: (problem: string) => { readonly problem: string },
): Action | { readonly problem: string } {
  if (!hosts.includes(target)) return wrong(noCable(target, hosts));
  if (text === 'plain') return { verb: 'cable', target, cable: {} };
  if (text === 'down') return { verb: 'cable', target, cable: { lossPercent: 100 } };
  const links = { out: {} as Link, in: {} as Link };
  if (text === '')
    return wrong(`what does it do? as in cable ${target} delay 50ms, loss 1%, or plain, or down`);
  for (const part of text.split(',')) {
    const [, way, what = '', value = ''] = /^\s*(?:(out|in)\s+)?(\w+)\s+(\S+)\s*$/.exec(part) ?? [];
    const quantity = Object.hasOwn(quantities, what)
      ? quantities[what as keyof typeof quantities]
      : undefined;
    if (!quantity) {
      const near = nearest(what || part.trim().split(/\s+/)[0]!, Object.keys(quantities));
      return wrong(
        `"${part.trim()}" says nothing of a cable; ${near ? `did you mean ${near}?` : 'say delay 50ms, jitter 5ms, loss 1% or rate 10mbit'}`,
      );
    }
    const read = quantity.schema.safeParse(value);
    if (!read.success) return wrong(`${what}: ${read.issue.message}`);
    const link = { [quantity.key]: read.data };
    if (way !== 'in') Object.assign(links.out, link);
    if (way !== 'out') Object.assign(links.in, link);
  }
  return { verb: 'cable', target, cable: links };
}

const quantities = {
  delay: { key: 'delayMs', schema: duration(0, 10_000) },
  jitter: { key: 'jitterMs', schema: duration(0, 10_000) },
  loss: { key: 'lossPercent', schema: percent },
  rate: { key: 'rateMbit', schema: bitRate },
} as const;

export const noCable = (host: string, hosts: readonly string[]): string =>
  `there is no host "${host}" with a cable; ${hosts.length === 0 ? 'there are none on loopback, use netns' : suggest(host, hosts)}`;
