import type { Routes } from '../app.js';

export const v1: Routes = async () => {};
