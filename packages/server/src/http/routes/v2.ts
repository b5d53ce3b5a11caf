import type { Routes } from '../app.js';

export const v2: Routes = async () => {};
