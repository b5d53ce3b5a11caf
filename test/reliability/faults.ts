/** A shim between the package and node:fs: the n-th call of a kind fails, once or from then on. */
import fs, { type promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export const CALLS = ['open', 'read', 'write', 'rename', 'sync', 'stat'] as const;
export const ERRORS = ['EMFILE', 'ENOSPC', 'EIO', 'EACCES'] as const;

export interface Fault {
  call: (typeof CALLS)[number];
  code: (typeof ERRORS)[number];
  /** From 1. */
  nth: number;
  /** Whether all later calls fail as well. */
  lasting: boolean;
}

/** Runs the work with the fault. Resolves with how often it struck. */
export async function withFault(fault: Fault, work: () => Promise<void>): Promise<number> {
  let calls = 0;
  let struck = 0;
  const strike = (call: string): void => {
    if (call !== fault.call || !(++calls === fault.nth || (fault.lasting && calls > fault.nth))) return;
    struck++;
    const { code } = fault;
    throw Object.assign(new Error(`${code}: injected, ${call}`), { code, syscall: call, errno: -1 });
  };
  const probe = await fs.promises.open(process.execPath);
  const handle = Object.getPrototypeOf(probe) as Record<string, unknown>;
  await probe.close();
  const undo: (() => void)[] = [];
  const patch = (target: Record<string, unknown>, name: string, call: string) => {
    const own = target[name] as (...args: unknown[]) => unknown;
    target[name] = async function (this: unknown, ...args: unknown[]) {
      strike(call);
      return own.apply(this, args);
    };
    undo.push(() => {
      target[name] = own;
    });
  };
  const calls_ = fs.promises as unknown as Record<keyof typeof promises, unknown>;
  for (const name of ['open', 'rename', 'stat'] as const) patch(calls_, name, name);
  patch(calls_, 'writeFile', 'write');
  for (const [name, call] of Object.entries({
    read: 'read',
    write: 'write',
    writeFile: 'write',
    sync: 'sync',
    stat: 'stat',
  }))
    patch(handle, name, call);
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    for (const each of undo) each();
    syncBuiltinESMExports();
  }
  return struck;
}
