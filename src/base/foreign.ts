/** What lies in a model's folder under a file's name and is not that file: left by git, a browser or a server. */
import { MobileNetError, show } from './errors.js';

const LFS = /^version https:\/\/git-lfs\.github\.com\//;
const PAGE = /^\s*(?:<!--[^>]*-->\s*)*<(?:!doctype\s+html|html|head|body)\b/i;
const XML = /^\s*<\?xml\b/i;
/** What the hub answers, and curl saves, where there is no such file or no permission. */
const ANSWER =
  /^\s*(?:Entry not found|Not Found|Invalid username or password|Repository not found|Invalid rev id|Access to model .{1,200} is restricted|You don't have access)/i;
const BEGINNING = 512;

/** @throws MobileNetError BAD_HEADER that says what the file is, and what to do */
export function refuseForeign(bytes: Uint8Array, file: string): void {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, BEGINNING)).replace(/^ï»¿/, '');
  let message: string | undefined;
  if (LFS.test(text)) {
    const size = /^size (\d{1,15})$/m.exec(text)?.[1];
    message = `is a git-lfs pointer${size === undefined ? '' : ` to a file of ${size} bytes`}, not the file itself; run "git lfs pull" in its repository, or download the file`;
  } else if (PAGE.test(text)) {
    message =
      'is a web page, not the file: a page about it, or one with an error, was saved; on a hub the file is behind "download" (/resolve/, not /blob/)';
  } else if (XML.test(text)) {
    message = "is XML, not the file: perhaps a server's error was saved; download it again";
  } else if (bytes.length < BEGINNING && ANSWER.test(text)) {
    message = `is a server's answer, ${show(text.trim())}, not the file; download it again, with a token where the model needs one`;
  }
  if (message !== undefined) throw new MobileNetError('BAD_HEADER', `${file}: ${message}`, { file, offset: 0 });
}
