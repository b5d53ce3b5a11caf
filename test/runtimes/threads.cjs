/** Preloaded (`node --require`): writes down which threads of text a program starts, and which of them fail. */
const { appendFileSync } = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const threads = require('node:worker_threads');

const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(file, options) {
    super(file, options);
    if (!options?.eval) return;
    appendFileSync(process.env.THREADS_FILE, 'started\n');
    this.on('error', ({ message }) => appendFileSync(process.env.THREADS_FILE, `failed: ${message}\n`));
  }
};
syncBuiltinESMExports();
