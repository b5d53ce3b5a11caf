import { describe, expect, it } from 'vitest';
import {
  describePlan,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2Model,
} from '../../src/entries/main-node.js';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter } from '../helpers/tiny.js';

describe('inspect', () => {
  it("has the paper's figures for 1.0-224", async () => {
    const folder = temporaryFolder();
    await new MobileNetV2Config({ num_labels: 1000 }).save_pretrained(folder);
    const { code, stdout } = await cli(['inspect', folder, '--json']);
    expect(code).toBe(0);
    const { parameters, multiply_adds, layers, input, config } = JSON.parse(stdout);
    expect(input).toEqual([1, 3, 224, 224]);
    expect(parameters).toBe(3_504_872); // torchvision's mobilenet_v2, and the 3.5 M of the paper
    expect((multiply_adds / 1e6).toFixed(1)).toBe('300.8');
    expect(layers[0]).toEqual({
      name: 'conv_stem.first_conv',
      operation: 'conv 3×3, stride 2, norm, relu6',
      output: [32, 112, 112],
      parameters: 3 * 32 * 9 + 2 * 32,
      multiply_adds: 112 * 112 * 3 * 32 * 9,
    });
    expect(layers.at(-1)).toMatchObject({ name: 'classifier', operation: 'linear', output: [1000] });
    expect(config).toMatchObject({ num_labels: 1000, depth_multiplier: 1 });
  });

  it('prints a table with a total, at the size that is asked for', async () => {
    const { stdout } = await cli(['inspect', '--size', '96x128']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^input +3×96×128$/));
    expect(lines).toContainEqual(
      expect.stringMatching(/^conv_stem\.first_conv +conv 3×3, stride 2, norm, relu6 +32×48×64 +928 +2\.65 M$/),
    );
    expect(lines.at(-1)).toMatch(/^total +[\d,]+ +[\d.]+ M$/);
  });

  it('marks what a segmentation does not use', async () => {
    const folder = temporaryFolder();
    await saveTinySegmenter(folder);
    const { stdout } = await cli(['inspect', folder]);
    expect(stdout).toMatch(/^conv_1x1 .* not used +[\d,]+$/m);
    expect(stdout).toMatch(/^segmentation_head\.concat +concat/m);
  });
});

describe('plan', () => {
  it('prints the plan of the library', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const model = await MobileNetV2ForImageClassification.from_pretrained(folder);
    const args = ['plan', folder, '--size', '64x48', '--batch', '2', '--hidden-states', '9,12'];
    const { code, stdout } = await cli(args);
    expect(code).toBe(0);
    const plan = model.plan([2, 3, 64, 48], { output_hidden_states: [9, 12] });
    expect(stdout).toBe(`${describePlan(plan)}\n`);
    const record = JSON.parse((await cli([...args, '--json'])).stdout);
    expect(record).toMatchObject({
      input: [2, 3, 64, 48],
      outputs: ['logits', 'hidden_states.9', 'hidden_states.12'],
      multiply_adds: plan.multiplyAdds,
      arena_bytes: plan.arenaBytes,
    });
    expect(record.steps).toHaveLength(plan.steps.length);
  });

  it('plans a base model by the class in its config', async () => {
    const folder = temporaryFolder();
    await new MobileNetV2Model(new MobileNetV2Config({ depth_multiplier: 0.1 })).save_pretrained(folder);
    const { stdout } = await cli(['plan', folder, '--device', 'reference']);
    expect(stdout).toContain('input [1,3,224,224]');
    expect(stdout).toContain('outputs last_hidden_state, pooler_output');
  });
});
