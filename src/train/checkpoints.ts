/**
 * `checkpoint-N/`: all that a training needs to go on as if it had never stopped. A folder has
 *
 *   config.json, model.safetensors   the model, as Python's transformers reads it
 *   preprocessor_config.json         where there is a processor
 *   trainer_state.json               transformers' TrainerState, field by field
 *   optimizer.safetensors            what the optimizer remembers: `classifier.weight.exp_avg`
 *   resume.json                      the rest: where in the epoch, the seeds, the rate, sums for the log, the arguments
 *
 * and appears as a whole. Random numbers depend on the seed, the epoch and the step, so these are their state.
 */
import { requirePlatform } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';
import { isJsonObject, type JsonObject, parseJson } from '../base/json.js';
import type { FolderStore } from '../base/platform.js';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.js';
import { toFloat32, toInt64 } from '../formats/stored.js';
import type { OptimizerState } from '../runtime/training/types.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainerControl, TrainerState } from './callbacks.js';
import type { ScheduleState } from './metric-schedules.js';

const PREFIX = /^checkpoint-(\d+)$/;

/** What transformers' TrainerState has no field for. */
export interface Resume {
  /** Epochs that are over, with what follows their end. */
  epoch: number;
  /** Steps of the epoch that are over. */
  steps: number;
  /** What was to be done next: evaluate, stop. */
  control: TrainerControl;
  seed: number;
  data_seed: number;
  /** Pictures of the data that it was trained on. */
  pictures: number;
  /** Sum of the losses since the last line of the log. */
  lossSum: number;
  /** The step of that line. */
  lastLogged: number;
  /** Sum of the losses before that. */
  totalLoss: number;
  /** Of the last step; null before the first, and in no JSON where it is not finite. */
  gradNorm: number | null;
  learningRate: number | null;
  /** Of a learning rate that follows a metric. */
  schedule?: ScheduleState | undefined;
  args: object;
}

/** A checkpoint that was read. */
export interface Checkpoint {
  path: string;
  state: TrainerState;
  resume: Resume;
  optimizer: OptimizerState;
  weights: Map<string, Tensor>;
}

export const folderStore = async (): Promise<FolderStore> => requirePlatform('folderStore', 'a checkpoint')();

export const checkpointPath = (dir: string, step: number): string => `${dir}/checkpoint-${step}`;

const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** As transformers writes it: names in order, so that two of them can be compared. */
const sorted = (value: object): object =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What a checkpoint has besides the model. `memory` has names for the arrays that the optimizer keeps of each parameter. */
export function trainingFiles(
  state: TrainerState,
  rest?: {
    resume: Resume;
    optimizer: OptimizerState;
    memory: readonly string[];
    dims: ReadonlyMap<string, readonly number[]>;
  },
): Map<string, Uint8Array> {
  const files = new Map([['trainer_state.json', json(sorted(state))]]);
  if (rest === undefined) return files;
  const tensors = new Map<string, Tensor>();
  for (const [name, arrays] of rest.optimizer.memory) {
    for (const [i, data] of arrays.entries())
      tensors.set(`${name}.${rest.memory[i]}`, new Tensor('float32', data, rest.dims.get(name)!));
  }
  const metadata = { format: 'pt', steps: String(rest.optimizer.steps) };
  files.set('optimizer.safetensors', writeSafetensors(tensors, { metadata }));
  files.set('resume.json', json(rest.resume));
  return files;
}

/**
 * Reads what {@link trainingFiles} and the model wrote.
 * @throws MobileNetError NOT_FOUND where a file is missing, and what damaged files throw
 */
