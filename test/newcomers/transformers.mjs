/**
 * Hugging Face's own examples for MobileNetV2, line by line: those of the page "MobileNetV2" in the documentation of
 * transformers, and of its classes. What changes is `await`, and options in braces.
 *
 *     node transformers.mjs picture.jpg
 */
import {
  AutoImageProcessor,
  AutoModelForImageClassification,
  load_image,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
  pipeline,
} from 'mobilenet-v2';

const file = process.argv[2];

// Usage, "Pipeline"
const classify = await pipeline('image-classification', 'google/mobilenet_v2_1.0_224', {
  dtype: 'float16',
  device: 'cpu',
});
const [best] = await classify(file);
console.log('pipeline:', best.label);

// Usage, "AutoModel"
let image_processor = await AutoImageProcessor.from_pretrained('google/mobilenet_v2_1.0_224');
const classifier = await AutoModelForImageClassification.from_pretrained('google/mobilenet_v2_1.0_224');

const image = await load_image(file);
let inputs = await image_processor(image, { return_tensors: 'pt' });

let { logits } = await classifier(inputs);
const predicted_class_id = logits.argmax(-1).item();

const class_labels = classifier.config.id2label;
const predicted_class_label = class_labels[predicted_class_id];
console.log('The predicted class label is:', predicted_class_label);

// MobileNetV2Config
let configuration = new MobileNetV2Config();
let model = new MobileNetV2Model(configuration);
configuration = model.config;
console.log('config:', configuration.model_type, configuration.depth_multiplier, model.num_parameters());

// MobileNetV2Model, forward
model = await MobileNetV2Model.from_pretrained('google/mobilenet_v2_1.0_224');
inputs = await image_processor(image);
const outputs = await model(inputs);
const last_hidden_states = outputs.last_hidden_state;
console.log('last_hidden_states:', last_hidden_states.dims);

// MobileNetV2ForImageClassification, forward; positional, and by preprocess
const again = await MobileNetV2ForImageClassification.from_pretrained('google/mobilenet_v2_1.0_224');
const { pixel_values } = await image_processor.preprocess(image);
({ logits } = await again(pixel_values));
console.log('classification:', again.config.id2label[logits.argmax(-1).item()]);

// MobileNetV2ForSemanticSegmentation, forward
image_processor = await AutoImageProcessor.from_pretrained('google/deeplabv3_mobilenet_v2_1.0_513');
const segmenter = await MobileNetV2ForSemanticSegmentation.from_pretrained('google/deeplabv3_mobilenet_v2_1.0_513');
inputs = await image_processor(image);
({ logits } = await segmenter(inputs));
console.log('logits:', logits.dims);

// Guide "Semantic segmentation": the class of every pixel of the picture
const [predicted_segmentation_map] = image_processor.post_process_semantic_segmentation({ logits }, [
  [image.height, image.width],
]);
const counts = new Map();
for (const id of predicted_segmentation_map.data) counts.set(id, (counts.get(id) ?? 0) + 1);
const largest = [...counts].sort(([, a], [, b]) => b - a).map(([id]) => segmenter.config.id2label[id]);
console.log(
  'segmentation:',
  predicted_segmentation_map.dims,
  predicted_segmentation_map.type,
  largest.slice(0, 2).sort(),
);
