/** What a client gets must be the same on every way to a delivery: the one suite for all of them. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { needing } from './needs.ts';
import { type Reply, send, sendAndFollow } from './raw-client.ts';

/** Where a way begins, and the delivery's own address to compare with. */
export interface Way {
  readonly name: string;
  /** Ordinary clients follow it without being told how. */
  readonly byItself: boolean;
  /** Its clients speak TLS. */
  readonly secure?: boolean;
  /** It is the head that speaks TLS with them first, and sends them elsewhere. */
  readonly sentOver?: boolean;
  /** HOST:PORT each, a folder for files, and the file with the certificate of what speaks TLS; called within a test. */
  start(): { address: string; direct: string; directory: string; certificate?: string | undefined };
}

/** What the suites of a way need of it. */
export interface Started {
  readonly address: string;
  readonly direct: string;
  readonly directory: string;
  /** The file with the certificate. */
  readonly certificate: string | undefined;
  readonly tls: { readonly ca: string; readonly servername: string } | undefined;
  url(path: string): string;
}

export function startWay({ secure = false, start }: Way): Started {
  const found = start();
  const { certificate } = found;
  if (secure && certificate === undefined) throw new Error('a way that speaks TLS needs a certificate');
  return {
    ...found,
    certificate,
    tls: secure ? { ca: readFileSync(certificate!, 'utf8'), servername: 'lab.test' } : undefined,
    url: (path) => `${secure ? 'https' : 'http'}://${found.address}${path}`,
  };
}

/** Options of curl: who comes by TLS is sent nowhere else. */
export const curlTrust = (certificate: string | undefined): string[] =>
  certificate === undefined ? [] : ['--cacert', certificate, '--proto-redir', '=https'];

export const runCurl = async (
  { certificate }: Pick<Started, 'certificate'>,
  args: readonly string[],
  input = '',
): Promise<Buffer> => {
  const { stdout } = await execa(
    'curl',
    ['-sS', '--fail', '--location', '--max-time', '30', ...curlTrust(certificate), ...args],
    // Random bodies end with a newline now and then.
    { encoding: 'buffer', input, stripFinalNewline: false },
  );
  return Buffer.from(stdout);
};

export type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

const TEN_MB = 10_000_000;
const body = randomBytes(TEN_MB);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bodyDigest = digest(body);

/** A chunked body without its framing, which says how it happened to travel and not what it is (RFC 9112 section 7.1). */
function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, line), 16);
    if (line < 0 || Number.isNaN(size)) throw new Error('not a chunked body');
    if (size === 0) return Buffer.concat([...parts, body.subarray(line + 4)]);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** What of an answer may not depend on the way: all but the time and who is asked. */
const essence = ({ status, headers, rest }: Reply) => ({
  status,
  headers: { ...headers, date: '' },
  rest: digest(undated(headers['transfer-encoding'] === 'chunked' ? unchunk(rest) : rest)),
});
/** Further answers of a pipeline have a Date of their own. */
const undated = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.toString('latin1').replace(/\r\nDate: [^\r]*/g, ''), 'latin1');

