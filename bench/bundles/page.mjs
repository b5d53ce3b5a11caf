/** What a page of a user imports; bundlers find the package by its name. */
export { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from 'mobilenet-v2';
