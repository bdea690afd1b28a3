/**
 * Required before every test file: its process ends when nothing is left to be done, and not by the long way. On that Node
 * closes what is open handle by handle (Environment::CleanupHandles), and was seen to wait for ever for one that does not come,
 * after visits over TLS whose connections were cut.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) process.once('beforeExit', () => process.exit());