/** Declares the suite for one way; `declare` is how its tests are declared. */
export function declareBehaviour(of: Way, declare: Declare = test): void {
  const { name: way, byItself } = of;
  const start = async () => {
    const found = startWay(of);
    const file = join(found.directory, `body-${randomBytes(4).toString('hex')}`);
    await writeFile(file, body);
    return { ...found, file };
  };
  declare(`${way}: requests of every shape get the same answer as directly`, async (t) => {
    const { address, direct, tls } = await start();
    const close = 'Host: lab\r\nConnection: close\r\n';
    const requests: Record<string, string> = {
      get: `GET /bytes/1000?a=b&c=%20 HTTP/1.1\r\n${close}\r\n`,
      'large answer': `GET /bytes/3000000 HTTP/1.1\r\n${close}\r\n`,
      head: `HEAD /bytes/1000 HTTP/1.1\r\n${close}\r\n`,
      'HTTP/1.0': 'GET /bytes/10 HTTP/1.0\r\n\r\n',
      'absolute form': `GET http://example.org/bytes/20 HTTP/1.1\r\n${close}\r\n`,
      'a leading empty line': `\r\nGET /bytes/30 HTTP/1.1\r\n${close}\r\n`,
      'not found': `GET /nothing/here HTTP/1.1\r\n${close}\r\n`,
      'a method of its own': `PROPFIND /bytes/5 HTTP/1.1\r\n${close}\r\n`,
      post: `POST /echo HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`,
      chunked: `POST /echo HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      delayed: `GET /delay/50 HTTP/1.1\r\n${close}\r\n`,
      pipelined: `GET /bytes/10 HTTP/1.1\r\nHost: lab\r\n\r\nGET /bytes/20 HTTP/1.1\r\n${close}\r\n`,
      'large head': `GET /bytes/10 HTTP/1.1\r\n${close}X-Large: ${'x'.repeat(12_000)}\r\n\r\n`,
    };
    for (const [name, request] of Object.entries(requests)) {
      const expected = essence(await send(direct, request, { tls }));
      t.deepEqual(essence(await sendAndFollow(address, request, { tls })), expected, name);
      // A client that ends its side after the request still gets its answer. With TLS that end is bytes: Node's servers
      // reset a connection that they close before these have come, and with it may lose what the client has not read.
      if (tls && name !== 'delayed') continue;
      const halfClosed = essence(await sendAndFollow(address, request, { tls, halfClose: true }));
      t.deepEqual({ ...halfClosed, headers: {} }, { ...expected, headers: {} }, `${name}, half-closed`);
    }
    const byBytes = await sendAndFollow(address, requests.post!, { tls, pieceBytes: 1 });
    t.deepEqual(essence(byBytes), essence(await send(direct, requests.post!, { tls })), 'one byte at a time');
  });

  declare(`${way}: a body of 10 MB arrives whole, in both directions`, async (t) => {
    const { address, tls } = await start();
    const request = (extra: string) =>
      Buffer.concat([
        Buffer.from(
          `POST /echo HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n${extra}Content-Length: ${TEN_MB}\r\n\r\n`,
        ),
        body,
      ]);
    const reply = await sendAndFollow(address, request(''), { tls });
    t.is(reply.status, 200);
    t.is(digest(reply.rest), bodyDigest);
  });

  if (!byItself) return;

  needing('curl', declare)(
    `${way}: curl uploads and downloads 10 MB, with and without Expect, and chunked`,
    async (t) => {
      const started = await start();
      const { file } = started;
      const curl = (args: readonly string[]) => runCurl(started, args);
      const url = started.url('/echo');
      t.is(digest(await curl(['--data-binary', `@${file}`, '-H', 'Expect:', url])), bodyDigest, 'plain');
      t.is(
        digest(await curl(['--data-binary', `@${file}`, '-H', 'Expect: 100-continue', url])),
        bodyDigest,
        'Expect',
      );
      const chunked = ['-H', 'Transfer-Encoding: chunked', '-H', 'Expect:'];
      t.is(digest(await curl(['--data-binary', `@${file}`, ...chunked, url])), bodyDigest, 'chunked');
      t.is((await curl([started.url(`/bytes/${TEN_MB}`)])).length, TEN_MB);
      t.is((await curl(['--http1.0', '--no-alpn', started.url('/bytes/100')])).length, 100);
      t.regex((await curl(['--head', started.url('/bytes/100')])).toString(), /content-length: 100/i);
    },
  );

  needing('python3', declare)(
    `${way}: Node's fetch and Python's http.client get what they ask for`,
    async (t) => {
      const started = await start();
      const { address, certificate } = started;
      const sent = body.subarray(0, 100_000);
      // A process of its own, which is told whom to trust.
      const fetching = `
        const { createHash } = await import('node:crypto');
        // Node 22's fetch cannot send an array a second time, after a redirect of any server's (22.23.3).
        const body = new Blob([Buffer.from('${sent.toString('base64')}', 'base64')]);
        const answer = await fetch('${started.url('/echo')}', { method: 'POST', body });
        console.log(createHash('sha256').update(new Uint8Array(await answer.arrayBuffer())).digest('hex'));
      `;
      const node = await execa(process.execPath, ['--input-type=module'], {
        input: fetching,
        env: certificate === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificate },
      });
      t.is(node.stdout, digest(sent));
      const script = `
import http.client, ssl, sys, urllib.parse
host, target = sys.argv[1], '/bytes/1000?q=1'
def connect():
    if len(sys.argv) < 3: return http.client.HTTPConnection(host, timeout=10)
    trust = ssl.create_default_context(cafile=sys.argv[2])
    return http.client.HTTPSConnection(host, timeout=10, context=trust)
for hop in range(2):
    c = connect()
    c.request('GET', target)
    r = c.getresponse()
    data = r.read()
    if r.status != 307: break
    u = urllib.parse.urlsplit(r.getheader('Location'))
    host, target = u.netloc, u.path + '?' + u.query
for n in (1, 2, 3):
    c.request('POST', '/echo', body=b'x' * n)
    r = c.getresponse(); data += r.read()
print(r.status, len(data))
`;
      const { stdout } = await execa('python3', [
        '-c',
        script,
        address,
        ...(certificate === undefined ? [] : [certificate]),
      ]);
      t.is(stdout, '200 1006');
    },
  );

  needing('curl', declare)(`${way}: a connection that stays open carries many requests`, async (t) => {
    const started = await start();
    const urls = Array.from({ length: 100 }, (_, i) => started.url(`/bytes/${i + 1}`));
    const text = await runCurl(started, urls);
    t.is(text.length, (100 * 101) / 2);
  });
}
