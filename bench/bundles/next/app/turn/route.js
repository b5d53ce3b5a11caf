/** Takes a turn: POST `{ network, device, budget }`, get `{ ms }` or `{ error }`. */
import * as library from 'mobilenet-v2';
import { openTurns } from '../../bench/bundles/turns.mjs';

const turns = openTurns(library);

export async function POST(request) {
  try {
    return Response.json({ ms: await turns(await request.json()) });
  } catch (error) {
    return Response.json({ error: error.message });
  }
}
