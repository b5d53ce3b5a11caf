/** Classifies on the server: POST a picture, get labels. */
import { pipeline } from 'mobilenet-v2';

let loading;
export async function POST(request) {
  loading ??= pipeline('image-classification');
  const classify = await loading;
  return Response.json(await classify(new Uint8Array(await request.arrayBuffer()), { top_k: 3 }));
}
