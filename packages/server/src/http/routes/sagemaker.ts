import type { Routes } from '../app.js';

export const sagemaker: Routes = async () => {};
