/**
 * Writes the emitted kernels beside the built JavaScript, for places that forbid compiling and for a quicker start.
 *
 *     node scripts/kernels.mjs [dist]
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = resolve(process.argv[2] ?? 'dist');
const layers = (file) => import(pathToFileURL(join(dist, 'layers', file)));
const { emitKernels, KERNEL_FORMS, kernelsFile } = await layers('wasm-module.js');
(await layers('whole-numbers.js')).provideWholeNumbers(await layers('kernels-i16.js'));
for (const form of KERNEL_FORMS) writeFileSync(join(dist, kernelsFile(form)), emitKernels(form));

const { DECODER_FILE, emitDecoder } = await import(pathToFileURL(join(dist, 'codecs/jpeg/module.js')));
writeFileSync(join(dist, DECODER_FILE), emitDecoder());

/** What every form is to TypeScript where it can be imported: the type of `wasmModule`. */
const TYPES = `/** The emitted kernels, compiled: hand them in as \`wasmModule\`. */
declare const kernels: WebAssembly.Module;
export default kernels;
`;
writeFileSync(join(dist, 'kernels.wasm.d.ts'), TYPES);
