/** mobilenet-v2, as its users write it. */
export async function open({ library, folder, read }) {
  const { pipeline } = await library();
  const classify = await pipeline('image-classification', folder ?? { name: 'network', read }, { threads: 1 });
  return async (bytes) => (await classify(bytes, { top_k: 1 }))[0];
}
