/** What clients of today speak, on every way to a delivery: HTTP/2, WebSocket, server-sent events; and rude ones over TLS. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { WebSocket } from 'ws';
import { curlTrust, type Declare, runCurl, type Started, startWay, type Way } from './behaviour.ts';
import { sendingAs } from './encrypted.ts';
import { needing } from './needs.ts';
import { open, sendOn } from './raw-client.ts';

const MESSAGES = 300;

/** Of the client's choice: some compress well, some not at all, some are empty. */
const messages = Array.from({ length: MESSAGES }, (_, at) =>
  at % 3 === 0 ? randomBytes(at * 7) : Buffer.alloc((at * 13) % 4000, `message ${at} `),
);

/** Declares the suite for one way. */
export function declareBehaviourToday(way: Way, declare: Declare = test): void {
  const { name, byItself, secure = false, sentOver = false } = way;

  // A connection whose TLS the head has ended cannot be handed over any more: its WebSockets must follow.
  const webSockets: Declare = sentOver && !byItself ? () => {} : declare;
  webSockets(`${name}: WebSocket messages come back as they were sent, compressed or not`, async (t) => {
    const { address, tls } = startWay(way);
    for (const perMessageDeflate of [true, false]) {
      const socket = new WebSocket(`${secure ? 'wss' : 'ws'}://${address}/any`, {
        ...tls,
        perMessageDeflate,
        followRedirects: sentOver,
      });
      await once(socket, 'open');
      t.is(new URL(socket.url).protocol, secure ? 'wss:' : 'ws:');
      t.is(socket.extensions, perMessageDeflate ? 'permessage-deflate' : '');
      const back: Buffer[] = [];
      const all = new Promise<void>((resolve) =>
        socket.on('message', (data: Buffer) => back.push(data) === MESSAGES && resolve()),
      );
      for (const message of messages) socket.send(message);
      await all;
      t.true(back.every((message, at) => message.equals(messages[at]!)));
      socket.close(1000, 'enough');
      t.is((await once(socket, 'close'))[0], 1000);
    }
  });

  if (secure) {
    declareHttp2(way, declare);
    declareHandshakes(way, declare);
    if (!sentOver) declareRude(way, declare);
  }
  if (!byItself) return;

  needing('curl', declare)(`${name}: events arrive one by one`, async (t) => {
    const { url, certificate } = startWay(way);
    // Each line is stamped outside of this process, which other tests may keep busy for seconds.
    const stamp = 'curl "$@" | while IFS= read -r line; do printf "%s %s\\n" "$EPOCHREALTIME" "$line"; done';
    const curl = execa('bash', [
      ...['-c', stamp, 'bash'],
      '-sSN',
      '--fail',
      '--location',
      '--max-time',
      '30',
      ...curlTrust(certificate),
      url('/events/20/100'),
    ]);
    const came: number[] = [];
    let written = 0;
    for await (const line of curl) {
      const [, seconds, millis] = /^(\d+[.,]\d+) data: (\d+)/.exec(line) ?? [];
      if (seconds === undefined) continue;
      came.push(Number(seconds.replace(',', '.')) * 1000);
      written = Number(millis);
    }
    t.is(came.length, 20);
    // Not, if somebody had kept them back.
    t.true(came[0]! < written, `${written - came[0]!} ms`);
  });
}

