/** A log line for a person at a terminal: the time, how bad it is, what happened, and the details after it. */
import { styleText } from 'node:util';
import { harmless } from './harmless.ts';

const levels: Record<number, readonly [word: string, style: Parameters<typeof styleText>[0]]> = {
  10: ['trace', 'gray'],
  20: ['debug', 'gray'],
  30: ['info', 'green'],
  40: ['warn', 'yellow'],
  50: ['error', 'red'],
  60: ['fatal', 'red'],
};
/** Every line has them, or they say nothing to somebody who has started the process. */
const common = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg']);

/** `json`: one line as pino writes it. `colour`: whether the terminal has any. What is no such line comes back as it is. */
export function prettyLine(json: string, colour: boolean): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const [word, style] = levels[Number(line.level)] ?? ['log', 'gray'];
  const paint = (how: typeof style, text: string) =>
    colour ? styleText(how, text, { validateStream: false }) : text;
  const details = Object.entries(line)
    .filter(([key]) => !common.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  // JSON had them escaped.
  const parts = [
    paint('gray', clock(Number(line.time))),
    paint(style, word.padEnd(5)),
    harmless(String(line.name ?? '')),
    harmless(String(line.msg ?? '')),
    ...(details.length > 0 ? [paint('gray', harmless(details.join(' ')))] : []),
  ];
  return `${parts.filter((part) => part !== '').join('  ')}\n`;
}

/** HH:MM:SS of this place. */
const clock = (time: number): string => new Date(time).toTimeString().slice(0, 8);
