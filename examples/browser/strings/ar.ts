/** Arabic. A text that is missing here is said in English; see i18n.ts. */
import type { Strings } from '../i18n.js';

export const ar: Strings = {};
