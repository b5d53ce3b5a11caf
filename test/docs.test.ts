/** The pages of docs/ say nothing that does not hold: programs, quotes, links, and the kernel that one of them adds. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { pages, renumber } from '../scripts/quotes.mjs';
import type { WasmKernel } from '../src/layers/kernel.js';
import type { ActivationSpec } from '../src/layers/spec.js';
import { ModuleBuilder } from '../src/tensor/wasm/assembler.js';
import { ROOT } from './helpers/cli.js';
import { blocks, expectPromised, localLinks } from './helpers/pages.js';
import { compare, type Run } from './layers/cases.js';

describe.each([...pages()])('docs/%s', (name, page) => {
  const programs = blocks(page, 'js').map((code) => [code.match(/.*\/\/ → .*/)?.[0].trim() ?? code, code]);
  it.each(programs)('%s', (_, code) => expectPromised(code));

  it('quotes what is there, with the right lines', () => {
    expect(renumber(page, name), 'npm run docs:quotes moves the numbers').toBe(page);
  });

  it('has links that lead somewhere', () => {
    expect(localLinks(page).filter((link) => !existsSync(join(ROOT, 'docs', link)))).toEqual([]);
  });
});

describe('the kernel of docs/add-a-kernel.md', async () => {
  const [code] = blocks(pages().get('add-a-kernel.md')!, 'ts kernel');
  // Into a folder of its own, where "beside its sisters" is somewhere else.
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'hardswish.ts');
  writeFileSync(
    file,
    code.replaceAll("from '../../", `from '${ROOT}src/`).replaceAll("from '../", `from '${ROOT}src/layers/`),
  );
  const { hardswishWasm } = (await import(pathToFileURL(file).href)) as { hardswishWasm: WasmKernel<ActivationSpec> };

  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new ModuleBuilder({ initial: 1 }, { relaxed: false });
  hardswishWasm.emit(module);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  const functions = exports as Record<string, (...args: number[]) => void>;

  /** Calls it, in parts that begin at multiples of its grain where `parts` is more than 1. */
  const runIn =
    (parts: number): Run =>
    (spec, { x }, y) => {
      const at = { x: 4, weights: 0, bias: 0, residual: 0, other: 0, y: 32772, zeros: 0 };
      new Float32Array(memory.buffer, at.x, x.length).set(x);
      for (const { name, args, split } of hardswishWasm.calls(spec as ActivationSpec, at)) {
        const [from, to] = [args[split.at], args[split.at + 1]];
        const part = Math.ceil((to - from) / parts / split.grain) * split.grain;
        for (let begin = from; begin < to; begin += part) {
          functions[name](...args.with(split.at, begin).with(split.at + 1, Math.min(begin + part, to)));
        }
      }
      y.set(new Float32Array(memory.buffer, at.y, y.length));
    };

  it.each([1, 2, 3])('is the reference, in %i parts', (parts) => {
    for (let size = 1; size < 70; size++) {
      const spec: ActivationSpec = { op: 'activation', dtype: 'f32', size, function: 'hardswish' };
      expect(hardswishWasm.supports(spec)).toBe(true);
      compare(runIn(parts), spec);
    }
  });

  it('lets NaN through', () => {
    const x = Float32Array.of(Number.NaN, Infinity, -Infinity, 1, Number.NaN);
    const y = new Float32Array(5);
    const none = new Float32Array(0);
    const spec: ActivationSpec = { op: 'activation', dtype: 'f32', size: 5, function: 'hardswish' };
    runIn(1)(spec, { x, weights: none, bias: none, residual: none, other: none }, y);
    expect([...y]).toEqual([Number.NaN, Infinity, Number.NaN, Math.fround(2 / 3), Number.NaN]);
  });
});
