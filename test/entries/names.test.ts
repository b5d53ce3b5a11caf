/**
 * The rule of src/entries/main.ts for names: theirs as they have them, ours in camelCase. The compiler's view of the entries is
 * walked, so that options and results count as functions and classes do.
 */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { MODULES } from '../../scripts/entries.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Names with an underscore that others have, by the library that has them. Each was looked for in the source of torch 2,
 * transformers 5.24, @huggingface/transformers 4.3 or huggingface_hub 2.4: a name that is added here has to be there.
 */
const THEIRS = new Set(
  `
  PyTorch, losses:
  label_smoothing
  PyTorch, as in transformers.js's Tensor too:
  squeeze_ unsqueeze_ flatten_ add_ sub_ mul_ div_ map_ neg_ sigmoid_ clamp_ round_ normalize_
  state_dict load_state_dict start_dim end_dim fill_value full_like ones_like zeros_like std_mean log_softmax
  transformers, models:
  from_pretrained save_pretrained from_config from_dict to_dict to_json_string num_parameters only_trainable
  pixel_values output_hidden_states hidden_states last_hidden_state pooler_output add_pooling_layer
  cache_dir force_download local_files_only ignore_mismatched_sizes torch_dtype
  attn_implementation device_map low_cpu_mem_usage output_attentions return_dict trust_remote_code use_fast
  use_safetensors
  transformers, MobileNetV2Config:
  model_type num_channels image_size depth_multiplier depth_divisible_by min_depth expand_ratio output_stride
  first_layer_is_expansion finegrained_output hidden_act tf_padding classifier_dropout_prob initializer_range layer_norm_eps
  semantic_loss_ignore_index problem_type num_labels
  transformers, image processors:
  do_resize do_center_crop crop_size do_rescale rescale_factor do_normalize image_mean image_std do_convert_rgb
  do_reduce_labels default_to_square shortest_edge longest_edge max_height max_width input_data_format segmentation_maps return_tensors
  post_process_semantic_segmentation target_sizes return_segmentation_scores segmentation_scores load_image
  transformers, pipelines:
  top_k function_to_apply
  transformers.js:
  progress_callback original_sizes reshaped_input_sizes cos_sim center_crop
  transformers, Trainer, TrainingArguments and TrainerState (warmup_ratio until version 4):
  adam_beta1 adam_beta2 adam_epsilon add_callback batch_eval_metrics best_global_step best_metric
  best_model_checkpoint compute_metrics compute_result data_seed dataloader_drop_last decay_type
  early_stopping_patience early_stopping_patience_counter early_stopping_threshold eval_dataset eval_delay
  eval_on_start eval_steps eval_strategy get_last_checkpoint get_warmup_steps global_step gradient_accumulation_steps
  greater_is_better is_hyper_param_search is_local_process_zero is_world_process_zero label_ids
  label_smoothing_factor learning_rate load_best_model_at_end log_history logging_first_step logging_steps
  logging_strategy lr_end lr_scheduler_kwargs lr_scheduler_type max_grad_norm max_steps metric_for_best_model
  metric_key_prefix min_lr min_lr_rate min_lr_ratio num_cycles num_decay_steps num_input_tokens_seen num_stable_steps
  num_train_epochs num_training_steps optim_args output_dir per_device_eval_batch_size per_device_train_batch_size
  processing_class remove_callback resume_from_checkpoint save_model save_only_model save_steps save_strategy
  save_total_limit stateful_callbacks total_flos train_batch_size train_dataset train_sampling_strategy training_loss
  trial_name trial_params warmup_lr_rate warmup_steps warmup_type weight_decay warmup_ratio
  PyTorch, ReduceLROnPlateau; transformers, GreedyLR:
  max_lr reset_start threshold_mode window_size
  transformers, callbacks:
  on_epoch_begin on_epoch_end on_evaluate on_init_end on_log on_optimizer_step on_pre_optimizer_step on_predict
  on_prediction_step on_save on_step_begin on_step_end on_substep_end on_train_begin on_train_end should_epoch_stop
  should_evaluate should_log should_save should_training_stop
  transformers, EfficientNetConfig; PyTorch, torch.nn.functional:
  batch_norm_momentum batch_norm
  evaluate's mean_iou:
  mean_iou mean_accuracy overall_accuracy per_category_iou per_category_accuracy
  huggingface_hub:
  hf_hub_download snapshot_download resume_download allow_patterns ignore_patterns
`
    .split('\n')
    .filter((line) => !line.endsWith(':'))
    .flatMap((line) => line.split(' '))
    .filter((name) => name.length > 0),
);

