/** What `mobilenet-v2/ndarray` is everywhere: the bridge to ndarray. */
export * from '../tensor/ndarray.js';
