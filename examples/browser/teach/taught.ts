/** Where the network that a visitor taught lies, in the browser's private files of this page. */
export const TAUGHT_NAME = 'my-model';
export const TAUGHT = `opfs:${TAUGHT_NAME}`;
