/**
 * Checks of values that come from outside: settings, and messages of peers. The names are those of zod, of which this is
 * the part that a head and a delivery need (zod itself is 8 MB, and half of what a delivery took to be imported). A schema
 * says what is wrong in words for a person, and describes itself as JSON Schema.
 *
 *     import * as z from './schema.ts';
 *     const point = z.object({ x: z.int().min(0), y: z.int().min(0) });
 *     type Point = z.infer<typeof point>;
 */

/** @public What is wrong with a value: the declarations of every schema name it. */
export interface Issue {
  /** Where: keys and indexes, from the outside in. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** The key of a strict object that it does not know. */
  readonly unknownKey?: string;
}

export type JsonSchema = Readonly<Record<string, unknown>>;
export type Parsed<T> =
  | { readonly success: true; readonly data: T }
  | { readonly success: false; readonly issue: Issue };

/** Not an Error: nobody needs a stack of it, and a peer may cause many. */
class Wrong {
  readonly issue: Issue;
  constructor(message: string, path: Issue['path'] = [], unknownKey?: string) {
    this.issue = unknownKey === undefined ? { path, message } : { path, message, unknownKey };
  }

  under(key: string | number): Wrong {
    return new Wrong(this.issue.message, [key, ...this.issue.path], this.issue.unknownKey);
  }
}

type Read<T> = (value: unknown) => T | Wrong;
type Infer<S> = S extends Schema<infer T> ? T : never;

export type { Infer as infer };

export class Schema<T> {
  readonly read: Read<T>;
  readonly json: JsonSchema;

  constructor(read: Read<T>, json: JsonSchema) {
    this.read = read;
    this.json = json;
  }

  safeParse(value: unknown): Parsed<T> {
    const data = this.read(value);
    return data instanceof Wrong ? { success: false, issue: data.issue } : { success: true, data };
  }

  /** The same kind of schema with something added. */
  protected and(more: { read?: Read<T>; json?: JsonSchema }): this {
    const copy = Object.create(Object.getPrototypeOf(this) as object) as this;
    return Object.assign(copy, this, more, { json: { ...this.json, ...more.json } });
  }

  refine(holds: (value: T) => boolean, why: string | { readonly message: string }, json?: JsonSchema): this {
    const before = this.read;
    const message = typeof why === 'string' ? why : why.message;
    const read = (value: unknown) => {
      const data = before(value);
      return data instanceof Wrong || holds(data) ? data : new Wrong(message);
    };
    return this.and(json === undefined ? { read } : { read, json });
  }

  optional(): Schema<T | undefined> {
    return new Schema<T | undefined>(
      (value) => (value === undefined ? undefined : this.read(value)),
      this.json,
    );
  }

  nullable(): Schema<T | null> {
    return new Schema<T | null>((value) => (value === null ? null : this.read(value)), {
      anyOf: [this.json, { type: 'null' }],
    });
  }

  default(fallback: T): Schema<T> {
    return new Schema<T>((value) => (value === undefined ? fallback : this.read(value)), {
      ...this.json,
      default: fallback,
    });
  }

  describe(description: string): this {
    return this.and({ json: { description } });
  }

  /** Adds to what the schema says of itself. */
  meta(more: JsonSchema): this {
    return this.and({ json: more });
  }
}

export class Text extends Schema<string> {
  regex(pattern: RegExp, message = `expected text like ${pattern.source}`): this {
    return this.refine((text) => pattern.test(text), message, { pattern: pattern.source });
  }

  min(length: number): this {
    const message = length === 1 ? 'expected some text' : `expected at least ${length} characters`;
    return this.refine((text) => text.length >= length, message, { minLength: length });
  }

  max(length: number): this {
    return this.refine((text) => text.length <= length, `expected at most ${length} characters`, {
      maxLength: length,
    });
  }
}

export class Numeric extends Schema<number> {
  min(minimum: number): this {
    return this.within({ minimum });
  }

  max(maximum: number): this {
    return this.within({ maximum });
  }

  positive(): this {
    return this.refine((value) => value > 0, 'expected more than 0', { exclusiveMinimum: 0 });
  }

  /** Both bounds are named whichever is missed. */
  protected within(bound: { minimum?: number; maximum?: number }): this {
    const json: JsonSchema = { ...this.json, ...bound };
    const { minimum: min = -Infinity, maximum: max = Infinity } = json as {
      minimum?: number;
      maximum?: number;
    };
    const what = json.type === 'integer' ? 'a whole number' : 'a number';
    const ends =
      max === Infinity
        ? `, at least ${min}`
        : min === -Infinity
          ? `, at most ${max}`
          : ` from ${min} to ${max}`;
    const fits = json.type === 'integer' ? Number.isSafeInteger : Number.isFinite;
    const read = (value: unknown) =>
      fits(value) && (value as number) >= min && (value as number) <= max
        ? (value as number)
        : new Wrong(`expected ${what}${ends}`);
    return this.and({ read, json: bound });
  }
}

export class List<T> extends Schema<T[]> {
  /** Looked at before what is in it. */
  max(length: number): this {
    const before = this.read;
    const tooLong = new Wrong(`expected at most ${length} of them`);
    const read = (value: unknown) =>
      Array.isArray(value) && value.length > length ? tooLong : before(value);
    return this.and({ read, json: { maxItems: length } });
  }
}

