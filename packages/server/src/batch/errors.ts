/** What ends a run, in contrast to what becomes a record. */

/** The command cannot be as it was given: exit code 2. */
export class UsageError extends Error {}

/** The place where pictures or results are cannot be reached just now. Its shard is tried again. */
export class StoreError extends Error {}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
