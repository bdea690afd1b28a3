/** Connects to the sockets named as arguments as another user and says what came of it: UID GID GROUPS SEQPACKET-PATH ADMIN-PATH. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SystemError } from '../../shared/sys/libc.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { receive } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import { decodeFromHead } from '../../shared/wire/control.ts';
import { sayHello } from './garbage.ts';

const [uid, gid, groups, deliveries, admin] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
process.setgroups!(groups === '' ? [] : groups.split(',').map(Number));
process.setgid!(Number(gid));
process.setuid!(Number(uid));

/** The head's first word to who says hello. */
async function register(): Promise<string> {
  let fd: number;
  try {
    fd = connectSeqpacket(deliveries);
  } catch (error) {
    return error instanceof SystemError ? String(error.code) : String(error);
  }
  sayHello(fd, 'another');
  const memory = allocate(65_536);
  for (let i = 0; i < 1000; i++) {
    const n = receive(fd, memory, 0, 65_536);
    if (n > 0) {
      const message = decodeFromHead(memory.bytes.subarray(0, n));
      return message.type === 'refused' ? message.code : message.type;
    }
    if (n === 0) return 'closed';
    await delay(10);
  }
  return 'no answer';
}

async function askAdmin(): Promise<string> {
  const socket = connect(admin);
  try {
    await once(socket, 'connect');
    return 'connected';
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

console.log(JSON.stringify({ delivery: await register(), admin: await askAdmin() }));
process.exit();
