/** Python as an oracle: ORACLE_PYTHON, else python3, where it has what a recipe needs. */
import { execFileSync } from 'node:child_process';

const has = (command: string, args: readonly string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** The command of a Python that imports all of `modules`; undefined, with a printed reason, where there is none. */
export function pythonWith(modules: readonly string[], what: string): string | undefined {
  const python = process.env.ORACLE_PYTHON ?? 'python3';
  if (has(python, ['-c', `import ${modules.join()}`])) return python;
  console.log(`${what} left out: ${python} has no ${modules.join(', ')} (ORACLE_PYTHON names another)`);
  return undefined;
}

/** Whether a program can be started; prints what is left out where it cannot. */
export function hasProgram(program: string, args: readonly string[], what: string): boolean {
  if (has(program, args)) return true;
  console.log(`${what} left out: there is no ${program}`);
  return false;
}
