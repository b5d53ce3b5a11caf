/**
 * The rule of src/entries/main.ts for names: theirs as they have them, ours in camelCase. The compiler's view of the entries is
 * walked, so that options and results count as functions and classes do.
 */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { MODULES } from '../../scripts/entries.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const THEIRS = new Set(
  `
  PyTorch, as in transformers.js's Tensor too:
  squeeze_ unsqueeze_ flatten_ add_ sub_ mul_ div_ map_ neg_ sigmoid_ clamp_ round_ normalize_
  state_dict load_state_dict full_like ones_like zeros_like std_mean log_softmax
  transformers, models:
  from_pretrained save_pretrained from_config from_dict to_dict to_json_string num_parameters only_trainable
  pixel_values output_hidden_states hidden_states last_hidden_state pooler_output add_pooling_layer
  cache_dir force_download local_files_only ignore_mismatched_sizes torch_dtype
  attn_implementation device_map low_cpu_mem_usage output_attentions resume_download return_dict trust_remote_code use_fast
  use_safetensors
  transformers, MobileNetV2Config:
  model_type num_channels image_size depth_multiplier depth_divisible_by min_depth expand_ratio output_stride
  first_layer_is_expansion finegrained_output hidden_act tf_padding classifier_dropout_prob initializer_range layer_norm_eps
  semantic_loss_ignore_index problem_type num_labels
  transformers, image processors:
  do_resize do_center_crop crop_size do_rescale rescale_factor do_normalize image_mean image_std do_convert_rgb
  do_reduce_labels default_to_square shortest_edge longest_edge max_height max_width input_data_format segmentation_maps return_tensors
  post_process_semantic_segmentation return_segmentation_scores segmentation_scores load_image
  transformers, pipelines:
  top_k function_to_apply
  transformers.js:
  progress_callback original_sizes reshaped_input_sizes cos_sim center_crop
  huggingface_hub:
  hf_hub_download snapshot_download allow_patterns ignore_patterns
`
    .split('\n')
    .filter((line) => !line.endsWith(':'))
    .flatMap((line) => line.split(' '))
    .filter((name) => name.length > 0),
);

const CAMEL = /^[a-z][a-zA-Z0-9]*$/;
const PASCAL = /^[A-Z][a-zA-Z0-9]*$/;

/** Every public name, and the first place that has it: exports, members of classes and types, fields of inline types. */
function publicNames(modules: readonly string[]): { types: Map<string, string>; values: Map<string, string> } {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const files = modules.map((name) => `${ROOT}src/entries/${name}.ts`);
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const types = new Map<string, string>();
  const values = new Map<string, string>();
  const seen = new Set<ts.Node>();
  const add = (name: string, node: ts.Node, into = values) => {
    const file = node.getSourceFile();
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (!into.has(name)) into.set(name, `${file.fileName.slice(ROOT.length)}:${line}`);
  };
  const resolved = (symbol: ts.Symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const ours = (symbol: ts.Symbol) =>
    (symbol.declarations ?? []).filter((node) => node.getSourceFile().fileName.startsWith(`${ROOT}src/`));
  const visitSymbol = (symbol: ts.Symbol | undefined) => {
    if (symbol === undefined) return;
    const target = resolved(symbol);
    ours(target).forEach(visit);
    if (!(target.flags & ts.SymbolFlags.TypeAlias) && !(target.flags & ts.SymbolFlags.Interface)) return;
    // What is computed from other types, such as `Partial<Fields>` and the keys of a table.
    for (const property of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(target))) {
      for (const node of ours(property)) if (!ts.isClassElement(node)) add(property.name, node);
    }
  };
  const visit = (node: ts.Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (ts.isTypeElement(node) || ts.isClassElement(node)) {
      const hidden =
        ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected) ||
        (node.name !== undefined && ts.isPrivateIdentifier(node.name)) ||
        ts.isClassStaticBlockDeclaration(node);
      if (hidden) return;
      if (node.name !== undefined && ts.isIdentifier(node.name)) add(node.name.text, node);
    }
    if (ts.isTypeReferenceNode(node)) visitSymbol(checker.getSymbolAtLocation(node.typeName));
    if (ts.isTypeQueryNode(node)) visitSymbol(checker.getSymbolAtLocation(node.exprName));
    if (ts.isExpressionWithTypeArguments(node)) visitSymbol(checker.getSymbolAtLocation(node.expression));
    // `readonly a = b`: the type is b's.
    if (ts.isPropertyDeclaration(node) && node.initializer && ts.isIdentifier(node.initializer)) {
      visitSymbol(checker.getSymbolAtLocation(node.initializer));
    }
    // `env` is an object: its fields are public. Elsewhere what is computed is not.
    const { body, initializer } = node as { body?: ts.Node; initializer?: ts.Node };
    ts.forEachChild(node, (child) => {
      if (child !== body && child !== initializer) visit(child);
    });
  };
  for (const file of files) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    for (const symbol of checker.getExportsOfModule(module)) {
      const target = resolved(symbol);
      const [declaration] = target.declarations!;
      const isType = target.flags & (ts.SymbolFlags.Type | ts.SymbolFlags.Class);
      add(symbol.name, declaration!, isType ? types : values);
      visitSymbol(symbol);
    }
  }
  return { types, values };
}

const { types, values } = publicNames(MODULES);

it('walks exports, members, options and results', () => {
  const some = ['pipeline', 'from_pretrained', 'multiplyAdds', 'receptiveField', 'hiddenStatesOnly', 'wasmModule'];
  for (const name of [
    ...some,
    'only_trainable',
    'imagePixels',
    'cache_dir',
    'snapshot_download',
    'pixelRange',
    'toNdarray',
  ]) {
    expect([...values.keys()]).toContain(name);
  }
  expect([...types.keys()]).toContain('MobileNetV2ForImageClassification');
  expect([...types.keys()]).toContain('PlanOptions');
  expect([...values.keys()]).not.toContain('taskOutputs');
});

it('a name is one of theirs or camelCase', () => {
  const wrong = [...values].filter(([name]) => !THEIRS.has(name) && !CAMEL.test(name));
  expect(wrong).toEqual([]);
});

it('a class or type is in PascalCase', () => {
  expect([...types].filter(([name]) => !PASCAL.test(name))).toEqual([]);
});

it('lists no name of theirs that nothing has', () => {
  expect([...THEIRS].filter((name) => !values.has(name))).toEqual([]);
});
