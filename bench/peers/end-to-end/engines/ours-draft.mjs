/** mobilenet-v2 with large JPEGs decoded at a fraction of their size. */
export async function open({ library, folder, read }) {
  const { pipeline } = await library();
  const classify = await pipeline('image-classification', folder ?? { name: 'network', read }, { threads: 1 });
  classify.processor.draft = true;
  return async (bytes) => (await classify(bytes, { top_k: 1 }))[0];
}
