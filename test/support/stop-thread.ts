/** Stops one thread of another process, as a signal cannot (ptrace(2)). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** PTRACE_SEIZE and PTRACE_INTERRUPT. It goes on when the tracer ends, which awaits its end: else its process would be a zombie (__WALL). */
const STOP = `
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
tid = int(sys.argv[1])
if ptrace(0x4206, tid, None, None) < 0 or ptrace(0x4207, tid, None, None) < 0:
    sys.exit('errno %d' % ctypes.get_errno())
print('stopped', flush=True)
while True:
    _, status = os.waitpid(tid, 0x40000000)
    if not os.WIFSTOPPED(status): break
`;

/** The kernel's number of the thread with this name. */
export function threadCalled(pid: number, name: string): number {
  const task = `/proc/${pid}/task`;
  const found = readdirSync(task).find((tid) => readFileSync(`${task}/${tid}/comm`, 'utf8').trim() === name);
  if (found === undefined) throw new Error(`process ${pid} has no thread ${name}`);
  return Number(found);
}

/** Resolves with what lets it go on. */
export async function stopThread(tid: number): Promise<() => void> {
  const tracer = spawn('python3', ['-c', STOP, String(tid)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = await Promise.race([once(tracer.stdout, 'data'), once(tracer, 'exit')]);
  if (String(said[0]).trim() !== 'stopped') throw new Error(`thread ${tid} was not stopped`);
  return () => void tracer.kill('SIGKILL');
}
