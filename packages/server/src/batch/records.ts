/** What is known about a picture in the end. The same as the library's command line gives with --format ndjson. */
export interface Label {
  label: string;
  score: number;
}

export interface ClassShare {
  id: number;
  label: string;
  pixels: number;
  share: number;
  color: readonly number[];
}

export type Failure = { file: string; error: { code: string; message: string } };

export type Record =
  | Failure
  | { file: string; labels: readonly Label[] }
  | { file: string; width: number; height: number; classes: readonly ClassShare[]; mask: string }
  | { file: string; dims: readonly number[]; features: Float32Array };

/** Nine digits are all that a float32 has. */
export const shortNumber = (value: number): number => Number(value.toPrecision(9));

export const isFailure = (record: Record): record is Failure => 'error' in record;
