/** HTTP/2 without TLS over a head, by clients that know that they will be understood. */
import { once } from 'node:events';
import { connect as connectSession, createServer } from 'node:http2';
import { connect } from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { receiveConnections } from '../../delivery/index.ts';
import { parseHostPort } from '../../shared/units.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { answerTo } from '../support/raw-client.ts';

const log = pino({ level: 'silent' });
let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];

test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '1'], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

test.serial(
  'HTTP/2 without TLS is handed over at its preface, also where that comes in pieces',
  async (t) => {
    const receiver = receiveConnections(
      createServer((request, response) => response.end(`${request.headers[':path']}`)),
      { head: cluster.socket, log, direct: null },
    );
    t.teardown(() => receiver.close(0));
    await receiver.ready;
    const { host, port } = parseHostPort(cluster.listen)!;
    const session = connectSession(`http://${host}:${port}`);
    const stream = session.request({ ':path': '/h2c' });
    stream.setEncoding('utf8');
    const [body] = (await once(stream, 'data')) as [string];
    t.is(body, '/h2c');
    session.destroy();

    const socket = connect(port, host);
    for (const piece of ['PRI * HTTP/2', '.0\r\n\r\nSM\r', '\n\r\n', '\0\0\0\x04\0\0\0\0\0']) {
      socket.write(piece, 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    t.is(answer[3], 4, 'SETTINGS');
    socket.destroy();
  },
);

test.serial('a client of HTTP/2 that nobody can take is answered, and told to go away', async (t) => {
  const start = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
  const settings = '000000040000000000';
  t.is(await answerTo(cluster.listen, start), `${settings}0000080700000000000000000000000002`);
  // GET http:/ in stream 1: 503, and nothing behind it has been heard.
  const asked = Buffer.concat([start, Buffer.from('000003010500000001828684', 'hex')]);
  t.is(
    await answerTo(cluster.listen, asked),
    `${settings}00000501050000000108033530330000080700000000000000000100000000`,
  );
  const session = connectSession(`http://${cluster.listen}`);
  const stream = session.request({ ':path': '/' });
  // Or, where its request came later than its preface, an error.
  const [said] = (await Promise.race([once(stream, 'response'), once(session, 'error')])) as [
    { ':status'?: number; code?: string },
  ];
  t.true(said[':status'] === 503 || said.code === 'ERR_HTTP2_SESSION_ERROR', JSON.stringify(said));
  session.destroy();
});

test.serial(
  'HTTP/2 without TLS goes by the name and the path of a first request that comes at once',
  async (t) => {
    const server = (who: string) => createServer((_request, response) => response.end(who));
    for (const who of ['shop', 'img']) {
      const receiver = receiveConnections(server(who), {
        ...{ head: cluster.socket, log, direct: null },
        ...{ name: `d-${who}`, serves: [`${who}.example`] },
      });
      t.teardown(() => receiver.close(0));
      await receiver.ready;
    }
    for (const who of ['shop', 'img', 'shop']) {
      const session = connectSession(`http://${cluster.listen}`);
      const stream = session.request({ ':path': '/', ':authority': `${who}.example:80` });
      stream.setEncoding('utf8');
      const [body] = (await once(stream, 'data')) as [string];
      t.is(body, who);
      session.destroy();
    }
    const session = connectSession(`http://${cluster.listen}`);
    const stream = session.request({ ':path': '/', ':authority': 'elsewhere.example' });
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
    t.is(headers[':status'], 421);
    session.destroy();

    // Who waits for the server's word before it asks is not waited for: nobody here serves those that ask for nobody.
    const start = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    t.regex(await answerTo(cluster.listen, start), /^000000040000000000000008070000000000/);
  },
);