export async function readCheckpoint(store: FolderStore, path: string, memory: readonly string[]): Promise<Checkpoint> {
  const file = async (name: string) => {
    const bytes = await store.read(path, name);
    if (bytes !== undefined) return bytes;
    throw new MobileNetError(
      'NOT_FOUND',
      `${path}/${name}: no such file; nobody can go on from this folder${name === 'optimizer.safetensors' ? ' (save_only_model?)' : ''}`,
      { file: `${path}/${name}` },
    );
  };
  const object = async (name: string) => objectOf(await file(name), `${path}/${name}`);
  const state = (await object('trainer_state.json')) as unknown as TrainerState;
  const stored = readSafetensors(await file('optimizer.safetensors'), { file: `${path}/optimizer.safetensors` });
  const resume = (await object('resume.json')) as unknown as Resume;
  checkPosition(state, resume, path);
  return {
    path,
    state,
    resume,
    optimizer: { steps: Number(stored.metadata.steps), memory: memoryOf(stored.tensors, memory) },
    weights: await readWeights(store, path),
  };
}

/** The weights of a checkpoint, and what norms have counted. */
export async function readWeights(store: FolderStore, path: string): Promise<Map<string, Tensor>> {
  const file = `${path}/model.safetensors`;
  const bytes = await store.read(path, 'model.safetensors');
  if (bytes === undefined) throw new MobileNetError('NOT_FOUND', `${file}: no such file`, { file });
  const { tensors } = readSafetensors(bytes, { file });
  const weights = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype === 'F32') weights.set(name, toFloat32(tensor));
    if (tensor.dtype === 'I64') weights.set(name, toInt64(tensor));
  }
  return weights;
}

function objectOf(bytes: Uint8Array, file: string): JsonObject {
  const value = parseJson(bytes, { file, code: 'BAD_HEADER' });
  if (isJsonObject(value)) return value;
  throw new MobileNetError('BAD_HEADER', `${file}: expected an object`, { file });
}

/** What the training counts with: anything else in its place would end in nonsense much later. */
function checkPosition(state: TrainerState, resume: Resume, path: string): void {
  const counts = { global_step: state.global_step, epoch: resume.epoch, steps: resume.steps };
  for (const [name, value] of Object.entries({ ...counts, lastLogged: resume.lastLogged })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new MobileNetError('BAD_HEADER', `${path}: ${name}: expected a whole number from 0, got ${String(value)}`);
  }
  if (!Array.isArray(state.log_history))
    throw new MobileNetError('BAD_HEADER', `${path}/trainer_state.json: log_history: expected a list`);
}

function memoryOf(
  tensors: ReturnType<typeof readSafetensors>['tensors'],
  memory: readonly string[],
): Map<string, Float32Array[]> {
  const found = new Map<string, Float32Array[]>();
  for (const [name, tensor] of tensors) {
    const dot = name.lastIndexOf('.');
    const parameter = name.slice(0, dot);
    const arrays = found.get(parameter) ?? [];
    const place = memory.indexOf(name.slice(dot + 1));
    if (place < 0) {
      throw new MobileNetError(
        'BAD_HEADER',
        `optimizer.safetensors: ${name} is of another optimizer; go on with the same optim`,
      );
    }
    arrays[place] = toFloat32(tensor).data as Float32Array;
    found.set(parameter, arrays);
  }
  return found;
}

/** Steps of the checkpoints in a folder, the last one last. */
async function stepsIn(store: FolderStore, dir: string): Promise<number[]> {
  const names = await store.list(dir);
  return names
    .map((name) => PREFIX.exec(name))
    .filter((found) => found !== null)
    .map(([, step]) => Number(step))
    .sort((a, b) => a - b);
}

/** The last checkpoint in a folder, or undefined if it has no checkpoint. */
export async function get_last_checkpoint(folder: string): Promise<string | undefined> {
  const step = (await stepsIn(await folderStore(), folder)).at(-1);
  return step === undefined ? undefined : checkpointPath(folder, step);
}

/** Removes the oldest ones, but neither the best nor the last. */
export async function rotateCheckpoints(
  store: FolderStore,
  dir: string,
  { limit, best }: { limit: number | undefined; best: string | null },
): Promise<void> {
  if (limit === undefined) return;
  const paths = (await stepsIn(store, dir)).map((step) => checkpointPath(dir, step));
  const kept = new Set([paths.at(-1), best].filter((path) => path !== null && paths.includes(path!)));
  let left = paths.length;
  for (const path of paths) {
    if (left <= Math.max(limit, kept.size)) return;
    if (kept.has(path)) continue;
    await store.remove(path);
    left--;
  }
}