/** Over TLS by ALPN, and on the same port without, by its preface. */
function declareHttp2(way: Way, declare: Declare): void {
  for (const scheme of ['https', 'http'] as const) {
    const what = scheme === 'https' ? 'HTTP/2' : 'HTTP/2 without TLS';
    const urlOf = ({ address }: Started, path: string) => `${scheme}://${address}${path}`;

    declare(
      `${way.name}: many requests at once over one session of ${what} get what they ask for`,
      async (t) => {
        const started = startWay(way);
        const session = connectHttp2(urlOf(started, '/'), started.tls);
        const sent = Array.from({ length: 50 }, (_, at) => randomBytes(at * at * 10));
        const answers = await Promise.all(
          sent.map(async (body) => {
            const stream = session.request({ ':path': '/echo', ':method': 'POST' });
            stream.end(body);
            const pieces: Buffer[] = [];
            for await (const piece of stream) pieces.push(piece as Buffer);
            return Buffer.concat(pieces);
          }),
        );
        t.true(answers.every((answer, at) => answer.equals(sent[at]!)));
        session.close();
        await once(session, 'close');
      },
    );

    // curl offers HTTP/1.1 as well, is answered in that, and follows no 201.
    if (way.sentOver && !way.byItself && scheme === 'https') continue;
    needing('curl', declare)(`${way.name}: curl gets and sends over ${what}`, async (t) => {
      const started = startWay(way);
      const version = scheme === 'https' ? '--http2' : '--http2-prior-knowledge';
      const body = 'b'.repeat(300_000);
      const echoed = await runCurl(started, [version, '--data-binary', '@-', urlOf(started, '/echo')], body);
      t.is(echoed.toString(), body);
      const format = ['-o', '/dev/null', '-w', '%{http_version}'];
      t.is((await runCurl(started, [version, ...format, urlOf(started, '/bytes/9')])).toString(), '2');
    });
  }
}

/** Sessions resume at every delivery, or at the head that answers, and a second hello reaches the one that asked for it. */
function declareHandshakes(way: Way, declare: Declare): void {
  declare(
    `${way.name}: a client whose key share the server does not know is asked for another`,
    async (t) => {
      const { address, tls } = startWay(way);
      let hellos = 0;
      const duplex = await sendingAs(address, (socket, bytes) => {
        // A record of a handshake, whose first byte says ClientHello; the second one comes after a record of another type.
        const record = bytes[0] === 0x14 ? bytes.subarray(6) : bytes;
        if (record[0] === 0x16 && record[5] === 1) hellos++;
        socket.write(bytes);
      });
      const groups = { minVersion: 'TLSv1.3', ecdhCurve: 'brainpoolP256r1tls13:X25519' } as const;
      const socket = connectTls({ ...tls, ...groups, socket: duplex });
      socket.write('GET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      const pieces: Buffer[] = [];
      for await (const piece of socket) pieces.push(piece as Buffer);
      const answer = Buffer.concat(pieces).toString();
      if (way.sentOver) t.regex(answer, /^HTTP\/1\.1 (307|201) [\s\S]*\r\nLocation: https:\/\//);
      else t.regex(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*abc$/);
      t.is(hellos, 2);
    },
  );

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    declare(`${way.name}: a client resumes its session wherever it lands, ${version}`, async (t) => {
      const { address, tls } = startWay(way);
      let session: Buffer | undefined;
      for (let count = 0; count < 10; count++) {
        const resuming = session && { session };
        const socket = (await open(address, { ...tls, maxVersion: version, ...resuming })) as TLSSocket;
        if (version === 'TLSv1.2') session = socket.getSession();
        socket.on('session', (ticket: Buffer) => {
          session = ticket;
        });
        t.is(socket.isSessionReused(), count > 0, String(count));
        const { status } = await sendOn(
          socket,
          'GET /bytes/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
        );
        t.true(way.sentOver ? status === 307 || status === 201 : status === 200, String(status));
      }
    });
  }
}

/** What a server makes of these does not depend on the way: over TLS the head reads none of it. */
function declareRude(way: Way, declare: Declare): void {
  const rude: Readonly<Record<string, string>> = {
    'no HTTP': 'hello\r\n\r\n',
    'a bad version': 'GET / HTTP/9.9\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two lengths': 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'a length and chunks':
      'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a head without end': `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(16_384)}`,
    'a body that breaks off': 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello',
    'TLS within TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  };
  const outcome = async (t: ExecutionContext, address: string, tls: Started['tls'], request: string) => {
    const socket = await open(address, tls);
    t.teardown(() => socket.destroy());
    try {
      const { all } = await sendOn(socket, request, { halfClose: request.endsWith('hello') });
      return all.toString('latin1').replace(/\r\nDate: [^\r]*/g, '');
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const [what, request] of Object.entries(rude)) {
    declare(`${way.name}: ${what} gets what it gets directly`, async (t) => {
      const { address, direct, tls } = startWay(way);
      t.is(await outcome(t, address, tls, request), await outcome(t, direct, tls, request));
    });
  }
}
