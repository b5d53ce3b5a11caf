/** What a trainer learns from, and how it is asked for: one picture at a time, ready for the network. */
import type { Random } from './random.js';

/** A picture and what it shows. */
export interface TrainingItem {
  /** [3,H,W], normalized. */
  pixel_values: Float32Array;
  /** The index of its class; or of every pixel, [H,W] as the network sees it, where 255 has no class. */
  label: number | Int32Array;
}

/** Pictures with labels. `ImageFolder` makes them; so may anybody who has these. */
export interface TrainingDataset {
  readonly length: number;
  /** Of every picture: [channels, height, width]. */
  readonly dims: readonly [channels: number, height: number, width: number];
  /** Names of the classes by their index. */
  readonly id2label: Readonly<Record<number, string>>;
  /** Classes of the pictures, for drawing them as often as each other; not there where pixels have classes. */
  readonly targets?: Int32Array | undefined;
  /**
   * @param random draws how the picture is cropped, flipped and colored; null for the picture as it is evaluated
   * @throws MobileNetError for a picture that can no longer be read
   */
  item(index: number, random: Random | null): Promise<TrainingItem>;
}
