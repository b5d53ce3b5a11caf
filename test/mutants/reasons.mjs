/** Mutants that no test can kill, or that none should: { file, was, becomes (any where it is left out), why }. */
export const REASONS = [];
