import type { Routes } from '../app.js';

export const huggingface: Routes = async () => {};
