import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { deliverySchema, flagOf, headSchema, resolveSettings } from '../../shared/config.ts';
import { BatonError } from '../../shared/errors.ts';

const folder = await mkdtemp(join(tmpdir(), 'baton-config-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function fileWith(text: string): Promise<string> {
  const file = join(folder, `${files++}.json`);
  await writeFile(file, text);
  return file;
}

/** The error that resolving throws. */
function problemWith(
  settings: Record<string, unknown>,
  file?: string,
  schema: typeof headSchema | typeof deliverySchema = headSchema,
): BatonError {
  try {
    resolveSettings<object>(schema, settings, file);
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(settings)}`);
}

test('without a word everything has a default', (t) => {
  t.like(resolveSettings(headSchema, {}), {
    listen: '127.0.0.1:8080',
    mode: 'handoff',
    policy: 'round-robin',
    backlog: 4096,
    headBytes: 16_384,
    headTimeout: 10_000,
    stallTimeout: 2000,
  });
  t.like(resolveSettings(deliverySchema, {}), {
    direct: '127.0.0.1:0',
    weight: 1,
    drainTimeout: 10_000,
  });
});

test('a command line writes numbers as text, with units', (t) => {
  const settings = { workers: '3', backlog: '100', headBytes: '4k', headTimeout: '1.5s', lingerBytes: '1g' };
  t.like(resolveSettings(headSchema, settings), {
    workers: 3,
    backlog: 100,
    headBytes: 4096,
    headTimeout: 1500,
    lingerBytes: 1024 ** 3,
  });
});

test('a file may have numbers and an editor’s $schema, and the command line wins over it', async (t) => {
  const file = await fileWith(
    '{"$schema": "./x.json", "workers": 4, "mode": "redirect", "headTimeout": 250}',
  );
  t.like(resolveSettings(headSchema, { mode: 'created' }, file), {
    workers: 4,
    mode: 'created',
    headTimeout: 250,
  });
});

test('a value out of its bounds is refused with the bounds, at either end', (t) => {
  for (const [schema, key, below, least, most, above] of [
    [headSchema, 'workers', 0, 1, 128, 129],
    [headSchema, 'backlog', 0, 1, 1 << 20, (1 << 20) + 1],
    [headSchema, 'maxConnections', 0, 1, 1 << 20, (1 << 20) + 1],
    [headSchema, 'headBytes', 255, 256, 65_536, 65_537],
    [headSchema, 'headTimeout', 9, 10, 3_600_000, 3_600_001],
    [headSchema, 'lingerIdle', 9, 10, 600_000, 600_001],
    [headSchema, 'lingerBytes', -1, 0, 2 ** 40, 2 ** 40 + 1],
    [headSchema, 'stallTimeout', 49, 50, 600_000, 600_001],
    [headSchema, 'stopTimeout', -1, 0, 600_000, 600_001],
    [deliverySchema, 'credits', 0, 1, 1_000_000, 1_000_001],
    [deliverySchema, 'weight', 0, 1, 1000, 1001],
    [deliverySchema, 'drainTimeout', -1, 0, 3_600_000, 3_600_001],
  ] as const) {
    for (const value of [least, most]) {
      for (const written of [value, String(value)]) {
        const settings = resolveSettings<object>(schema, { [key]: written }) as Record<string, unknown>;
        t.is(settings[key], value);
      }
    }
    for (const value of [below, above, String(below), String(above), 'much', '', null, true]) {
      const error = problemWith({ [key]: value }, undefined, schema);
      t.is(error.code, 'BAD_OPTION', `${key} ${value}`);
      t.is(error.details.option, flagOf(key));
    }
  }
});

test('a bad value is quoted, with what would be right', (t) => {
  const { message, exitCode } = problemWith({ headTimeout: 'soon' });
  t.is(message, '--head-timeout: expected something like 250ms, 10s or 1m, from 10ms to 1h (got "soon")');
  t.is(exitCode, 2);
  t.regex(
    problemWith({ mode: 'proxy' }).message,
    /^--mode: .*"handoff".*"redirect".*"created".* \(got "proxy"\)$/,
  );
  t.regex(problemWith({ listen: 'nowhere' }).message, /^--listen: expected HOST:PORT.* \(got "nowhere"\)$/);
  t.regex(problemWith({ workers: '500' }).message, /^--workers: .*128.* \(got "500"\)$/);
  t.regex(problemWith({ name: 'a b' }, undefined, deliverySchema).message, /^--name: a name has 1 to 64 /);
  for (const advertise of ['0.0.0.0:80', '[::]:80', ':80', 'host:0']) {
    const error = problemWith({ advertise }, undefined, deliverySchema);
    t.regex(error.message, /^--advertise: expected HOST:PORT that clients can connect to/);
  }
});

test('an error says whether the file or the command line is wrong', async (t) => {
  const file = await fileWith('{"workers": 0, "backlog": 5}');
  t.is(problemWith({}, file).details.option, `${file}: workers`);
  t.is(problemWith({ workers: 2, backlog: 'x' }, file).details.option, '--backlog');
});

test('a setting that does not exist is refused with those that do', async (t) => {
  const file = await fileWith('{"wokers": 2}');
  const error = problemWith({}, file);
  t.is(error.code, 'UNKNOWN_OPTION');
  t.is(error.exitCode, 2);
  t.true(
    error.message.startsWith(`${file}: there is no setting called "wokers"; the settings are listen, mode,`),
  );
});

test('a file that cannot be read as settings says why, on one line', async (t) => {
  for (const [file, problem] of [
    [join(folder, 'missing.json'), /it does not exist$/],
    [await fileWith(''), /Unexpected end of JSON input$/],
    [await fileWith('{\n  "mode": redirect\n}'), /Unexpected token/],
    [await fileWith('[]'), /it is not a JSON object$/],
    [await fileWith('null'), /it is not a JSON object$/],
    [folder, /not a file that could be read twice$/],
  ] as const) {
    const error = problemWith({}, file);
    t.is(error.code, 'CONFIG_UNREADABLE');
    t.true(error.message.startsWith(`cannot read the configuration file ${file}: `));
    t.regex(error.message, problem);
    t.notRegex(error.message, /\n/);
  }
});

test('a setting is a flag in small letters', (t) => {
  t.is(flagOf('listen'), '--listen');
  t.is(flagOf('headTimeout'), '--head-timeout');
  t.is(flagOf('maxConnections'), '--max-connections');
});

test('editors get a JSON schema in which every setting is described', (t) => {
  for (const schema of [headSchema, deliverySchema]) {
    const generated = schema.json as {
      properties: object;
      required?: unknown;
      additionalProperties: unknown;
    };
    t.deepEqual(Object.keys(generated.properties), Object.keys(schema.shape));
    for (const [key, property] of Object.entries(generated.properties)) {
      t.regex((property as { description?: string }).description ?? '', /\w+ \w+/, key);
    }
    t.is(generated.required, undefined, 'nothing has to be set');
    t.is(generated.additionalProperties, false);
  }
});
