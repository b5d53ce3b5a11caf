/** The stage that a layer is in; a layer outside of all blocks is a stage by itself. */
export const stageOf = (layer: string): string =>
  /^(conv_stem|layer\.\d+|segmentation_head)\b/.exec(layer)?.[1] ?? layer;
