/**
 * The page of an extension under strict policies: that of its manifest, and the one that browsers have for extensions
 * without any, which forbids WebAssembly. Neither allows eval, and nothing may ask for it.
 */
import { readFileSync } from 'node:fs';
import { check, ROOT } from './support.mjs';

await check('strict CSP', async (project) => {
  project.copy('examples/extension', '.');
  project.follow('Browser extension');
  const manifest = JSON.parse(readFileSync(`${ROOT}examples/extension/manifest.json`, 'utf8'));
  const policies = {
    wasm: manifest.content_security_policy.extension_pages,
    js: "script-src 'self'; object-src 'self'",
  };
  let outcome;
  for (const [expected, policy] of Object.entries(policies)) {
    const { origin } = await project.serve('.', { 'content-security-policy': policy });
    outcome = await project.open(`${origin}/popup.html`);
    const engine = outcome.label.split(' by ')[1];
    if (engine !== expected) throw new Error(`under ${policy}: expected ${expected}, got ${outcome.label}`);
  }
  const { label, ms, version } = outcome;
  const form = "with 'wasm-unsafe-eval' wasm, without js";
  return { version: `Chromium ${version}`, form, label: label.split(' by ')[0], ms };
});
