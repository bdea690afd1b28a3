/** What a person at a terminal sees of the log. */
import test from 'ava';
import { execa } from 'execa';
import { prettyLine } from '../../shared/pretty.ts';
import { needing } from '../support/needs.ts';

const line = (more: object) =>
  `${JSON.stringify({ level: 30, time: 0, pid: 7, name: 'head', msg: 'hello', ...more })}\n`;

test('time, level, message and details stand in one line', (t) => {
  t.regex(
    prettyLine(line({ level: 40, delivery: 'd1', fds: [1, 2] }), false),
    /^\d\d:\d\d:\d\d {2}warn {3}head {2}hello {2}delivery=d1 fds=\[1,2\]\n$/,
  );
  t.is(prettyLine('no JSON\n', false), 'no JSON\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how colours are written
  t.regex(prettyLine(line({ level: 50 }), true), /\u001b\[31merror\u001b\[39m/);
});

test('what a peer says cannot write elsewhere on the terminal', (t) => {
  const evil = 'a\u001b[2J\r\nb\u0007\u009b1mc\u202ed';
  for (const text of [
    prettyLine(line({ msg: evil }), false),
    prettyLine(line({ reason: evil }), false),
    prettyLine(line({ name: evil, deep: { evil } }), false),
  ]) {
    t.is(text.indexOf('\n'), text.length - 1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
    t.notRegex(text.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  }
});

needing('script')('the log is for people on a terminal and for programs elsewhere', async (t) => {
  const log = new URL('../../shared/log.ts', import.meta.url).href;
  const code = `import { createLogger } from '${log}'; createLogger('x').info({ answer: 42 }, 'said');`;
  const command = `${process.execPath} --input-type=module -e "${code}"`;
  const { stderr } = await execa(process.execPath, ['--input-type=module', '-e', code]);
  t.like(JSON.parse(stderr), { name: 'x', msg: 'said', answer: 42 });
  const { stdout } = await execa('script', ['-qec', command, '/dev/null'], { stdin: 'ignore' });
  t.regex(stdout, /\d\d:\d\d:\d\d.* {2}.*info.* {2}x {2}said {2}.*answer=42/);
});
