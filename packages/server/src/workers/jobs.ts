/**
 * What goes to a worker and what comes back. Bytes and typed arrays are moved, not copied: who sends a job cannot use its bytes
 * any more.
 */
import type { Kind } from '../errors.js';
import type { ClassMap } from './class-map.js';

/** What to do with a picture. */
export type Task = 'classify' | 'segment' | 'features';
export const TASKS: readonly Task[] = ['classify', 'segment', 'features'];

/** Most pictures of a request, on every route. Clients of v2 read it as `max_batch_size`. */
export const MOST_PICTURES = 64;

type ScoreFunction = 'softmax' | 'sigmoid' | 'none';

/** How labels or masks are wanted. */
export interface How {
  /** How many labels, best first; null for all. Default 5. */
  top_k?: number | null;
  /** Only labels or pixels with at least this score. */
  threshold?: number;
  /** What makes scores of a classifier's logits; what its config.json says when left out. */
  function_to_apply?: ScoreFunction;
}

/** Encoded pictures: the bytes of files. */
export interface PicturesJob extends How {
  kind: 'pictures';
  model: string;
  task: Task;
  pictures: readonly Uint8Array[];
  /** What a segmentation is: a mask for every class, or one map of all. Default: masks. */
  segmentation?: 'masks' | 'map';
}

/** Which protocol a body of JSON is written in. The parser of each is a file of workers/json/. */
export type BodyRoute = 'v1' | 'v2' | 'huggingface' | 'invocations';

/**
 * The body of a request that holds JSON, and with it maybe tensors or pictures: parsing 150,000 numbers takes longer than
 * the network does, so the worker parses, checks, computes and writes the answer's bytes.
 */
export interface BodyJob {
  kind: 'body';
  model: string;
  route: BodyRoute;
  body: Uint8Array;
  /** huggingface: what for; what the model is for when left out. */
  task?: Task | undefined;
  /** v2: how many bytes at the beginning are JSON; the rest is tensors. */
  header_length?: number;
}

/** What a model is: its outputs are what it gave for a picture of zeros. */
export interface DescribeJob {
  kind: 'describe';
  model: string;
}

export type Job = PicturesJob | BodyJob | DescribeJob;

export interface NamedTensor {
  name: string;
  dims: readonly number[];
  data: Float32Array;
}

export interface LabelScore {
  label: string;
  score: number;
  /** The class's number. */
  index: number;
}

/** A class of a segmentation. */
export interface Segment {
  label: string;
  /** The class's number. */
  index: number;
  /** A PNG of one channel at the picture's size: 255 where the class is. */
  mask: Uint8Array;
}

/** What a picture of a PicturesJob gave. A picture that cannot be read fails alone. */
export type PictureAnswer =
  | { labels: LabelScore[] }
  | {
      segments: Segment[];
      width: number;
      height: number;
      /** In place of segments, where it was asked for. */
      map?: ClassMap;
    }
  | { features: Float32Array }
  | {
      error: {
        kind: Kind;
        message: string;
        /** The library's, such as IMAGE or LIMIT. */
        code: string;
      };
    };

/** How long the parts took in the worker, in milliseconds. */
export interface Timing {
  /** Reading the request: JSON, pictures. */
  input: number;
  /** The network, and with pictures what is made of its outputs. */
  infer: number;
  /** Writing the answer. */
  output: number;
}

export interface PicturesAnswer {
  kind: 'pictures';
  pictures: PictureAnswer[];
}
/** The bytes of an answer, ready to be sent. */
export interface BodyAnswer {
  kind: 'body';
  body: Uint8Array;
  headers: Record<string, string>;
  /** How many pictures the body had. */
  count: number;
  timing: Timing;
}
export interface DescribeAnswer {
  kind: 'describe';
  model: ModelDescription;
}

export type Answer = PicturesAnswer | BodyAnswer | DescribeAnswer;
/** The answer that a job gets. */
export type AnswerTo<J extends Job> = Extract<Answer, { kind: J['kind'] }>;

/** A tensor of a model, with -1 for any number of pictures. */
export interface TensorDescription {
  name: string;
  datatype: 'FP32';
  shape: readonly number[];
}

export interface ModelDescription {
  name: string;
  version: '1';
  /** The first is what the model is for. */
  tasks: readonly Task[];
  /** By the class's number; empty for a model without classes. */
  labels: readonly string[];
  input: TensorDescription;
  outputs: readonly TensorDescription[];
}
