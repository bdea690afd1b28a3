/** YAML with the places of what is in it: every error of a file says where it is. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { BatonError } from '../../../shared/errors.ts';
import { readSmallFile } from '../../../shared/small-file.ts';

type Path = readonly (string | number)[];

export interface Document {
  readonly value: unknown;
  /** LAB_FILE with what is wrong at a place; of the key instead of the value where that is asked for. */
  wrong(path: Path, problem: string, at?: 'key' | 'value'): BatonError;
}

/** Far above any lab, bytes. */
const FILE_MAX = 256 * 1024;

/** Throws LAB_FILE where it cannot be read. */
export function readDocument(file: string): Document {
  let text: string;
  try {
    text = readSmallFile(file, FILE_MAX).text;
  } catch (error) {
    throw new BatonError(
      'LAB_FILE',
      { where: file, problem: `cannot read it: ${(error as Error).message}` },
      error,
    );
  }
  return parseText(file, text);
}

/** `file`: what errors call it. */
export function parseText(file: string, text: string): Document {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    ...{ lineCounter: lines, prettyErrors: false, version: '1.2' },
    // It would warn of a key that is a map, on the terminal; that key is refused as any other that nobody knows.
    logLevel: 'error',
  });
  const at = (offset: number, problem: string) => {
    const { line, col } = lines.linePos(offset);
    return new BatonError('LAB_FILE', { where: `${file}:${Math.max(1, line)}:${Math.max(1, col)}`, problem });
  };
  const [error] = [...document.errors, ...document.warnings];
  if (error) throw at(error.pos[0], said(error.code, error.message));
  const root = document.contents as Node | null;
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 50 });
  } catch {
    throw at(
      root?.range?.[0] ?? 0,
      'it says too much with too little: write out what its aliases (*) stand for',
    );
  }
  return {
    value,
    wrong(path, problem, which = 'value') {
      let node: Node | null = root;
      let offset = root?.range?.[0] ?? 0;
      for (const [index, step] of path.entries()) {
        if (isAlias(node)) node = node.resolve(document) ?? null;
        if (isMap(node)) {
          const pair = node.items.find((one) => nameOf(one) === String(step));
          if (!pair) break;
          const last = index === path.length - 1;
          const key = pair.key as Node;
          const inside = pair.value as Node | null;
          offset =
            (last && which === 'key' ? key.range?.[0] : inside?.range?.[0]) ?? key.range?.[0] ?? offset;
          node = inside;
        } else if (isSeq(node)) {
          const item = node.items[Number(step)] as Node | undefined;
          if (!item) break;
          offset = item.range?.[0] ?? offset;
          node = item;
        } else break;
      }
      return at(offset, problem);
    },
  };
}

const nameOf = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : '');

const mends: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'it is there twice; leave one of them out',
  TAB_AS_INDENT: 'a tab indents nothing in YAML; use spaces',
  MULTIPLE_DOCS: 'there is more than one document; a file has one lab',
};

const said = (code: string, message: string): string =>
  mends[code] ?? `this is no YAML: ${message.replace(/\s+/g, ' ').trim()}; mend it there or just before`;
