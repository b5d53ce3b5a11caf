/**
 * Triton's parameter `timeout`: how many microseconds a request may wait for a worker. It is needed while the request waits,
 * that is, before a worker parses its body. So the JSON is searched for it and not parsed: tensors in it would take too long.
 */
const [QUOTE, BACKSLASH, ...BRACKETS] = Buffer.from('"\\[{]}');
const [OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT] = BRACKETS;
const TIMEOUT = Buffer.from('"timeout"');
const PARAMETERS = '"parameters"';

/** In milliseconds; undefined for none, which 0 means, too. The worker refuses what is not a number. */
export const inMilliseconds = (timeout: unknown): number | undefined =>
  Number.isSafeInteger(timeout) && (timeout as number) > 0 ? (timeout as number) / 1000 : undefined;

/**
 * The one in a body.
 * @param header how many bytes of the body are JSON; all when left out
 */
export function timeoutOf(body: Buffer, header = body.length): number | undefined {
  const json = body.subarray(0, header);
  if (!json.includes(TIMEOUT)) return undefined;
  try {
    return inMilliseconds(JSON.parse(parametersIn(json)).timeout);
  } catch {
    // The worker says what is wrong.
    return undefined;
  }
}

/** The text of the outermost object's `parameters`: of the last ones, as JSON.parse takes them. Empty where there are none. */
function parametersIn(json: Buffer): string {
  let depth = 0;
  let found = '';
  /** Where they begin, while they are read. */
  let begin = -1;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) {
      const end = endOfString(json, at);
      if (depth === 1 && json.toString('latin1', at, end) === PARAMETERS) begin = json.indexOf(':', end) + 1;
      at = end - 1;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth++;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      depth--;
      if (depth !== 1 || begin < 0) continue;
      found = json.toString('utf8', begin, at + 1);
      begin = -1;
    }
  }
  return found;
}

/** @param at its opening quote. @returns what comes after its closing one */
function endOfString(json: Buffer, at: number): number {
  for (let end = json.indexOf(QUOTE, at + 1); end >= 0; end = json.indexOf(QUOTE, end + 1)) {
    let escapes = 0;
    while (json[end - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  return json.length;
}
