/** AWS Lambda behind a function URL: `curl --data-binary @husky.png https://…` answers with labels. */
import { MobileNetError, pipeline } from 'mobilenet-v2';

const loading = pipeline('image-classification'); // while the function starts, when it has a whole processor

const answer = (statusCode, body) => ({
  statusCode,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export async function handler({ body = '', isBase64Encoded = false }) {
  const classify = await loading;
  try {
    const picture = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
    return answer(200, await classify(picture, { top_k: 3 }));
  } catch (error) {
    if (!(error instanceof MobileNetError)) throw error;
    return answer(400, { code: error.code, message: error.message });
  }
}
