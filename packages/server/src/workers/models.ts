/** `--model name=where,task=…`: which models are served, and under which names. */
import { ServeError } from '../errors.js';
import { TASKS, type Task } from './jobs.js';

/** A model before it is loaded. */
export interface ModelSpec {
  name: string;
  /** A folder, or a name on the hub; the checkpoint that ships for the task when left out. */
  where?: string;
  /** What for; what its config.json says when left out. */
  task?: Task;
}

/** The checkpoint that ships, as `npx mobilenet-v2 classify` has it. */
export const DEFAULT_MODEL: ModelSpec = { name: 'mobilenet_v2', task: 'classify' };

/** Most characters of a model's name. */
export const MOST_NAME = 128;
const NAME = new RegExp(`^[A-Za-z0-9._-]{1,${MOST_NAME}}$`);
/** Tasks as the hub spells them. */
export const HUB_TASKS: ReadonlyMap<string, Task> = new Map([
  ['image-classification', 'classify'],
  ['image-segmentation', 'segment'],
  ['image-feature-extraction', 'features'],
]);

const refuse = (text: string, why: string): ServeError => new ServeError('BAD_REQUEST', `--model ${text}: ${why}`);

/**
 * Reads `name=where`, `name=where,task=segment` or, for a checkpoint that ships, `name,task=segment`.
 * @throws ServeError BAD_REQUEST
 */
export function parseModel(text: string): ModelSpec {
  const [, rest, taskText] = /^(.*?)(?:,task=([^,]*))?$/s.exec(text) as unknown as [string, string, string | undefined];
  const at = rest.indexOf('=');
  const name = at < 0 ? rest : rest.slice(0, at);
  const where = at < 0 ? undefined : rest.slice(at + 1);
  if (!NAME.test(name)) throw refuse(text, 'expected name=where, a name of letters, digits, ".", "_" and "-"');
  if (where === '') throw refuse(text, 'expected a folder or a name on the hub after "="');
  if (taskText === undefined) return where === undefined ? { name } : { name, where };
  const task = HUB_TASKS.get(taskText) ?? TASKS.find((own) => own === taskText);
  if (task === undefined) throw refuse(text, `expected task=${TASKS.join(', ')}`);
  return where === undefined ? { name, task } : { name, where, task };
}

/** @throws ServeError BAD_REQUEST where two models have one name */
export function checkModels(specs: readonly ModelSpec[]): readonly ModelSpec[] {
  const names = specs.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ServeError('BAD_REQUEST', `--model ${twice}: the name is there twice`);
  return specs;
}
