/** A head that has handed over and is not gone yet, with connections that live on other hosts: asked for its status just then. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { killed } from '../../../infra/processes/launch.ts';
import { asRoot } from '../../support/netns.ts';
import { startTestLab } from '../../support/netns-lab.ts';
import { RogueSuccessor } from '../../support/rogue-successor.ts';
import { openStream } from '../../support/stream.ts';
import { gone } from '../../support/upgrades.ts';

/** Each is answered, or cut off when the head has waited for a tenth of a second. */
const ASKED = 8;

asRoot()('who asks a head that has handed over ends it no other way than its work does', async (t) => {
  const lab = await startTestLab({ headArguments: ['--stall-timeout', '10s'] });
  t.teardown(() => lab.stop());
  const admin = join(lab.network.directory, 'head.admin.sock');
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count === 1);
  const { pid } = lab.head;
  const sockets = Array.from({ length: ASKED }, () => connect(admin).on('error', () => {}));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.write('GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n');
  // Answered by it behind these: so they are in.
  await lab.head.status();
  const answers = Promise.all(sockets.map((socket) => text(socket).catch(() => '')));
  const rogue = await RogueSuccessor.ask(admin, 'baton-take-over/2');
  t.teardown(() => rogue.die());
  await rogue.hear('sockets');
  await rogue.say('ready');
  await rogue.hear('handed');
  await rogue.say('confirmed');
  await rogue.hear('done');
  for (const socket of sockets) socket.write('\r\n');
  const answered = (await answers).filter((answer) => answer.startsWith('HTTP/1.1 200'));
  t.log(`${answered.length} of ${ASKED} answered`);
  for (const answer of answered) t.regex(answer, new RegExp(`"pid":${pid}\\b`));
  await gone(pid);
  // What a signal ended has last words.
  t.is(killed.lastWords.get(pid), undefined);
  await stream.echo();
});
