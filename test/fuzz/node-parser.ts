/** Node's own HTTP parser, which its servers and clients use: `_http_common` is how Node's own modules reach it. */
interface Parser {
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
  [callback: number]: ((...args: never[]) => unknown) | undefined;
}
interface Common {
  readonly methods: readonly string[];
  readonly HTTPParser: (new () => Parser) & Readonly<Record<string, number>>;
}
const { HTTPParser, methods } = process.getBuiltinModule('_http_common') as unknown as Common;

export interface AsNodeReads {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly string[];
  /** More messages may follow on the connection. */
  readonly keepsAlive: boolean;
  /** The message is all there, its body included; so many bytes are its. */
  readonly ends: boolean;
  readonly length: number;
}

export class NodeParser {
  readonly #type: number;
  readonly #parser = new HTTPParser();

  constructor(kind: 'request' | 'answer') {
    this.#type = kind === 'request' ? HTTPParser.REQUEST! : HTTPParser.RESPONSE!;
  }

  /** The first message; undefined where Node finds no whole head. `skipBody`: of an answer to HEAD. */
  read(bytes: Uint8Array, skipBody = false): AsNodeReads | undefined {
    const parser = this.#parser;
    parser.initialize(this.#type, {});
    let message: { method: string; url: string; fields: string[]; keepsAlive: boolean } | undefined;
    const fields: string[] = [];
    let url = '';
    let ends = false;
    // A long head comes in parts.
    parser[HTTPParser.kOnHeaders! | 0] = ((some: string[], part: string) => {
      fields.push(...some);
      url += part;
    }) as never;
    parser[HTTPParser.kOnHeadersComplete! | 0] = ((
      _major: number,
      _minor: number,
      some: string[] | undefined,
      method: number,
      part: string | undefined,
      ...rest: unknown[]
    ) => {
      fields.push(...(some ?? []));
      const [, , , keepsAlive] = rest as [number, string, boolean, boolean];
      message ??= { method: methods[method] ?? '', url: url + (part ?? ''), fields, keepsAlive };
      return skipBody ? 1 : 0;
    }) as never;
    parser[HTTPParser.kOnMessageComplete! | 0] = (() => {
      ends = true;
    }) as never;
    const n = parser.execute(Buffer.from(bytes));
    return message && { ...message, ends, length: typeof n === 'number' ? n : -1 };
  }
}
