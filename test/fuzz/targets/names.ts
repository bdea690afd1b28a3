import { nameIn, nameInAuthority } from '../../../head/worker/inspect/name.ts';
import { servedNames, splitNames } from '../../../shared/served-names.ts';
import { hold, same, type Target } from '../target.ts';

/** Names that deliveries serve, and the same names as clients write them: they must meet. */
export const names: Target = {
  about: 'names of servers, as declared and as asked for',
  code: ['shared/served-names.ts', 'head/worker/inspect/name.ts'],
  words: [
    'shop.example',
    '*.img.example',
    '*',
    ',',
    '.',
    ':443',
    '[::1]',
    '10.0.0.1',
    'xn--',
    'user@',
    ' ',
    '_dmarc',
    '-',
    'É',
    '\u0130',
  ],
  longest: 600,
  generate: (dice) =>
    Buffer.from(
      [0, ...dice.some(4, () => 0)]
        .map(
          () =>
            `${dice.pick(['', '*.', 'A.', '_x.'])}${dice.pick(['shop.example', 'a-b.c', 'x', '1.2.3.4', 'K\u212a'])}${dice.pick(['', '.', ' '])}`,
        )
        .join(','),
    ),
  check(input) {
    const text = Buffer.from(input).toString();
    const parsed = servedNames.safeParse(splitNames(text));
    const asked = nameInAuthority(input, 0, input.length);
    hold(!/[A-Z]/.test(asked) && asked.length <= 255, `asked for ${asked}`);
    if (!parsed.success) return parsed.issue.message;
    for (const name of parsed.data) {
      hold(/^[\x21-\x7e]+$/.test(name), `declared ${name}`);
      same(splitNames(name), [name], 'declared again');
      if (name.startsWith('*')) continue;
      const isAddress = /(?:^|\.)\d+$/.test(name);
      for (const written of [name, name.toUpperCase(), `${name}.`, `${name}:443`, ` user@${name}.:80 \r`]) {
        const bytes = Buffer.from(written);
        same(nameInAuthority(bytes, 0, bytes.length), isAddress ? '' : name, `asked for as ${written}`);
      }
      const bytes = Buffer.from(name.toUpperCase());
      same(nameIn(bytes, 0, bytes.length), isAddress ? '' : name, 'asked for in a hello');
    }
    return 'served';
  },
};