const CAMEL = /^[a-z][a-zA-Z0-9]*$/;
const PASCAL = /^[A-Z][a-zA-Z0-9]*$/;

interface Names {
  /** Classes and types. */
  types: Map<string, string>;
  /** Functions, fields, options, parameters. */
  values: Map<string, string>;
}

/** Every public name, and the first place that has it: exports, and whatever can be reached from their types. */
function publicNames(modules: readonly string[]): Names {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const files = modules.map((name) => `${ROOT}src/entries/${name}.ts`);
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const names: Names = { types: new Map(), values: new Map() };
  const seen = new Set<unknown>();

  const add = (into: Map<string, string>, { name, declarations = [] }: ts.Symbol) => {
    const [node] = declarations;
    const file = node?.getSourceFile();
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (!into.has(name))
      into.set(name, file === undefined ? 'computed' : `${file.fileName.slice(ROOT.length)}:${line}`);
  };

  const visitType = (type: ts.Type | undefined): void => {
    if (type === undefined || seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) type.types.forEach(visitType);
    if (type.isClassOrInterface()) checker.getBaseTypes(type).forEach(visitType);
    if (type.isTypeParameter()) visitType(checker.getBaseConstraintOfType(type));
    const { objectFlags = 0 } = type as Partial<ts.ObjectType>;
    if (objectFlags & ts.ObjectFlags.Reference) checker.getTypeArguments(type as ts.TypeReference).forEach(visitType);
    type.aliasTypeArguments?.forEach(visitType);
    for (const index of checker.getIndexInfosOfType(type)) visitType(index.type);
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) visitSignature(signature);
    for (const property of checker.getPropertiesOfType(type)) visitProperty(property);
  };
  const visitSignature = (signature: ts.Signature) => {
    if (signature.declaration !== undefined && !isOurs(signature.declaration)) return;
    visitType(signature.getReturnType());
    for (const parameter of signature.getParameters()) {
      if (!parameter.name.startsWith('__')) add(names.values, parameter); // a destructured one has no name
      visitType(checker.getTypeOfSymbol(parameter));
    }
  };
  const visitProperty = (property: ts.Symbol) => {
    const { declarations = [], name } = property;
    // Without a declaration: a key of a `Record`, or the index of a tuple.
    const key = declarations[0] ?? name;
    if (seen.has(key) || !declarations.every((node) => isOurs(node) && isPublic(node))) return;
    seen.add(key);
    if (!name.startsWith('__@') && !/^\d+$/.test(name)) add(names.values, property);
    visitType(checker.getTypeOfSymbol(property));
  };

  for (const file of files) {
    for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!)) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const isType = target.flags & (ts.SymbolFlags.Type | ts.SymbolFlags.Class);
      if (isType) visitType(checker.getDeclaredTypeOfSymbol(target));
      if (target.flags & ts.SymbolFlags.Value) visitType(checker.getTypeOfSymbol(target));
      add(isType ? names.types : names.values, symbol);
    }
  }
  return names;
}

const isOurs = (node: ts.Node) => node.getSourceFile().fileName.startsWith(`${ROOT}src/`);

function isPublic(node: ts.Declaration): boolean {
  const { Private, Protected } = ts.ModifierFlags;
  const name = ts.getNameOfDeclaration(node);
  const isHidden = ts.getCombinedModifierFlags(node) & (Private | Protected);
  return !isHidden && !(name !== undefined && ts.isPrivateIdentifier(name));
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
