/** Bodies and answers of routes, for openapi.json. Workers check bodies where they parse them. */
import { MOST_PICTURES, type Task } from '../../workers/jobs.js';

const PICTURE = {
  type: 'string',
  contentEncoding: 'base64',
  description: 'a picture, or a data: URL with it',
} as const;
const PARAMETERS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    top_k: { type: 'integer', minimum: 1, default: 5, description: 'how many labels, best first' },
    threshold: {
      type: 'number',
      minimum: 0,
      maximum: 1,
      description: 'only labels or pixels with at least this score',
    },
    function_to_apply: { enum: ['softmax', 'sigmoid', 'none'], description: 'what makes scores of logits' },
  },
} as const;
const INPUTS = {
  type: 'object',
  required: ['inputs'],
  properties: {
    inputs: { oneOf: [PICTURE, { type: 'array', items: PICTURE, minItems: 1, maxItems: MOST_PICTURES }] },
    parameters: PARAMETERS,
  },
} as const;

const BYTES = {
  oneOf: [PICTURE, { type: 'object', required: ['b64'], properties: { b64: PICTURE }, additionalProperties: false }],
} as const;
const NAMED = {
  oneOf: [
    BYTES,
    {
      type: 'object',
      properties: { image: BYTES, image_bytes: BYTES },
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 1,
    },
  ],
} as const;
const LIST = { type: 'array', items: NAMED, minItems: 1, maxItems: MOST_PICTURES } as const;
const PREDICT = {
  type: 'object',
  properties: {
    instances: LIST,
    inputs: { oneOf: [LIST, { type: 'object', properties: { image: LIST, image_bytes: LIST } }] },
    parameters: PARAMETERS,
    signature_name: { const: 'serving_default' },
  },
  oneOf: [{ required: ['instances'] }, { required: ['inputs'] }],
} as const;

const BINARY = { schema: { type: 'string', format: 'binary' } } as const;

/** Hugging Face's: a picture's bytes of any type, or JSON. */
export const HUGGINGFACE_BODY = {
  content: { 'image/*': BINARY, 'application/octet-stream': BINARY, 'application/json': { schema: INPUTS } },
};
/** KServe v1's and TensorFlow Serving's. */
export const PREDICT_BODY = { content: { 'application/json': { schema: PREDICT } } };
/** SageMaker's: any of these. */
export const INVOCATIONS_BODY = {
  content: {
    ...HUGGINGFACE_BODY.content,
    'application/json': { schema: { oneOf: [INPUTS, PREDICT] } },
  },
};

const TEXT = { type: 'string' } as const;
const NUMBER = { type: 'number' } as const;
const listOf = <T>(items: T) => ({ type: 'array', items }) as const;
const record = <T extends object>(properties: T) =>
  ({ type: 'object', required: Object.keys(properties), properties, additionalProperties: false }) as const;

const MASK = { type: 'string', contentEncoding: 'base64', description: 'a PNG, 255 where the class is' } as const;
const LABELS = listOf(record({ label: TEXT, score: NUMBER }));
const MASKS = listOf(record({ label: TEXT, mask: MASK }));
const ONE = { anyOf: [LABELS, MASKS, listOf(listOf(NUMBER))] } as const;
export const HUGGINGFACE_ANSWER = { anyOf: [ONE, listOf(ONE)] } as const;

const BYTES_ANSWER = record({ b64: MASK });
const ROW = {
  anyOf: [
    record({ classes: listOf(TEXT), scores: listOf(NUMBER) }),
    record({ classes: listOf(TEXT), masks: listOf(BYTES_ANSWER) }),
    listOf(NUMBER),
  ],
} as const;
const COLUMNS = {
  anyOf: [
    record({ classes: listOf(listOf(TEXT)), scores: listOf(listOf(NUMBER)) }),
    record({ classes: listOf(listOf(TEXT)), masks: listOf(listOf(BYTES_ANSWER)) }),
    listOf(listOf(NUMBER)),
  ],
} as const;
export const PREDICT_ANSWER = { oneOf: [record({ predictions: listOf(ROW) }), record({ outputs: COLUMNS })] } as const;
export const INVOCATIONS_ANSWER = { anyOf: [HUGGINGFACE_ANSWER, PREDICT_ANSWER] } as const;

const CODE = record({ error_code: { const: 'OK' }, error_message: TEXT });
const VERSION = record({ version: TEXT, state: { const: 'AVAILABLE' }, status: CODE });
/** What v1 says of a model. */
export const STATUS_ANSWER = record({
  name: TEXT,
  ready: { type: 'boolean' },
  model_version_status: listOf(VERSION),
});
export const MODELS_ANSWER = record({ models: listOf(TEXT) });
export const ALIVE_ANSWER = record({ status: TEXT });

/** A form with files. */
export const FORM_BODY = {
  content: {
    'multipart/form-data': { schema: { type: 'object', additionalProperties: BINARY.schema, minProperties: 1 } },
  },
};
const INTEGER = { type: 'integer' } as const;
/** What is said of each file of a form, in its order. */
export const FORM_ANSWERS: Record<Task, object> = {
  classify: listOf(record({ file: TEXT, labels: LABELS })),
  segment: listOf(record({ file: TEXT, width: INTEGER, height: INTEGER, segments: MASKS })),
  features: listOf(record({ file: TEXT, features: listOf(NUMBER) })),
};

/** A tensor of protocol v2; without `data` where it is binary. */
const TENSOR = {
  type: 'object',
  required: ['name', 'shape', 'datatype'],
  properties: {
    name: TEXT,
    shape: { type: 'array', items: { type: 'integer', minimum: 0 } },
    datatype: { enum: ['FP32', 'BYTES'] },
    parameters: { type: 'object' },
    data: { type: 'array' },
  },
} as const;
const INFER = {
  type: 'object',
  required: ['inputs'],
  properties: {
    id: TEXT,
    parameters: { type: 'object' },
    inputs: { type: 'array', items: TENSOR, minItems: 1 },
    outputs: listOf({ type: 'object', required: ['name'], properties: { name: TEXT, parameters: { type: 'object' } } }),
  },
} as const;
export const INFER_BODY = {
  content: { 'application/json': { schema: INFER }, 'application/octet-stream': BINARY },
};
export const INFER_ANSWER = {
  type: 'object',
  required: ['model_name', 'model_version', 'outputs'],
  properties: {
    model_name: TEXT,
    model_version: TEXT,
    id: TEXT,
    parameters: { type: 'object' },
    outputs: listOf(TENSOR),
  },
} as const;
