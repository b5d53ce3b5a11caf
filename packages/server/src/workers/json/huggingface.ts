/** Bodies of Hugging Face's inference routes: `{"inputs": "<base64>", "parameters": {"top_k": 2}}`. */
import type { Parser } from '../worker.js';
import {
  answerPictures,
  base64,
  checkCount,
  checkKeys,
  type GoodAnswer,
  readJson,
  readParameters,
  readPicture,
} from './read.js';

/** As Hugging Face says it: of features a list with one row. A mask has no score, since clients refuse null. */
export function written(answer: GoodAnswer): unknown {
  if ('labels' in answer) return answer.labels.map(({ label, score }) => ({ label, score }));
  if ('segments' in answer) return answer.segments.map(({ label, mask }) => ({ label, mask: base64(mask) }));
  return [Array.from(answer.features)];
}

export const answer: Parser = async ({ body, task }, model) => {
  const start = performance.now();
  const request = readJson(body);
  checkKeys(request, ['inputs', 'parameters', 'options'], 'body');
  const { inputs } = request;
  const many = Array.isArray(inputs);
  const texts: unknown[] = many ? inputs : [inputs];
  checkCount(texts.length, 'inputs');
  const where = (i: number) => (many ? `inputs[${i}]` : 'inputs');
  const pictures = texts.map((text, i) => readPicture(text, where(i)));
  const how = readParameters(request.parameters);
  return answerPictures(model, start, { task, pictures, where, ...how }, (answers) =>
    many ? answers.map(written) : written(answers[0]),
  );
};
