/**
 * What Node's own parser takes for a request the head must not refuse, and where both tell something they must tell the same.
 * The parser is the one in Node's server, called as Node's server calls it; test/head/worker/node-parser.slow.test.ts does the same
 * with whole servers, some hundred times slower.
 */
import { createFound } from '../../../head/found.ts';
import { HTTP } from '../../../head/refusals.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE } from '../../../head/worker/inspect/kind.ts';
import { Responses } from '../../../head/worker/responses.ts';
import { NodeParser } from '../node-parser.ts';
import { hold, same, type Target } from '../target.ts';
import { head, pieces } from './heads.ts';

const LIMIT = 16_384;
const found = createFound();
const requests = new NodeParser('request');
const answers = new NodeParser('answer');
const responses = new Responses(LIMIT);

export const asNodeReads: Target = {
  about: "request heads, against Node's parser",
  code: ['head/worker/inspect/', 'head/worker/responses.ts'],
  words: pieces,
  generate: (dice) => Buffer.from(head(dice), 'latin1'),
  check(input) {
    const isComplete = inspect(found, input, input.length, LIMIT) === COMPLETE && found.speaks === HTTP;
    if (isComplete && found.refusal === undefined) checkAnswers();
    const node = requests.read(input);
    if (!node) return isComplete ? 'only the head takes it' : 'neither takes it';
    hold(isComplete, `refused, and Node reads ${node.method} ${node.url}`);
    hold(requests.read(input.subarray(0, found.end)) !== undefined, 'Node needs more of it than the head');
    hold(
      requests.read(input.subarray(0, found.end - 1)) === undefined,
      'Node needs less of it than the head',
    );
    hold(found.isHead === (node.method === 'HEAD'), `isHead is ${found.isHead} of ${node.method}`);
    const text = Buffer.from(input).toString('latin1');
    if (found.refusal === undefined && !found.isServerWide) {
      const target = text.slice(found.targetStart, found.targetEnd);
      const asked = node.url.split('#')[0]!;
      // Of an absolute form, what stands behind the authority.
      hold(asked.startsWith('/') ? target === asked : asked.endsWith(target), `target ${target} of ${asked}`);
    }
    // Nothing that the client sends after it is looked for.
    if (found.isLast && found.refusal === undefined) {
      hold(!node.keepsAlive, 'the last by the head, and Node reads on');
      hold(node.ends, 'the last by the head, and a body follows');
    }
    return `both take it${found.isLast ? ', the last' : ''}`;
  },
};

/** What the head answers is one answer, with what the client asked for in no other place than behind the address. */
function checkAnswers(): void {
  for (const kind of ['redirect', 'created'] as const) {
    const bytes = Buffer.from(responses.memory.bytes.subarray(0, responses[kind]('http://d:1', found)));
    const answer = answers.read(bytes, kind === 'created' && found.isHead);
    hold(answer !== undefined, `the answer is none: ${kind}`);
    hold(answer.ends && answer.length === bytes.length, `more than one answer: ${kind}`);
    const names = answer.fields.filter((_, at) => at % 2 === 0);
    const type = kind === 'created' ? ['Content-Type'] : [];
    const expected = ['Date', 'Connection', ...type, 'Location', 'Content-Length'];
    same(names.toSorted(), expected.toSorted(), 'the fields of the answer');
    const location = answer.fields[answer.fields.indexOf('Location') + 1]!;
    hold(/^http:\/\/d:1(?:[/?][!-~]*)?$/.test(location), `Location: ${location}`);
    hold(URL.canParse(location) && new URL(location).host === 'd:1', `Location leads elsewhere: ${location}`);
    if (kind === 'created' && !found.isHead) {
      const page = bytes.toString('latin1', bytes.indexOf('\r\n\r\n') + 4);
      hold(
        /^<!doctype html>[^<>]*<html lang="en"><meta charset="utf-8"><title>Continue<\/title><p>Your page is at <a href="[^<>"']*">this address<\/a>\.<\/p><\/html>\n$/.test(
          page,
        ),
        `page ${page}`,
      );
    }
  }
}
