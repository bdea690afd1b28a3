/** Asks at an admin socket to take over, as another user: UID ADMIN-PATH. Prints what it answers. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { question } from './rogue-successor.ts';

const [uid, admin] = process.argv.slice(2) as [string, string];
process.setgroups!([]);
process.setgid!(Number(uid));
process.setuid!(Number(uid));
const socket = connect(admin);
socket.write(question());
console.log(await text(socket));
process.exit();
