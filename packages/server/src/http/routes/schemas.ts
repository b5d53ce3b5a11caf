/** Bodies and answers of the routes that take pictures, for openapi.json. Workers check bodies where they parse them. */

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
  },
} as const;
const INPUTS = {
  type: 'object',
  required: ['inputs'],
  properties: {
    inputs: { oneOf: [PICTURE, { type: 'array', items: PICTURE, minItems: 1, maxItems: 64 }] },
    parameters: PARAMETERS,
  },
} as const;

const BYTES = { oneOf: [PICTURE, { type: 'object', required: ['b64'], properties: { b64: PICTURE } }] } as const;
const NAMED = {
  oneOf: [
    BYTES,
    { type: 'object', properties: { image: BYTES, image_bytes: BYTES }, minProperties: 1, maxProperties: 1 },
  ],
} as const;
const LIST = { type: 'array', items: NAMED, minItems: 1, maxItems: 64 } as const;
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
