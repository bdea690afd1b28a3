/** Large bodies, many requests and many connections, over connections that moved to another host. */
import { createCipheriv, createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { Agent, request } from '../../../shared/node-http.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';

const labTest = asRoot([], test.serial);
const HUNDRED_MB = 100_000_000;

/** Bytes that repeat nowhere, the same every time. */
function* noise(length: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 16);
  for (let left = length; left > 0; left -= zeros.length)
    yield cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
}

const digest = async (chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
};

let lab: LabForTests;
labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({});
  t.is(lab.deliveries.length, 2);
});

labTest('an answer of 100 MB arrives as it was sent', async (t) => {
  const url = (host: string) => `http://${host}/bytes/${HUNDRED_MB}`;
  const [moved, direct] = [await fetch(url(lab.head.listen)), await fetch(url(lab.deliveries[0]!.direct))];
  t.is(moved.status, 200);
  const [got, expected] = await Promise.all([digest(moved.body!), digest(direct.body!)]);
  t.is(got, expected);
  t.is((await lab.head.status()).outcomes.handoff!.taken, 1);
});

labTest('an upload of 100 MB arrives as it was sent, and comes back', async (t) => {
  const [host, port] = lab.head.listen.split(':');
  const headers = { 'content-length': HUNDRED_MB };
  const upload = request({ host, port, path: '/echo', method: 'POST', headers, agent: false });
  const answer = new Promise<IncomingMessage>((resolve, reject) =>
    upload.once('response', resolve).once('error', reject),
  );
  const [, got] = await Promise.all([
    pipeline(Readable.from(noise(HUNDRED_MB)), upload),
    answer.then((response) => digest(response)),
  ]);
  t.is(got, await digest(noise(HUNDRED_MB)));
});

labTest('one connection carries a thousand requests', async (t) => {
  const before = await lab.head.status();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(async () => agent.destroy());
  const [host, port] = lab.head.listen.split(':');
  for (let i = 1; i <= 1000; i++) {
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      request({ host, port, path: `/bytes/${i}`, agent }, resolve)
        .once('error', reject)
        .end(),
    );
    let length = 0;
    for await (const chunk of response) length += (chunk as Buffer).length;
    if (response.statusCode !== 200 || length !== i)
      return t.fail(`request ${i}: ${response.statusCode}, ${length} bytes`);
  }
  t.is((await lab.head.status()).accepted, before.accepted + 1);
});

labTest('nothing of all that is left', async (t) => {
  lab.enter('client');
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