type Shape = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<S extends Shape> = {
  [K in keyof S]: undefined extends Infer<S[K]> ? K : never;
}[keyof S];
type Fields<S extends Shape> = {
  [K in keyof ({ [R in Exclude<keyof S, OptionalKeys<S>>]: 0 } & { [O in OptionalKeys<S>]?: 0 })]: Infer<
    S[K]
  >;
};

export class Fielded<S extends Shape> extends Schema<Fields<S>> {
  readonly shape: S;

  constructor(shape: S, strict: boolean) {
    super((value) => readFields(shape, strict, value) as Fields<S> | Wrong, {
      type: 'object',
      properties: Object.fromEntries(Object.entries(shape).map(([key, { json }]) => [key, json])),
      ...(strict ? { additionalProperties: false } : {}),
    });
    this.shape = shape;
  }

  extend<M extends Shape>(more: M): Fielded<Omit<S, keyof M> & M> {
    return new Fielded({ ...this.shape, ...more } as Omit<S, keyof M> & M, false);
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readFields(shape: Shape, strict: boolean, value: unknown): object {
  if (!isMap(value)) return new Wrong('expected a map');
  const data: Record<string, unknown> = {};
  for (const [key, { read }] of Object.entries(shape)) {
    const field = read(Object.hasOwn(value, key) ? value[key] : undefined);
    if (field instanceof Wrong) return field.under(key);
    if (field !== undefined || Object.hasOwn(value, key)) data[key] = field;
  }
  const unknown = strict ? Object.keys(value).find((key) => !Object.hasOwn(shape, key)) : undefined;
  return unknown === undefined ? data : new Wrong('there is no such key', [], unknown);
}

const kind = <T>(holds: (value: unknown) => boolean, expected: string): Read<T> => {
  return (value) => (holds(value) ? (value as T) : new Wrong(`expected ${expected}`));
};

export const string = (): Text =>
  new Text(
    kind((value) => typeof value === 'string', 'text'),
    { type: 'string' },
  );
/** Finite. */
export const number = (): Numeric => new Numeric(kind(Number.isFinite, 'a number'), { type: 'number' });
/** Exact in a double. */
export const int = (): Numeric =>
  new Numeric(kind(Number.isSafeInteger, 'a whole number'), { type: 'integer' });
export const custom = <T>(holds: (value: unknown) => boolean, message: string): Schema<T> =>
  new Schema<T>((value) => (holds(value) ? (value as T) : new Wrong(message)), {});
export const literal = <const T extends string | number>(one: T): Schema<T> =>
  new Schema<T>(
    kind((value) => value === one, JSON.stringify(one)),
    { const: one },
  );
const oneOf = <const T extends string>(known: readonly T[]): Schema<T> =>
  new Schema<T>(
    kind((value) => known.includes(value as T), `one of ${known.map((one) => `"${one}"`).join(', ')}`),
    { enum: known },
  );

export { oneOf as enum };
export const array = <T>(of: Schema<T>): List<T> =>
  new List<T>(
    (value) => {
      if (!Array.isArray(value)) return new Wrong('expected a list');
      const all: (T | Wrong)[] = value.map((one) => of.read(one));
      const at = all.findIndex((one) => one instanceof Wrong);
      return at < 0 ? (all as T[]) : (all[at] as Wrong).under(at);
    },
    { type: 'array', items: of.json },
  );
/** Keys that it does not know are left out. */
export const object = <const S extends Shape>(shape: S): Fielded<S> => new Fielded(shape, false);
/** Keys that it does not know are wrong. */
export const strictObject = <const S extends Shape>(shape: S): Fielded<S> => new Fielded(shape, true);

/** Any keys: as if each were one that is known. */
export const record = <T>(of: Schema<T>): Schema<Readonly<Record<string, T>>> =>
  new Schema(
    (value) => {
      const shape = Object.fromEntries(Object.keys(isMap(value) ? value : {}).map((key) => [key, of]));
      return readFields(shape, true, value) as Record<string, T> | Wrong;
    },
    { type: 'object', additionalProperties: of.json },
  );

type Member<K extends string> = Fielded<Shape & Readonly<Record<K, Schema<string>>>>;

/** Objects that a key tells apart. */
export function discriminatedUnion<K extends string, const M extends readonly Member<K>[]>(
  key: K,
  members: M,
): Schema<Infer<M[number]>> {
  const known = new Map(members.map((member) => [member.shape[key]!.json.const, member]));
  const read = (value: unknown) => {
    if (!isMap(value)) return new Wrong('expected a map');
    const member = Object.hasOwn(value, key) ? known.get(value[key]) : undefined;
    if (member) return member.read(value) as Infer<M[number]> | Wrong;
    return new Wrong(`expected one of ${[...known.keys()].join(', ')}`, [key]);
  };
  return new Schema<Infer<M[number]>>(read, { anyOf: members.map(({ json }) => json) });
}

/** What people write, as `read` understands it: a value, or in words what was expected. */
export const written = <T>(read: (text: string) => T | { readonly expected: string }): Schema<T> =>
  new Schema<T>(
    (value) => {
      if (typeof value !== 'string' && typeof value !== 'number')
        return new Wrong('expected text or a number');
      const data = read(String(value));
      return typeof data === 'object' && data !== null && 'expected' in data
        ? new Wrong(`expected ${data.expected}`)
        : data;
    },
    { anyOf: [{ type: 'string' }, { type: 'number' }] },
  );

/** A number as it is, or as the digits that a command line has of it. */
export const digits = (range: Numeric): Schema<number> =>
  new Schema<number>(
    (value) => range.read(typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
    { anyOf: [range.json, { type: 'string', pattern: '^\\d+$' }] },
  );
